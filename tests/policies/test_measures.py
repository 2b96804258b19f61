"""What may stand inside an aggregate: grades, and that a predicate is recognised however it is written."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pytest

from ambergate_extension.pipeline import Gate
from ambergate_policies.algebra.expressions import Measure
from ambergate_policies.prepared import PreparedBoundary
from ambergate_policies.verdict import Finding

Prepare = Callable[[str], PreparedBoundary]
Refusal = Callable[[str], Finding]

MEASURED = {
    "bmi": Measure.TOTAL,
    "age": Measure.TOTAL,
    "bmi * 2.2": Measure.TOTAL,
    "weight / 6.35": Measure.TOTAL,
    "weight / (height * height)": Measure.TOTAL,
    "bmi - age": Measure.TOTAL,
    "abs(bmi)": Measure.TOTAL,
    "ln(bmi)": Measure.TOTAL,
    "pow(bmi, 2)": Measure.TOTAL,
    "least(bmi, 60)": Measure.TOTAL,
    "greatest(bmi, 0)": Measure.TOTAL,
    "coalesce(bmi, 0)": Measure.TOTAL,
    "CASE WHEN smoker THEN bmi END": Measure.TOTAL,
    "CASE WHEN smoker THEN bmi ELSE 0 END": Measure.TOTAL,
    "date_diff('day', registered_on, died_on)": Measure.TOTAL,
    "year(died_on) - birth_year": Measure.TOTAL,
    "TRY_CAST(bmi AS INTEGER)": Measure.TOTAL,
    "trunc(bmi)": Measure.TOTAL,
    "log2(bmi)": Measure.TOTAL,
    "sqrt(weight * height / 3600)": Measure.TOTAL,
    "year(age(died_on, registered_on))": Measure.TOTAL,
    "date_part('year', age(died_on, registered_on))": Measure.TOTAL,
    "epoch(died_on::timestamp - registered_on::timestamp) / 86400": Measure.TOTAL,
    "hour(registered_on::timestamp)": Measure.TOTAL,
}
PREDICATES = (
    "smoker",
    "smoker::int",
    "age > 65",
    "CASE WHEN age > 65 THEN 1 ELSE 0 END",
    "CASE WHEN age > 65 THEN 1.0 ELSE 0.0 END",
    "CASE WHEN age > 65 THEN 1 END",
    "abs(CASE WHEN age > 65 THEN 1 ELSE 0 END)",
    "(age > 65)::int * smoker::int",
    "1 * (age > 65)::int",
    "coalesce(smoker::int, 0)",
    "least(smoker::int, 1)",
    "greatest(0, smoker::int)",
    "round((age > 65)::int)",
    "CASE WHEN sex = 'F' THEN smoker::int ELSE 0 END",
)
NO_MEASURES = (
    "CASE WHEN age = 50 THEN 1000000 ELSE 1 END",
    "bmi + 1000000",
    "1000000 - bmi",
    "bmi * bmi * bmi * bmi",
    "pow(bmi, 3)",
    "pow(2, age)",
    "pow(2.0, age)",
    "exp(age)",
    "exp(bmi * 30)",
    "(age > 50)::int + (smoker)::int * 1000",
    "bmi % 7",
    "length(region)",
    "coalesce(bmi, 1000)",
    "1 / bmi",
    "bmi - 5000",
    "(age > 50)::int + 20 * (smoker)::int",
    "bmi + smoker::int",
    "bmi + age * 2 - 1000000",
    "CASE WHEN smoker THEN bmi * 10000 ELSE bmi END",
    "CASE WHEN smoker THEN bmi ELSE bmi + 100000 END",
    "CASE WHEN smoker THEN bmi ELSE age END",
    "CASE WHEN smoker THEN bmi ELSE 25 END",
    "least(-bmi, -1000000)",
    "-least(-bmi, -1000000)",
    "greatest(bmi, weight)",
    "exp(bmi / 100)",
    "pow(bmi - 25, 2)",
    "coalesce(bmi, weight)",
    "abs(smoker::int * 10 - bmi)",
    "list_sum([bmi, smoker::int])",
    "[1, 1000000][imd]",
    "MAP {'F': 1, 'M': 1000000}[sex]",
    "epoch(registered_on)",
    "julian(registered_on)",
    "levenshtein(region, 'CANARY Isle')",
    "strlen(region)",
    "instr(region, 'a')",
    "TRY_CAST(split_part(region, ' ', 1) AS INTEGER)",
    "date_diff('day', DATE '2000-01-01', coalesce(died_on, registered_on))",
    "7",
    "CASE WHEN age < 30 THEN bmi WHEN age < 50 THEN weight ELSE height END",
    "strftime(died_on, '%Y')::int",
    "replace(region, 'a', '1')::double",
)


@pytest.mark.parametrize(("expression", "measure"), MEASURED.items())
def test_a_measure_can_be_summed(prepare: Prepare, expression: str, measure: Measure) -> None:
    aggregates = prepare(f"SELECT sum({expression}) FROM person").program.boundary.aggregates
    assert [aggregate.measure for aggregate in aggregates] == [measure]


@pytest.mark.parametrize("expression", PREDICATES)
def test_the_sum_of_a_predicate_is_a_count_whose_complement_is_protected(prepare: Prepare, expression: str) -> None:
    (aggregate,) = prepare(f"SELECT sum({expression}) FROM person").program.boundary.aggregates
    assert aggregate.measure is Measure.ROWS
    assert aggregate.argument is not None


@pytest.mark.parametrize("expression", PREDICATES)
def test_the_average_of_a_predicate_is_a_proportion(prepare: Prepare, expression: str) -> None:
    (aggregate,) = prepare(f"SELECT avg({expression}) FROM person").program.boundary.aggregates
    assert aggregate.measure is Measure.PROPORTION


@pytest.mark.parametrize("expression", NO_MEASURES)
@pytest.mark.parametrize("function", ["sum", "avg", "stddev", "median", "max"])
def test_an_expression_that_can_encode_a_value_is_no_measure(refusal: Refusal, function: str, expression: str) -> None:
    finding = refusal(f"SELECT {function}({expression}) FROM person")
    assert finding.rule in {"measure", "function", "type"}
    assert finding.hint or finding.rule != "measure"


@pytest.mark.parametrize("expression", ["event_id", "event_id * 1", "abs(event_id)", "least(event_id, 5)"])
def test_a_record_key_is_no_measure(refusal: Refusal, expression: str) -> None:
    assert refusal(f"SELECT sum({expression}) FROM event").rule == "measure"


def test_the_maximum_of_a_predicate_per_person_is_a_predicate_of_the_person(prepare: Prepare) -> None:
    sql = """SELECT avg(ever) FROM (SELECT person_id, max(CASE WHEN code = 'E11' THEN 1 ELSE 0 END) AS ever
             FROM event GROUP BY person_id) AS x"""
    assert prepare(sql).program.boundary.aggregates[0].measure is Measure.PROPORTION


def test_a_count_per_person_is_a_measure(prepare: Prepare) -> None:
    sql = "SELECT avg(n), stddev(n) FROM (SELECT person_id, count(*) AS n FROM event GROUP BY person_id) AS x"
    found = [aggregate.measure for aggregate in prepare(sql).program.boundary.aggregates]
    assert found == [Measure.MEAN, Measure.DEVIATION]


def test_a_record_key_is_no_measure_per_person_either(refusal: Refusal) -> None:
    sql = "SELECT sum(m) FROM (SELECT person_id, max(event_id) AS m FROM event GROUP BY person_id) AS x"
    assert refusal(sql).rule == "measure"


def test_a_grade_survives_a_subquery(refusal: Refusal) -> None:
    sql = "SELECT sum(x) FROM (SELECT person_id, CASE WHEN age = 50 THEN 1000 ELSE 1 END AS x FROM person) AS y"
    assert refusal(sql).rule == "measure"


SUMS = {
    # what is averaged: the cells that it is made of
    "(age > 65)::int + 2 * smoker::int": [Measure.PROPORTION, Measure.PROPORTION],
    "smoker::int + 1": [Measure.PROPORTION],
    "100.0 * smoker::int": [Measure.PROPORTION],
    "CASE WHEN age > 75 THEN 2 WHEN age > 65 THEN 1 ELSE 0 END": [Measure.PROPORTION, Measure.PROPORTION],
    "CASE WHEN age > 75 THEN 1 WHEN age < 20 THEN 1 ELSE 3 END": [Measure.PROPORTION],
    "coalesce((age > 65)::int + 2 * smoker::int, 0)": [Measure.PROPORTION, Measure.PROPORTION],
    "list_sum([1, 2 * (age > 65)::int])": [Measure.PROPORTION],
    "bmi - 25": [Measure.MEAN],
    "2024 - birth_year": [Measure.MEAN],
    "year(current_date) - birth_year": [Measure.MEAN],
    "(bmi - 32) * 5 / 9": [Measure.MEAN],
    "-bmi": [Measure.MEAN],
    "died_on - registered_on + 1": [Measure.MEAN],
    "weight - height + 100": [Measure.MEAN],
    "CASE WHEN sex = 'F' THEN bmi - 25 END": [Measure.MEAN],
    "CASE WHEN sex = 'F' THEN weight / 2.2 ELSE weight END": [Measure.MEAN] * 3,
    "CASE sex WHEN 'F' THEN bmi * 2 WHEN 'M' THEN bmi END": [Measure.MEAN] * 3,
    "coalesce(bmi, 0) + coalesce(weight, 0)": [Measure.MEAN] * 3,
    "greatest(bmi, 15)": [Measure.MEAN] * 2,
    "least(greatest(bmi, 15), 60)": [Measure.MEAN] * 2,
    "CASE WHEN bmi > 60 THEN 60 ELSE bmi END": [Measure.MEAN],
    "CASE WHEN bmi < 15 THEN 15 ELSE bmi END": [Measure.MEAN] * 2,
    "coalesce(died_on, DATE '2024-12-31') - greatest(registered_on, DATE '2015-01-01')": [Measure.MEAN] * 2,
    "greatest(0, least(died_on, DATE '2024-12-31') - greatest(registered_on, DATE '2015-01-01'))": [Measure.MEAN] * 2,
}  # fmt: skip


@pytest.mark.parametrize(("expression", "cells"), SUMS.items())
def test_a_sum_of_measures_is_made_of_their_cells(prepare: Prepare, expression: str, cells: list[Measure]) -> None:
    program = prepare(f"SELECT avg({expression}) FROM person").program
    assert [aggregate.measure for aggregate in program.boundary.aggregates] == cells


@pytest.mark.parametrize("expression", SUMS)
@pytest.mark.parametrize("function", ["avg", "stddev"])
def test_a_sum_of_measures_is_what_duckdb_computes(
    unrounded_gate: Gate, plain: duckdb.DuckDBPyConnection, function: str, expression: str
) -> None:
    if function != "avg" and expression.startswith("100.0"):
        pytest.skip("a rate has a mean only")
    sql = f"SELECT imd, {function}({expression}) AS v FROM person WHERE bmi < 100 GROUP BY imd ORDER BY imd"
    answer = unrounded_gate.answer(sql)
    assert answer.verdict == "released" and answer.table is not None, answer.findings
    for row, expected in zip(answer.table.to_pylist(), plain.execute(sql).fetchall(), strict=True):
        assert row["v"] == pytest.approx(expected[1], rel=1e-3, abs=1e-3)


@pytest.mark.parametrize(
    ("expression", "hidden"),
    [
        ("(age > 50)::int + 12 * (region = 'CANARY Isle')::int", True),
        ("(age > 50 AND region = 'CANARY Isle')::int + (age <= 50)::int", True),
        ("CASE WHEN region = 'CANARY Isle' THEN age * 5 ELSE age END", True),
        ("CASE WHEN region = 'CANARY Isle' THEN age ELSE age * 0.01 END", True),
        ("CASE WHEN region = 'CANARY Isle' THEN -age ELSE age END", True),
        ("greatest(age, 94)", False),
        ("greatest(bmi, 70000)", True),
        ("(age > 50)::int + 2 * smoker::int", False),
        ("date_diff('day', greatest(CASE WHEN region = 'CANARY Isle' THEN registered_on END, DATE '2000-01-01'), "
         "coalesce(CASE WHEN region = 'CANARY Isle' THEN died_on END, DATE '2000-01-05'))", True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("function", ["avg", "stddev", "median"])
def test_a_term_that_few_persons_have_hides_the_whole(
    unrounded_gate: Gate, function: str, expression: str, hidden: bool
) -> None:
    """Whatever the term's value is: a suppression that depends on it would tell it."""
    answer = unrounded_gate.answer(f"SELECT {function}({expression}) AS v FROM person")
    shown = answer.verdict == "released" and answer.table is not None and answer.table.to_pylist()[0]["v"] is not None
    assert shown is not hidden


