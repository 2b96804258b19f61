"""What is never NULL by the text alone, and that nothing else is taken for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ambergate_policies.prepared import PreparedBoundary

Prepare = Callable[[str], PreparedBoundary]


def counts_every_row(prepare: Prepare, text: str) -> bool:
    step = prepare(f"SELECT count({text}) FROM person")
    (aggregate,) = step.program.boundary.aggregates
    return aggregate.argument is None


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "'x'",
        "coalesce(bmi, 0)",
        "coalesce(bmi, weight, height, 0)",
        "bmi IS NULL",
        "bmi IS NOT DISTINCT FROM 3",
        "NOT (bmi IS NULL)",
        "bmi IS NULL AND smoker IS NULL",
        "CASE WHEN smoker THEN 1 ELSE 0 END",
        "CASE WHEN smoker THEN coalesce(bmi, 1) ELSE 0 END",
        "coalesce(bmi, CASE WHEN sex = 'F' THEN 1 ELSE 2 END)",
    ],
)
def test_what_is_there_for_everybody_counts_every_row(prepare: Prepare, text: str) -> None:
    assert counts_every_row(prepare, text)


@pytest.mark.parametrize(
    "text",
    [
        "bmi",
        "NULL",
        "coalesce(bmi, weight)",
        "CASE WHEN smoker THEN 1 END",
        "CASE WHEN smoker THEN 1 ELSE bmi END",
        "CASE WHEN smoker THEN NULL ELSE 1 END",
        "bmi = 3",
        "bmi > 3 AND age > 3",
        "nullif(1, imd)",
        "1 / (age - 31)",
        "TRY_CAST('x' AS INTEGER)",
        "sex LIKE 'F%'",
        "sex IN ('F')",
        "bmi + 1",
        "greatest(bmi, weight)",
        "sqrt(-1)",
        "round(coalesce(bmi, 0))",
    ],
)
def test_what_may_be_missing_for_somebody_is_protected(prepare: Prepare, text: str) -> None:
    assert not counts_every_row(prepare, text)


def test_a_column_that_an_outer_join_leaves_out_is_not_there_for_everybody(prepare: Prepare) -> None:
    step = prepare(
        "SELECT count(e.flag) FROM person p LEFT JOIN (SELECT person_id, coalesce(value, 0) AS flag FROM event) e "
        "ON e.person_id = p.person_id"
    )
    assert step.program.boundary.aggregates[0].argument is not None
