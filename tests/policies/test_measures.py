"""What may stand inside an aggregate: grades, and that a predicate is recognised however it is written."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ambergate_policies.algebra.expressions import Measure
from ambergate_policies.prepared import Prepared
from ambergate_policies.verdict import Finding

Prepare = Callable[[str], Prepared]
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
    "CASE WHEN smoker THEN 2 ELSE 1 END",
    "bmi + 1000000",
    "1000000 - bmi",
    "bmi * bmi * bmi * bmi",
    "pow(bmi, 3)",
    "pow(2, age)",
    "pow(2.0, age)",
    "exp(age)",
    "exp(bmi * 30)",
    "(age > 50)::int + 2 * (smoker)::int",
    "(age > 50)::int + (smoker)::int * 1000",
    "smoker::int * 5",
    "bmi % 7",
    "length(region)",
    "greatest(bmi, 1000000)",
    "coalesce(bmi, 1000)",
    "1 / bmi",
    "7",
    "sqrt(weight * height)",
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
