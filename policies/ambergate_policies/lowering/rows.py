"""Rows under construction, and the names and scalars of one SELECT over them.

The owner is carried from the scans up, found by the catalogue and never by a name in the query.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from sqlglot import exp

from ambergate_policies.algebra.expressions import (
    Column,
    Comparison,
    Expression,
    Logical,
    Owner,
    walk,
)
from ambergate_policies.algebra.relations import Cleared, Relation
from ambergate_policies.lowering.expressions import Scalars
from ambergate_policies.lowering.measures import grade
from ambergate_policies.lowering.scope import Names, Scope, Source


@dataclass(slots=True)
class Rows:
    """A relation under construction. `owners`: their coalesce is the row's person; empty means Public.
    `linked`: sources whose owner, where not NULL, is the row's person; `nullable`: those where it may be NULL."""

    relation: Relation
    scope: Scope
    owners: tuple[Owner, ...]
    linked: set[str] = field(default_factory=set)
    nullable: set[str] = field(default_factory=set)
    commas: bool = False
    unmatched: bool = False
    """An outer join has public rows without a person, which are left out: what counts them may not be asked."""
    repeated: bool = False
    """Rows of one person may have been multiplied by the query: what counts rows may not be measured."""


class PersonScalars(Scalars):
    """Scalars over the columns of a scope, below a boundary."""

    def __init__(self, names: Names, scope: Scope, memberships: Membership | None = None) -> None:
        super().__init__(names.reading)
        self.names = names
        self.scope = scope
        self.memberships = memberships

    def leaf(self, node: exp.Expr) -> Expression | None:
        if isinstance(node, exp.Column) and not isinstance(node.this, exp.Star):
            return self.names.column(self.scope, node)
        if self.memberships is not None:
            return self.memberships.lower(node, self)
        return None

    def carried(self, node: exp.Expr, value: Expression) -> Expression:
        return value

    def is_constant(self, node: exp.Subquery) -> bool:
        """Whether a subquery that is joined already is the same value in every row."""
        return self.memberships is not None and self.memberships.is_constant(node)

    def subqueries(self) -> Collection[exp.Expr]:
        """The subqueries that are joined to the rows already."""
        return self.memberships.known() if self.memberships is not None else ()

    def where(self, node: exp.Expr | None) -> Expression | None:
        """A WHERE: its EXISTS that read the outer row become joins, the rest a condition."""
        if node is None:
            return None
        parts = [part for part in conjuncts(node) if self.memberships is None or not self.memberships.semi_join(part)]
        lowered = [self.condition(part) for part in parts]
        if len(lowered) <= 1:
            return lowered[0] if lowered else None
        return Logical("AND", tuple(lowered))


def conjuncts(node: exp.Expr) -> list[exp.Expr]:
    """The parts of a condition that are joined by AND, however they are bracketed."""
    if isinstance(node, exp.And):
        return [*conjuncts(node.this), *conjuncts(node.expression)]
    if isinstance(node, exp.Paren) and isinstance(node.this, exp.And | exp.Paren):
        return conjuncts(node.this)
    return [node]


def scalar_subqueries(node: exp.Expr) -> list[exp.Subquery]:
    """The subqueries of an expression that stand for one value, outside of other subqueries."""
    if isinstance(node, exp.Subquery):
        return [node]
    if isinstance(node, exp.Query | exp.Exists):
        return []
    parts = (part for key, part in _parts(node) if not (isinstance(node, exp.In) and key == "query"))
    return [found for part in parts for found in scalar_subqueries(part)]


def _parts(node: exp.Expr) -> Iterator[tuple[str, exp.Expr]]:
    for key, value in node.args.items():
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, exp.Expr):
                yield key, part


class Membership(Protocol):
    """What turns subqueries in conditions into joins (membership.py)."""

    def known(self) -> Collection[exp.Expr]: ...
    def is_constant(self, node: exp.Subquery) -> bool: ...
    def lower(self, node: exp.Expr, scalars: PersonScalars) -> Expression | None: ...
    def semi_join(self, node: exp.Expr) -> bool: ...


Subquery = Callable[[exp.Expr, str], tuple[Relation, Source]]
Single = Callable[[exp.Subquery], Cleared]
"""Lowers a subquery of one value to an earlier step of one row and one column."""


def sources_read(node: Expression) -> set[str]:
    """The kernel's aliases that an expression reads."""
    return {part.source for part in walk(node) if isinstance(part, Column | Owner)}


def sources_of(source: Source) -> set[str]:
    """The kernel's aliases that a FROM item's names stand for."""
    found = {name for value in source.columns.values() for name in sources_read(value)}
    return found | ({source.owner.source} if source.owner is not None else set())


def links(node: Expression, linked: set[str], owner: Owner | None) -> bool:
    """An equality between `owner` and the owner of a linked source."""
    if not (isinstance(node, Comparison) and node.operator == "=" and owner is not None):
        return False
    left, right = node.left, node.right
    if not (isinstance(left, Owner) and isinstance(right, Owner)):
        return False
    return (left == owner and right.source in linked) or (right == owner and left.source in linked)


def derived_column(source: str, name: str, expression: Expression) -> Column:
    """How a subquery's output is seen from outside: an opaque column that keeps its kind and its grade."""
    return Column(source, name, expression.kind, grade(expression))
