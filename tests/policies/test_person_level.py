"""Aggregates over one person's own rows: DuckDB's own numbers where those are certain, and the same every time."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import duckdb
import pytest

from ambergate_policies.algebra.expressions import Grade
from ambergate_policies.algebra.relations import Derived, Partial, Relation
from ambergate_policies.prepared import PreparedBoundary
from ambergate_policies.printing import columns_used, expression, relation
from ambergate_policies.statistics import within
from ambergate_policies.verdict import Finding

Prepare = Callable[[str], PreparedBoundary]
Refusal = Callable[[str], Finding]
ONE_PERSON = "SELECT avg(x) FROM (SELECT person_id, {} AS x FROM event GROUP BY person_id) t WHERE x IS NOT NULL"
WHATEVER = "SELECT count(*) FROM (SELECT person_id, {} AS x FROM event GROUP BY person_id) t WHERE x IS NOT NULL"
TEXTS = "SELECT count(*) FROM (SELECT person_id, {} AS x FROM event GROUP BY person_id) t WHERE x = 'a'"


def partial_of(prepared: PreparedBoundary) -> Partial:
    """The one aggregate over a person's rows."""
    step = prepared
    (partial,) = partials(step.program.boundary.relation)
    return partial


def grouped_in(node: Relation) -> Derived:
    """The relation of one row per person."""
    assert isinstance(node, Derived)
    return node if node.group is not None else grouped_in(node.relation)


def partials(node: Relation) -> list[Partial]:
    if not isinstance(node, Derived):
        return []
    own = [partial for _, partial in node.group.partials] if node.group is not None else []
    return [*own, *partials(node.relation)]


ROWS = [
    (1, "b", "2020-01-01", 5.0),
    (2, "a", "2020-01-01", 7.0),
    (3, "b", "2021-06-01", None),
    (4, "a", "2019-01-01", 6.0),
]
"""event_id, code, happened_on, value: two dates alike, one value missing."""


def value_of(prepared: PreparedBoundary, rows: list[tuple[object, ...]]) -> object:
    """What the aggregate yields for these rows of one person, in this order."""
    grouped = grouped_in(prepared.program.boundary.relation)
    one_row = relation(grouped, columns_used(within(grouped)))
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET threads = 1")
        connection.execute("ATTACH ':memory:' AS project")
        connection.execute(
            "CREATE TABLE project.event (person_id UUID, event_id BIGINT, code VARCHAR, happened_on DATE, value DOUBLE)"
        )
        person = "00000000-0000-0000-0000-000000000001"
        connection.executemany("INSERT INTO project.event VALUES (?, ?, ?, ?, ?)", [(person, *row) for row in rows])
        (row,) = connection.execute(f"SELECT a0 FROM {one_row}").fetchall()
    return row[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("arg_max(value, happened_on)", 5.0),
        ("arg_min(code, happened_on)", "a"),
        ("max_by(code, value)", "a"),
        ("first(code ORDER BY happened_on)", "a"),
        ("first(value ORDER BY happened_on DESC)", None),
        ("last(value ORDER BY happened_on)", None),
        ("last(code ORDER BY happened_on NULLS FIRST)", "b"),
        ("mode(code)", "a"),
        ("any_value(code)", "a"),
        ("string_agg(code, '>' ORDER BY happened_on)", "a>a>b>b"),
        ("string_agg(DISTINCT code)", "a,b"),
        ("string_agg(DISTINCT code, '+' ORDER BY code DESC)", "b+a"),
        ("quantile_cont(value, 0.25)", 5.5),
        ("quantile_disc(value, 0.5)", 6.0),
        ("percentile_disc(0.1) WITHIN GROUP (ORDER BY value DESC)", 7.0),
        ("stddev(value)", 1.0),
        ("var_pop(value)", pytest.approx(2 / 3)),
        ("sum(DISTINCT value)", 18.0),
        ("mean(value)", 6.0),
        ("arg_max(value, happened_on) FILTER (WHERE code = 'a')", 7.0),
        ("regr_slope(value, 3.5)", None),
    ],
)
def test_an_aggregate_of_a_person_is_the_same_in_whatever_order_the_rows_are(
    prepare: Prepare, text: str, expected: object
) -> None:
    prepared = prepare(WHATEVER.format(text))
    assert {repr(value_of(prepared, list(order))) for order in permutations(ROWS)} == {
        repr(value_of(prepared, list(ROWS)))
    }
    assert value_of(prepared, list(ROWS)) == expected


@pytest.mark.parametrize("text", ["first(value)", "last(code)", "list(value)", "product(value)", "histogram(value)"])
def test_what_has_no_certain_value_or_carries_many_is_refused_with_advice(refusal: Refusal, text: str) -> None:
    finding = refusal(ONE_PERSON.format(text))
    assert finding.rule == "aggregate" and finding.hint


@pytest.mark.parametrize(
    "text",
    [
        "string_agg(code, ',')",
        "mode(event_id)",
        "arg_max(event_id, happened_on)",
        "regr_slope(value, event_id)",
        "stddev(CASE WHEN code = 'a' THEN 1 ELSE 0 END)",
        "first(code ORDER BY happened_on)",
        "corr(pow(value, 2), pow(value, 2))",
    ],
)
def test_what_carries_more_than_a_measure_is_none(refusal: Refusal, text: str) -> None:
    assert refusal(ONE_PERSON.format(text)).rule in ("measure", "type")


def test_a_value_chosen_by_date_is_the_measure_that_it_was(prepare: Prepare) -> None:
    prepared = prepare(ONE_PERSON.format("arg_max(value, happened_on)"))
    step = prepared
    (aggregate,) = step.program.boundary.aggregates
    assert aggregate.argument is not None
    measurability = getattr(aggregate.argument, "measurability", None)
    assert measurability is not None and measurability.grade is Grade.MAGNITUDE and measurability.own


def test_every_order_ends_with_the_value_itself(prepare: Prepare) -> None:
    for text in ("first(code ORDER BY happened_on)", "arg_min(code, happened_on)", "mode(code)", "string_agg(code)"):
        partial = partial_of(prepare(TEXTS.format(text)))
        assert partial.argument is not None
        assert expression(partial.order[-1].expression) == expression(partial.argument)
