"""Which relations have one row per person, and so need no grouping by person."""

from __future__ import annotations

import pytest
from tests.policies.conftest import Prepare

from ambergate_policies.algebra.relations import Boundary
from ambergate_policies.ranges import equal_ranges, one_row_each
from ambergate_policies.statistics import statement

ONE_ROW = (
    "(SELECT person_id, count(*) AS n FROM event GROUP BY person_id) t",
    "(SELECT DISTINCT person_id FROM event WHERE code = 'A') t",
    "(SELECT DISTINCT person_id, 1 AS n FROM event) t",
    "(SELECT person_id, code FROM event QUALIFY row_number() OVER (PARTITION BY person_id ORDER BY happened_on) = 1) t",
    "(SELECT person_id, n FROM (SELECT person_id, count(*) AS n FROM event GROUP BY person_id) i WHERE n > 1) t",
    "(SELECT DISTINCT person_id FROM event) t JOIN (SELECT person_id, count(*) AS n FROM event GROUP BY person_id) u "
    "ON u.person_id = t.person_id",
    "(SELECT DISTINCT person_id FROM event) t WHERE t.person_id IN (SELECT person_id FROM event WHERE code = 'A')",
)
MORE_ROWS = (
    "event t",
    "person t",  # this catalogue does not say that its persons have one row each
    "(SELECT person_id, code, count(*) AS n FROM event GROUP BY person_id, code) t",
    "(SELECT DISTINCT person_id, code FROM event) t",
    "(SELECT person_id, code FROM event QUALIFY rank() OVER (PARTITION BY person_id ORDER BY happened_on) = 1) t",
    "(SELECT person_id, code FROM event QUALIFY row_number() OVER (PARTITION BY person_id, code "
    "ORDER BY happened_on) = 1) t",
    "(SELECT person_id, code FROM event QUALIFY row_number() OVER (PARTITION BY person_id ORDER BY happened_on) < 3) t",
    "(SELECT DISTINCT person_id FROM event) t JOIN event e ON e.person_id = t.person_id",
    "(SELECT DISTINCT person_id FROM event) t LEFT JOIN event e ON e.person_id = t.person_id",
    "(SELECT DISTINCT person_id FROM event) t FULL JOIN (SELECT DISTINCT person_id FROM event) e "
    "ON e.person_id = t.person_id",
)


def _boundary(prepare: Prepare, source: str) -> Boundary:
    return prepare(f"SELECT count(*) AS n FROM {source}").program.boundary


@pytest.mark.parametrize("source", ONE_ROW)
def test_one_row_per_person_is_not_grouped_by_person_again(prepare: Prepare, source: str) -> None:
    boundary = _boundary(prepare, source)
    assert one_row_each(boundary.relation)
    assert "1 AS r" in statement(boundary, 10)


@pytest.mark.parametrize("source", MORE_ROWS)
def test_where_a_person_may_have_two_rows_persons_are_grouped_first(prepare: Prepare, source: str) -> None:
    boundary = _boundary(prepare, source)
    assert not one_row_each(boundary.relation)
    assert "1 AS r" not in statement(boundary, 10)


@pytest.mark.parametrize(("persons", "parts"), [(1, 16), (15, 16), (16, 16), (1000, 16), (7, 64)])
def test_ranges_leave_nobody_out_and_count_nobody_twice(persons: int, parts: int) -> None:
    ranges = list(equal_ranges(persons, parts))
    for person in range(persons + 5):
        inside = [(low or 0) <= person and (high is None or person < high) for low, high in ranges]
        assert inside.count(True) == 1
