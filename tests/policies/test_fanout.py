"""A join with public rows never multiplies a person's row: what it demands of them, and what it lets through."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.small_project import gates, population

from ambergate_extension.pipeline import Gate

CARRIED = {
    "a condition on one person": "SELECT count(*) FROM person p JOIN (VALUES (1), (2), (3), (4), (5)) v(x) "
    "ON v.x = 1 OR p.age > 90",
    "a cross join": "SELECT count(*) FROM person p CROSS JOIN (VALUES (1), (2), (3)) v(x)",
    "a cross join and WHERE": "SELECT count(*) FROM person p, (VALUES (1), (2), (3)) v(x) WHERE v.x = 1 OR p.age > 90",
    "a key that is there twice": "SELECT count(*) FROM person p JOIN (VALUES (1), (2), (2), (2)) v(x) "
    "ON v.x = CASE WHEN p.age > 90 THEN 2 ELSE 1 END",
    "a count of copies": "SELECT count(*) FROM person p JOIN (VALUES (1), (2), (3)) v(x) "
    "ON v.x <= CASE WHEN p.age > 90 THEN 3 ELSE 1 END",
    "bands that overlap": "SELECT count(*) FROM person p JOIN (VALUES (0, 120), (90, 120)) v(lo, hi) "
    "ON p.age BETWEEN v.lo AND v.hi",
    "a reference table off its key": "SELECT count(*) FROM event e JOIN code_list c ON c.chapter = "
    "CASE WHEN e.code = 'E11' THEN 'Circulatory' ELSE 'none' END",
    "numbers that are one as doubles": "SELECT count(*) FROM person p JOIN (VALUES (1), (9223372036854775807), "
    "(9223372036854775806), (9223372036854775805)) v(x) ON v.x = CASE WHEN p.age > 90 THEN 9223372036854775807::DOUBLE "
    "ELSE 1.0::DOUBLE END",
    "bands that meet as doubles": "SELECT count(*) FROM person p JOIN (VALUES (0, 9007199254740992), "
    "(9007199254740993, 9007199254740999)) v(lo, hi) ON p.bmi BETWEEN v.lo AND v.hi",
    "the public table first": "SELECT count(*) FROM (VALUES (1), (1)) v(x) JOIN person p ON v.x = p.imd",
    "a sum": "SELECT sum(p.age) FROM person p JOIN (VALUES (1), (2), (3)) v(x) ON v.x = 1 OR p.age > 90",
}
SINGLE = {
    "a reference table by its key": "SELECT c.chapter, count(*) FROM event e JOIN code_list c ON c.code = e.code "
    "GROUP BY 1",
    "by USING": "SELECT count(*) FROM event JOIN code_list USING (code)",
    "by WHERE": "SELECT count(*) FROM event e, code_list c WHERE e.code = c.code",
    "bands": "SELECT v.name, count(*) FROM person p JOIN (VALUES (0, 40, 'young'), (40, 200, 'old')) v(lo, hi, name) "
    "ON p.age >= v.lo AND p.age < v.hi GROUP BY 1",
    "closed bands": "SELECT count(*) FROM person p JOIN (VALUES (0, 39), (40, 120)) v(lo, hi) "
    "ON p.age BETWEEN v.lo AND v.hi",
    "one public row": "SELECT count(*) FROM person p CROSS JOIN (VALUES (50)) v(limit_age) WHERE p.age > v.limit_age",
    "made unique by a condition": "SELECT count(*) FROM person p JOIN (VALUES (1, 'a'), (1, 'b')) v(x, kind) "
    "ON v.x = p.imd AND v.kind = 'a'",
    "a left join": "SELECT c.term, count(*) FROM event e LEFT JOIN code_list c ON c.code = e.code GROUP BY 1",
    "membership": "SELECT count(*) FROM event WHERE code IN (SELECT code FROM code_list WHERE chapter = 'Circulatory')",
}


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    folder = tmp_path_factory.mktemp("fanout")
    population.write(folder / "small.duckdb")
    gate = gates.near_gate(folder / "small.duckdb", folder / "spill")
    yield gate
    gate.close()


@pytest.mark.parametrize("sql", CARRIED.values(), ids=CARRIED.keys())
def test_a_join_that_could_count_a_person_more_than_once_is_refused(sql: str, gate: Gate) -> None:
    answer = gate.answer(sql)
    assert (answer.verdict, [finding.rule for finding in answer.findings]) == ("refused", ["fan-out"])
    assert answer.findings[0].hint and answer.findings[0].span


@pytest.mark.parametrize("sql", SINGLE.values(), ids=SINGLE.keys())
def test_a_join_in_which_a_row_meets_one_public_row_is_answered(sql: str, gate: Gate) -> None:
    answer = gate.answer(sql)
    assert answer.verdict == "released", answer.findings