def test_weights_in_a_sum_are_refused_with_what_to_write(refusal: Refusal) -> None:
    finding = refusal("SELECT sum((age > 50)::int + 2 * smoker::int) FROM person")
    assert finding.rule == "measure" and "avg" in str(finding.hint)


def test_a_score_passes_through_subqueries(prepare: Prepare) -> None:
    sql = """WITH flags AS (SELECT person_id, max((code = 'E11')::int) AS dm, bool_or(code = 'I10') AS ht
                            FROM event GROUP BY person_id),
                  scored AS (SELECT *, dm + CASE WHEN ht THEN 2 ELSE 0 END AS score FROM flags)
             SELECT p.sex, avg(coalesce(s.score, 0)), median(s.score)
             FROM person p LEFT JOIN scored s ON s.person_id = p.person_id GROUP BY p.sex"""
    found = [aggregate.measure for aggregate in prepare(sql).program.boundary.aggregates]
    assert found.count(Measure.PROPORTION) == 4 and found.count(Measure.PERCENTILE) == 1


THROUGH_SUBQUERIES = [
    # points from VALUES, per person, once a code
    """WITH w(code, points) AS (VALUES ('E11', 1), ('I10', 2), ('J45', 6)),
            f AS (SELECT DISTINCT e.person_id, e.code, w.points FROM event e JOIN w ON w.code = e.code),
            s AS (SELECT person_id, sum(points) AS score FROM f GROUP BY person_id)
       SELECT avg(score), stddev(score) FROM s""",
    # units, then the person's largest
    """SELECT avg(m) FROM (SELECT person_id, max(CASE WHEN code = 'E11' THEN value * 18 ELSE value END) AS m
       FROM event WHERE value < 1000 GROUP BY person_id) x""",
    "SELECT avg(m) FROM (SELECT person_id, (avg(value) - 32) * 5 / 9 AS m FROM event WHERE value < 1000 GROUP BY 1) x",
    "SELECT avg(m) FROM (SELECT person_id, min(50 - value) AS m FROM event WHERE value < 1000 GROUP BY person_id) x",
    """SELECT avg(n + m) FROM (SELECT person_id, count(*) FILTER (WHERE code = 'E11') AS n,
       count(*) FILTER (WHERE code = 'I10') AS m FROM event GROUP BY person_id) x""",
    """SELECT avg(post - pre) FROM (SELECT person_id, avg(value) FILTER (WHERE happened_on < DATE '2020-01-01') AS pre,
              avg(value) FILTER (WHERE happened_on >= DATE '2020-01-01') AS post
       FROM event WHERE value < 1000 GROUP BY 1) x""",
    "SELECT avg(d) FROM (SELECT person_id, 2024 - birth_year AS d FROM person) x",
    "SELECT median(s) FROM (SELECT person_id, smoker::int + (age > 65)::int AS s FROM person) x",
]


