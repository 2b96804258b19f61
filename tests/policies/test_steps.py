"""Several boundaries in one query: each is cleared before anything may be made of it."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pytest
from tests.small_project import gates

from ambergate_extension.pipeline import Gate
from ambergate_policies.kernel import Kernel
from ambergate_policies.prepared import Prepared
from ambergate_policies.verdict import Finding

WRITTEN_IN_STEPS = {
    "a WITH part that aggregates": (
        "WITH t AS (SELECT sex, count(*) AS n FROM person GROUP BY sex) SELECT sex, n FROM t ORDER BY n DESC"
    ),
    "a denominator": (
        "SELECT code, count(DISTINCT person_id) * 100.0 / (SELECT count(*) FROM person) AS percent FROM event "
        "WHERE code IN ('E11', 'I10') GROUP BY code ORDER BY code"
    ),
    "two cleared tables joined": (
        "WITH d AS (SELECT region, count(*) AS n FROM person GROUP BY region), e AS (SELECT p.region, "
        "count(DISTINCT p.person_id) AS k FROM person p JOIN event USING (person_id) WHERE code = 'E11' "
        "GROUP BY p.region) SELECT d.region, e.k * 1.0 / d.n AS prevalence FROM d JOIN e USING (region) "
        "ORDER BY prevalence, 1"
    ),
    "an aggregate of aggregates": (
        "SELECT max(n), count(*) FROM (SELECT sex, count(*) AS n FROM person GROUP BY sex) AS x"
    ),
    "a cleared value in a condition on persons": (
        "SELECT sex, count(*) FROM person WHERE age > (SELECT avg(age) FROM person) GROUP BY sex ORDER BY sex"
    ),
    "a value of the row's own person": (
        "SELECT sex, count(*) FROM person p WHERE (SELECT count(*) FROM event e WHERE e.person_id = p.person_id) > 3 "
        "GROUP BY sex ORDER BY sex"
    ),
    "a count of the row's own person that may be of nothing": (
        "SELECT avg((SELECT count(*) FROM event e WHERE e.person_id = p.person_id AND e.code = 'E11')) FROM person p"
    ),
    "values side by side": (
        "SELECT (SELECT count(*) FROM person) AS everyone, (SELECT count(*) FROM person WHERE sex = 'F') AS women"
    ),
    "a cleared table joined back to persons": (
        "WITH ages AS (SELECT sex, avg(age) AS m FROM person GROUP BY sex) SELECT p.sex, count(*) FROM person p "
        "JOIN ages ON ages.sex = p.sex WHERE p.age > ages.m GROUP BY p.sex ORDER BY p.sex"
    ),
    "a cleared list in a condition": (
        "SELECT code, count(*) FROM event WHERE code IN (SELECT code FROM event GROUP BY code "
        "HAVING count(DISTINCT person_id) > 200) GROUP BY code ORDER BY code"
    ),
    "a cleared list with a missing value, and what is not in it": (
        "SELECT code NOT IN (SELECT nullif(k, 'I10') FROM (SELECT code AS k, count(*) AS n FROM event GROUP BY code) "
        "AS l) AS a, code IN (SELECT nullif(code, 'I10') FROM code_list) AS b, "
        "nullif(code, 'E11') NOT IN (SELECT code FROM code_list WHERE code = 'none') AS c, "
        "nullif(code, 'E11') NOT IN (SELECT code FROM code_list WHERE code = 'C50') AS d, count(*) "
        "FROM event WHERE code IN (SELECT code FROM code_list) GROUP BY ALL ORDER BY count(*)"
    ),
    "a step read twice": (
        "WITH t AS (SELECT sex, count(*) AS n FROM person GROUP BY sex) SELECT a.sex, a.n * 1.0 / b.n AS r "
        "FROM t a JOIN t b ON b.sex = 'F' ORDER BY a.sex"
    ),
    "EXISTS that compares with the row, as a value": (
        "SELECT count(*) FILTER (WHERE EXISTS (SELECT 1 FROM event e WHERE e.person_id = p.person_id "
        "AND e.value > p.age)), avg(CASE WHEN NOT EXISTS (SELECT 1 FROM event e WHERE e.person_id = p.person_id "
        "AND e.value > p.age) THEN 1 ELSE 0 END) FROM person p"
    ),
    "an aggregate of the row's own person that compares with the row": (
        "SELECT sex, sum((SELECT count(*) FROM event e WHERE e.person_id = p.person_id AND e.value > p.age)) > 0, "
        "count_if((SELECT count(*) FROM event e WHERE e.person_id = p.person_id AND e.value > p.age) > 1) "
        "FROM person p GROUP BY sex ORDER BY sex"
    ),
    "an aggregate of the row's own person over both": (
        "SELECT (SELECT max(e.value - p.age) FROM event e WHERE e.person_id = p.person_id) > 10 AS above, count(*) "
        "FROM person p GROUP BY 1 ORDER BY 1"
    ),
    "one row of parameters": (
        "WITH params AS (SELECT 50 AS cut) SELECT sex, count(*) FROM person, params WHERE age > params.cut "
        "GROUP BY sex ORDER BY sex"
    ),
    "one cleared row beside every person": (
        "SELECT sex, count(*) FROM person CROSS JOIN (SELECT avg(age) AS m FROM person) AS s WHERE age > s.m "
        "GROUP BY sex ORDER BY sex"
    ),
    "a code from a reference table": (
        "SELECT code, count(*) FROM event WHERE code = (SELECT max(code) FROM code_list WHERE code < 'F') GROUP BY code"
    ),
    "a share of a step's own total, by group": (
        "WITH t AS (SELECT sex, smoker, count(*) AS n FROM person GROUP BY ALL) SELECT smoker, sum(n) * 1.0 / "
        "(SELECT sum(n) FROM t) AS share FROM t GROUP BY smoker ORDER BY share"
    ),
    "QUALIFY over groups": (
        "SELECT region, count(*) AS n FROM person GROUP BY region QUALIFY rank() OVER (ORDER BY count(*) DESC) <= 2 "
        "ORDER BY n DESC, region"
    ),
    "a window over a cleared table": (
        "WITH t AS (SELECT sex, count(*) AS n FROM person GROUP BY sex) SELECT sex, n, sum(n) OVER () AS total FROM t "
        "ORDER BY sex"
    ),
    "a key that reads a cleared value": (
        "SELECT CASE WHEN age > (SELECT avg(age) FROM person) THEN 'older' ELSE 'younger' END AS half, count(*) "
        "FROM person GROUP BY 1 ORDER BY 1"
    ),
}


@pytest.mark.parametrize("name", WRITTEN_IN_STEPS)
def test_steps_mean_what_duckdb_makes_of_the_whole_text(name: str, same_as_duckdb: Callable[[str], None]) -> None:
    same_as_duckdb(WRITTEN_IN_STEPS[name])


def test_a_step_gives_away_no_more_than_the_table_it_clears(unrounded_gate: Gate) -> None:
    few = "SELECT region, sex, count(*) AS n FROM person WHERE age < 40 GROUP BY ALL"
    shown = unrounded_gate.answer(few)
    again = unrounded_gate.answer(f"WITH t AS ({few}) SELECT * FROM t")
    assert shown.table is not None and again.table is not None
    assert sorted(map(str, shown.table.to_pylist())) == sorted(map(str, again.table.to_pylist()))
    assert shown.withheld_groups == again.withheld_groups


def test_a_suppressed_cell_stays_suppressed_under_every_dress(unrounded_gate: Gate) -> None:
    hidden = "SELECT sex, count_if(age = 104) AS n FROM person GROUP BY sex"
    answer = unrounded_gate.answer(f"WITH t AS ({hidden}) SELECT sex, coalesce(n, 0) AS a, n * 0 + 1 AS b FROM t")
    assert answer.table is not None and answer.mask is not None
    for row, mask in zip(answer.table.to_pylist(), answer.mask.to_pylist(), strict=True):
        assert (row["a"], row["b"]) == (None, None) or not (mask["a"] or mask["b"])
        assert mask["sex"] is False


def test_nothing_is_made_of_a_held_step(small_database: object, tmp_path: object) -> None:
    gate = gates.near_gate(small_database, tmp_path, gates.kernel("sdc-default"))  # type: ignore[arg-type]
    held = "SELECT sex, sum(bmi) AS total FROM person GROUP BY sex"
    assert gate.answer(held).verdict == "held"
    for outer in (
        "SELECT (SELECT total FROM t WHERE total > 0)",
        "SELECT count(*) FROM t",
        "SELECT sex FROM t",
        "SELECT count(*) FROM person JOIN t USING (sex)",
    ):
        answer = gate.answer(f"WITH t AS ({held}) {outer}")
        assert answer.verdict == "refused" and answer.table is None
    gate.close()


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("SELECT sex, (SELECT sex, count(*) FROM person GROUP BY sex) FROM person GROUP BY sex", "subquery"),
        ("SELECT sex, (SELECT age FROM person LIMIT 1) FROM person GROUP BY sex", "row-level"),
        (
            "SELECT count(*) FROM person p WHERE (SELECT value FROM event e WHERE e.person_id = p.person_id) > 3",
            "subquery",
        ),
        (
            "SELECT count(*) FROM person p WHERE (SELECT max(value) FROM event e WHERE e.value > p.age) > 3",
            "join-on-owner",
        ),
        ("WITH t AS (SELECT person_id, age FROM person) SELECT * FROM t", "row-level"),
        ("SELECT " + " + ".join(f"(SELECT count(*) FROM person WHERE age > {age})" for age in range(60)), "size"),
    ],
)
def test_what_is_no_step_is_refused(sql: str, rule: str, refusal: Callable[[str], Finding]) -> None:
    assert refusal(sql).rule == rule


@pytest.mark.parametrize("joined", ["person p JOIN t ON t.region = p.region", "person p CROSS JOIN t", "person p, t"])
def test_a_cleared_table_that_is_not_unique_does_not_multiply_persons(unrounded_gate: Gate, joined: str) -> None:
    answer = unrounded_gate.answer(
        f"WITH t AS (SELECT region, sex, count(*) AS n FROM person GROUP BY ALL) SELECT count(*) FROM {joined}"
    )
    assert (answer.verdict, answer.findings[0].rule) == ("refused", "fan-out")


def test_a_value_that_turns_out_to_be_several_is_refused(unrounded_gate: Gate) -> None:
    answer = unrounded_gate.answer("SELECT count(*) FROM event WHERE code = (SELECT code FROM code_list)")
    assert (answer.verdict, answer.findings[0].rule) == ("refused", "subquery")
    assert answer.findings[0].fragment is not None


def test_each_step_reads_only_what_it_was_checked_for(kernel: Kernel, plain: duckdb.DuckDBPyConnection) -> None:
    prepared: Prepared = kernel.prepare(WRITTEN_IN_STEPS["a denominator"], account=gates.ACCOUNT, on=gates.NOON.date())
    assert [set(step.reads) for step in prepared.steps] == [{"person"}, {"event"}]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT DATE '2020-01-01' + INTERVAL 90000 YEAR AS day, 1 AS one",
        "SELECT make_date(200000, 1, 1) AS day, 1 AS one",
        "SELECT registered_on + INTERVAL 9000 YEAR AS day, 1 AS one FROM person GROUP BY 1",
    ],
)
def test_a_date_that_no_calendar_reaches_is_missing(unrounded_gate: Gate, sql: str) -> None:
    answer = unrounded_gate.answer(sql)
    assert answer.verdict == "released", answer.findings
    assert gates.rows_of(answer) == [(None, 1)]
