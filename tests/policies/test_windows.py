"""Windows over one person's own rows mean what DuckDB means by them; windows over several persons are refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ambergate_extension.pipeline import Gate

EQUAL = {
    "each person's first event": "SELECT code, count(*) AS n FROM (SELECT person_id, code FROM event QUALIFY "
    "row_number() OVER (PARTITION BY person_id ORDER BY happened_on, code, event_id) = 1) AS first "
    "WHERE code NOT LIKE 'CANARY%' GROUP BY code ORDER BY code",
    "by an alias": "SELECT count(*) FROM (SELECT person_id, row_number() OVER (PARTITION BY person_id ORDER BY "
    "happened_on, event_id) AS place FROM event QUALIFY place = 2) AS second",
    "days between events": "WITH gaps AS (SELECT person_id, date_diff('day', lag(happened_on) OVER (PARTITION BY "
    "person_id ORDER BY happened_on, event_id), happened_on) AS gap FROM event) SELECT count(*) FROM gaps "
    "WHERE gap > 100",
    "with a star": "SELECT code, count(*) AS n FROM (SELECT *, rank() OVER (PARTITION BY person_id ORDER BY "
    "happened_on, event_id) AS place FROM event) AS ranked WHERE place = 1 AND code NOT LIKE 'CANARY%' "
    "GROUP BY code ORDER BY code",
    "how many a person has": "SELECT count(DISTINCT person_id) FROM (SELECT person_id, count(*) OVER (PARTITION BY "
    "person_id) AS events FROM event) AS counted WHERE events >= 3",
    "the last value before": "SELECT count(*) FROM (SELECT person_id, value > first_value(value) OVER (PARTITION BY "
    "person_id ORDER BY happened_on, event_id) AS higher FROM event) AS compared WHERE higher",
    "a membership inside": "SELECT count(*) FROM (SELECT person_id, row_number() OVER (PARTITION BY person_id ORDER BY "
    "event_id) AS place FROM event WHERE person_id IN (SELECT person_id FROM person WHERE smoker)) x WHERE place = 1",
}

REFUSED = {
    "over everybody": ("SELECT count(*) FROM (SELECT person_id, row_number() OVER (ORDER BY value) AS r FROM event) "
                       "AS x WHERE r = 1", "window"),
    "over a code": ("SELECT count(*) FROM (SELECT person_id, max(value) OVER (PARTITION BY code) AS m FROM event) "
                    "AS x WHERE m > 1", "window"),
    "outermost": ("SELECT code FROM event QUALIFY row_number() OVER (PARTITION BY person_id ORDER BY value) = 1",
                  "window"),
    "an exclusion": ("SELECT count(*) FROM (SELECT person_id, sum(value) OVER (PARTITION BY person_id ORDER BY value "
                     "ROWS 2 PRECEDING EXCLUDE TIES) AS s FROM event) AS x WHERE s > 1", "window"),
    "a rank as a measure": ("SELECT avg(r) FROM (SELECT person_id, row_number() OVER (PARTITION BY person_id ORDER BY "
                            "value) AS r FROM event) AS x", "measure"),
    "the key of an outer join": ("SELECT count(*) FROM (SELECT e.person_id, row_number() OVER (PARTITION BY "
                                 "e.person_id ORDER BY e.value) AS r FROM person p LEFT JOIN event e "
                                 "USING (person_id)) AS x", "join-on-owner"),
    "taking LIMIT's place": ("SELECT count(*) FROM (SELECT person_id FROM event ORDER BY value LIMIT 1) AS x",
                             "row-level"),
}  # fmt: skip


@pytest.mark.parametrize("sql", EQUAL.values(), ids=EQUAL.keys())
def test_a_window_within_a_person_computes_what_duckdb_computes(
    sql: str, same_as_duckdb: Callable[[str], None]
) -> None:
    same_as_duckdb(sql)


@pytest.mark.parametrize(("sql", "rule"), REFUSED.values(), ids=REFUSED.keys())
def test_a_window_that_could_see_two_persons_is_refused(sql: str, rule: str, unrounded_gate: Gate) -> None:
    answer = unrounded_gate.answer(sql)
    assert (answer.verdict, [finding.rule for finding in answer.findings]) == ("refused", [rule])
    assert answer.findings[0].hint