@pytest.mark.parametrize("sql", THROUGH_SUBQUERIES)
def test_a_subquerys_column_remembers_what_it_is_made_of(
    unrounded_gate: Gate, plain: duckdb.DuckDBPyConnection, sql: str
) -> None:
    answer = unrounded_gate.answer(sql)
    assert answer.verdict == "released" and answer.table is not None, answer.findings
    expected = plain.execute(sql).fetchone()
    assert expected is not None
    assert list(answer.table.to_pylist()[0].values()) == [pytest.approx(value, rel=1e-3, abs=0.1) for value in expected]


@pytest.mark.parametrize(
    "sql",
    [
        """SELECT avg(m) FROM (SELECT person_id,
             min(CASE WHEN code LIKE 'CANARY%' THEN value * 0.01 ELSE value END) AS m
             FROM event GROUP BY person_id) x""",
        """SELECT avg(s) FROM (SELECT e.person_id, sum(v.w) AS s FROM event e
           JOIN (VALUES ('E11', 1), ('CANARY1', 12)) v(code, w) ON v.code = e.code GROUP BY e.person_id) x""",
        "SELECT avg(v.w) FROM person p JOIN (VALUES ('CANARY Isle', 10), ('Wales', 1)) v(r, w) ON v.r = p.region",
        """SELECT avg(n + m) FROM (SELECT person_id, count(*) AS n, count(*) FILTER (WHERE value > 1000) AS m
           FROM event GROUP BY person_id) x""",
    ],
)
def test_a_part_that_one_person_has_hides_the_whole_below_too(unrounded_gate: Gate, sql: str) -> None:
    answer = unrounded_gate.answer(sql)
    shown = answer.verdict == "released" and answer.table is not None
    assert not shown or [*answer.table.to_pylist()[0].values()] == [None]  # type: ignore[union-attr]
