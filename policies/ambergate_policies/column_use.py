"""What an agreement lets be done with a column that it grants: be grouped by, be compared with values, be measured.

A column that is granted for counting alone can still tell where somebody was treated, once results are listed by it.
Uses follow a column through every subquery, cohort table and computed column: what is made of it is used like it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ambergate_policies.agreement import Agreement, ColumnUse
from ambergate_policies.algebra.expressions import Aggregate, Expression, Literal, walk
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.lowering.lineage import Lineage, Origin

_WORDS = {
    ColumnUse.KEY: "results may not be listed by it",
    ColumnUse.FILTER: "it may not be compared with values",
    ColumnUse.MEASURE: "it may not be measured",
}


@dataclass(frozen=True, slots=True)
class Misuse:
    """A use of a column that its grant leaves out."""

    column: str
    message: str
    hint: str
    clause: str


def misuse(
    agreement: Agreement,
    lineage: Lineage,
    conditions: list[Expression],
    keys: tuple[Expression, ...] = (),
    aggregates: tuple[Aggregate, ...] = (),
) -> Misuse | None:
    """The first use of a column that the agreement leaves out, in the expressions of one boundary or cohort table."""
    restricted = _restricted(agreement)
    if not restricted:
        return None
    for use, expressions in _used(conditions, keys, aggregates):
        for expression in expressions:
            for origin in lineage.of(expression):
                if origin in restricted and use not in restricted[origin]:
                    return _misuse(agreement, origin, use, restricted[origin])
    return None


def _restricted(agreement: Agreement) -> dict[Origin, tuple[ColumnUse, ...]]:
    return {(grant.table, name): uses for grant in agreement.data.tables for name, uses in grant.uses.items()}


def _used(
    conditions: list[Expression], keys: tuple[Expression, ...], aggregates: tuple[Aggregate, ...]
) -> Iterator[tuple[ColumnUse, list[Expression]]]:
    yield ColumnUse.KEY, list(keys)
    yield ColumnUse.MEASURE, [part for aggregate in aggregates for part in aggregate.parts()]
    yield ColumnUse.FILTER, [part for condition in conditions for part in walk(condition) if _meets_a_value(part)]


def _meets_a_value(node: Expression) -> bool:
    """A comparison, or any other test, with a value written in the query."""
    return node.kind is Kind.BOOL and any(isinstance(part, Literal) and part.value is not None for part in walk(node))


def _misuse(agreement: Agreement, origin: Origin, use: ColumnUse, allowed: tuple[ColumnUse, ...]) -> Misuse:
    table, column = origin
    grant = next(grant for grant in agreement.data.tables if grant.table == table)
    words = ", ".join(each.value for each in allowed) or "nothing but counting rows"
    message = f"{table}.{column} is not granted for this: {_WORDS[use]}"
    return Misuse(column, message, f"clause {grant.clause} grants it for: {words}", grant.clause)
