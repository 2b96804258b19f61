"""IN and EXISTS with subqueries mean what DuckDB means by them, as long as they ask about the row's own person."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ambergate_extension.pipeline import Gate

EQUAL = {
    "persons with a code": "SELECT sex, count(*) FROM person WHERE person_id IN "
    "(SELECT person_id FROM event WHERE code = 'E11') GROUP BY sex ORDER BY sex",
    "persons without a code": "SELECT count(*) FROM person WHERE person_id NOT IN "
    "(SELECT e.person_id FROM event e WHERE e.code = 'E11')",
    "exists by the owner": "SELECT count(*) FROM person p WHERE EXISTS "
    "(SELECT 1 FROM event e WHERE e.person_id = p.person_id AND e.value > 40)",
    "not exists": "SELECT region, count(*) FROM person p WHERE NOT EXISTS "
    "(SELECT * FROM event e WHERE p.person_id = e.person_id AND e.code = 'I10') GROUP BY region ORDER BY region",
    "exists that reads the outer row": "SELECT count(*) FROM person p WHERE EXISTS "
    "(SELECT 1 FROM event e WHERE e.person_id = p.person_id AND e.happened_on > p.registered_on AND e.code = 'I10')",
    "not exists that reads the outer row": "SELECT count(*) FROM person p WHERE p.age > 40 AND NOT EXISTS "
    "(SELECT 1 FROM event e WHERE e.person_id = p.person_id AND e.happened_on > p.registered_on)",
    "as a flag in a CASE": "SELECT CASE WHEN person_id IN (SELECT person_id FROM event WHERE code = 'J45') "
    "THEN 'asthma' ELSE 'none' END AS asthma, count(*) AS n FROM person GROUP BY 1 ORDER BY 1",
    "in a public list": "SELECT count(*) FROM event WHERE code IN "
    "(SELECT code FROM code_list WHERE chapter = 'Circulatory')",
    "not in a public list": "SELECT count(*) FROM event WHERE code NOT IN "
    "(SELECT code FROM code_list WHERE chapter = 'Circulatory')",
    "through WITH": "WITH diabetic AS (SELECT person_id FROM event WHERE code = 'E11' GROUP BY person_id "
    "HAVING count(*) > 1) SELECT count(*) FROM person WHERE person_id IN (SELECT person_id FROM diabetic)",
    "one inside the other": "SELECT count(*) FROM person WHERE person_id IN (SELECT person_id FROM event "
    "WHERE code = 'E11' AND person_id IN (SELECT person_id FROM event WHERE code = 'I10'))",
    "in an OR": "SELECT count(*) FROM person WHERE age > 60 OR person_id IN (SELECT person_id FROM event "
    "WHERE code = 'F32')",
}

EQUAL["a correlated EXISTS that is no condition of WHERE"] = (
    "SELECT CASE WHEN EXISTS (SELECT 1 FROM event e WHERE e.person_id = p.person_id AND "
    "e.happened_on > p.registered_on) THEN 1 ELSE 0 END AS x, count(*) FROM person p GROUP BY 1 ORDER BY 1"
)

REFUSED = {
    "other people's values": ("SELECT count(*) FROM person WHERE age IN (SELECT value FROM event)", "subquery"),
    "an EXISTS about other people": (
        "SELECT count(*) FROM person p WHERE EXISTS (SELECT 1 FROM event e WHERE e.code = 'E11')",
        "join-on-owner",
    ),
    "an EXISTS off the owner": (
        "SELECT count(*) FROM person p WHERE EXISTS (SELECT 1 FROM event e WHERE e.value = p.age)",
        "join-on-owner",
    ),
    "a key beside other columns": (
        "SELECT count(*) FROM person WHERE person_id IN (SELECT person_id, code FROM event)",
        "subquery",
    ),
    "LIMIT inside": (
        "SELECT count(*) FROM person WHERE person_id IN (SELECT person_id FROM event LIMIT 1)",
        "row-level",
    ),
    "a public outer row that asks about persons": (
        "SELECT code FROM code_list c WHERE EXISTS (SELECT 1 FROM event e WHERE e.code = c.code)",
        "join-on-owner",
    ),
}


@pytest.mark.parametrize("sql", EQUAL.values(), ids=EQUAL.keys())
def test_a_membership_counts_what_duckdb_counts(sql: str, same_as_duckdb: Callable[[str], None]) -> None:
    same_as_duckdb(sql)


@pytest.mark.parametrize(("sql", "rule"), REFUSED.values(), ids=REFUSED.keys())
def test_a_membership_that_is_not_about_the_rows_own_person_is_refused(
    sql: str, rule: str, unrounded_gate: Gate
) -> None:
    answer = unrounded_gate.answer(sql)
    assert answer.verdict == "refused"
    assert [finding.rule for finding in answer.findings] == [rule]
    assert answer.findings[0].hint
