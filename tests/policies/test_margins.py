"""ROLLUP, CUBE and GROUPING SETS: a total is shown beside its parts only if what it adds to them may be shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import duckdb
import pytest
from tests.small_project.gates import NOON, kernel

from ambergate_extension.pipeline import Answer, Gate
from ambergate_policies import margins, statistics
from ambergate_policies.algebra.relations import Join
from ambergate_policies.prepared import PreparedBoundary
from ambergate_policies.verdict import Finding

MINIMUM = 10
"""Of the pack `ess-net`, which the gate of these tests has; checked below."""


def shown(answer: Answer) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """The released rows: what is not a number is a key, in a query that begins with its two keys."""
    assert answer.verdict == "released", answer.findings
    assert answer.table is not None
    return {tuple(row.values())[:2]: tuple(row.values())[2:] for row in answer.table.to_pylist()}


def test_the_gate_of_these_tests_asks_for_ten_persons(unrounded_gate: Gate) -> None:
    assert unrounded_gate._kernel.pack.threshold.minimum == MINIMUM


def test_totals_are_shown_where_every_part_is(unrounded_gate: Gate, plain: duckdb.DuckDBPyConnection) -> None:
    sql = "SELECT sex, imd, count(*) AS n FROM person GROUP BY CUBE (sex, imd)"
    expected = {row[:2]: row[2:] for row in plain.execute(sql).fetchall()}
    assert shown(unrounded_gate.answer(sql)) == expected


def test_a_part_of_few_persons_is_left_out_of_every_total(unrounded_gate: Gate) -> None:
    """To hide the total would tell that the part is there."""
    answer = unrounded_gate.answer("SELECT sex, region, count(*) AS n FROM person GROUP BY ROLLUP (sex, region)")
    rows = shown(answer)
    assert ("M", "CANARY Isle") not in rows
    assert rows["F", None] == (980,)  # nobody of them is missing
    for total in ("F", "M"):
        assert rows[total, None] == (sum(n for (sex, region), (n,) in rows.items() if sex == total and region),)
    assert rows[None, None] == (rows["F", None][0] + rows["M", None][0],)
    assert "margin" not in [finding.rule for finding in answer.findings]


@pytest.mark.parametrize("keys", ["k", "k, sex", "sex, k"])
def test_a_total_does_not_tell_whether_there_is_one_person_or_nobody(keys: str, unrounded_gate: Gate) -> None:
    sql = (
        "SELECT sex, k, count(*) AS n, avg(age) AS mean, count(DISTINCT person_id) AS persons FROM "
        "(SELECT *, CASE WHEN {} THEN 'x' ELSE 'y' END AS k FROM person) AS p WHERE region <> 'CANARY Isle' OR NOT {} "
        f"GROUP BY ROLLUP ({keys})"
    ).replace("sex, k, count", "sex, k, count" if "sex" in keys else "NULL AS sex, k, count")
    one, nobody = "region = 'CANARY Isle'", "region = 'nowhere'"
    answers = [unrounded_gate.answer(sql.format(x, y)) for x, y in ((one, nobody), (one, one))]
    assert len(shown(answers[0])) > 1
    assert shown(answers[0]) == shown(answers[1])
    assert answers[0].findings == answers[1].findings


@pytest.mark.parametrize("keys", [("sex", "age"), ("imd", "age"), ("region", "birth_year"), ("birth_year", "region")])
def test_no_total_less_its_parts_is_about_few_persons(
    keys: tuple[str, str], unrounded_gate: Gate, plain: duckdb.DuckDBPyConnection
) -> None:
    """By brute force: every total that is shown is the sum of its shown parts, or more by enough persons."""
    one, two = keys
    rows = shown(
        unrounded_gate.answer(f"SELECT {one}, {two}, count(*) AS n FROM person GROUP BY ROLLUP ({one}, {two})")
    )
    people = plain.execute(f"SELECT {one}, {two} FROM person").fetchall()
    totals = [key for key, (number,) in rows.items() if None in key and number is not None]
    assert totals
    for a, b in totals:
        inside = [person for person in people if a in (None, person[0]) and b in (None, person[1])]
        for first, second in ((True, True), (True, False)):
            cells = {
                (p[0] if first or a is not None else None, p[1] if second or b is not None else None) for p in inside
            }
            left = rows[a, b][0] - sum(rows.get(cell, (None,))[0] or 0 for cell in cells)
            assert left == 0 or left >= MINIMUM, (a, b, first, second)


def test_a_measure_of_the_remainder_must_pass_the_rules_too(unrounded_gate: Gate) -> None:
    """Enough persons in the parts that are withheld, but one of them has what is counted."""
    answer = unrounded_gate.answer(
        "SELECT sex, age, count(*) AS n, count(*) FILTER (WHERE region = 'CANARY Isle' OR age < 30) AS few FROM person "
        "WHERE age > 80 OR age < 25 GROUP BY GROUPING SETS ((sex, age), (sex))"
    )
    for (_, age), (number, _) in shown(answer).items():
        assert age is not None or number is None or number > MINIMUM


def test_remainders_are_of_the_marked_rows_in_large_projects_too() -> None:
    """Persons are grouped range by range there, from the tables: the marks were passed by."""
    steps = (
        kernel("ess-net")
        .prepare(
            "SELECT sex, count(*) AS n FROM event JOIN person USING (person_id) GROUP BY ROLLUP (sex)",
            account=None,
            on=NOON.date(),
        )
        .steps
    )
    (step,) = (step for step in steps if isinstance(step, PreparedBoundary) and step.remainders)
    boundary = step.program.boundary
    join = boundary.relation
    assert isinstance(join, Join)
    sides = {side: replace(getattr(join, side), persons=1_000_000) for side in ("left", "right")}
    large = replace(boundary, relation=replace(join, **sides))
    assert "UNION ALL" in statistics.statement(large, 10)
    for text in (margins.statement(large, large.margins[0], 10), margins.rest(large, 10)):
        assert "UNION ALL" not in text
        assert " n0 " in text


def test_the_order_of_what_is_no_output(unrounded_gate: Gate, plain: duckdb.DuckDBPyConnection) -> None:
    sql = (
        "SELECT coalesce(sex, 'all') AS s, coalesce(CAST(imd AS VARCHAR), 'all') AS i, count(*) AS n FROM person "
        "GROUP BY ROLLUP (sex, imd) HAVING count(*) > 150 ORDER BY grouping(sex), grouping(imd) DESC, n DESC, s, i "
        "LIMIT 5"
    )
    answer = unrounded_gate.answer(sql)
    assert answer.table is not None
    assert [tuple(row.values()) for row in answer.table.to_pylist()] == plain.execute(sql).fetchall()


REFUSED = {
    "the person key": ("SELECT count(*) FROM person GROUP BY ROLLUP (person_id)", "row-level"),
    "too many": (f"SELECT count(*) FROM person GROUP BY CUBE ({', '.join(['sex', 'imd', 'age', 'region', 'bmi'] * 2)})",
                 "size"),
    "a window": ("SELECT sex, sum(count(*)) OVER () FROM person GROUP BY ROLLUP (sex)", "window"),
    "a name that is a column too": ("SELECT region AS age, count(*) FROM person GROUP BY ROLLUP (age)", "ambiguous"),
    "grouping of something else": ("SELECT sex, grouping(age), count(*) FROM person GROUP BY ROLLUP (sex)", "syntax"),
}  # fmt: skip


@pytest.mark.parametrize(("sql", "rule"), REFUSED.values(), ids=REFUSED.keys())
def test_grouping_sets_that_could_be_misread_are_refused(
    sql: str, rule: str, refusal: Callable[[str], Finding]
) -> None:
    found = refusal(sql)
    assert found.rule == rule
    assert found.hint
