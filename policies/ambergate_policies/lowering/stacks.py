"""Questions about the branches of a stack of tables: is it one column everywhere, can a row be in two of them?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from ambergate_policies.algebra.expressions import (
    Column,
    Comparison,
    Expression,
    InList,
    Literal,
    Logical,
    walk,
)
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.algebra.relations import Derived, Relation, Scan


def same_everywhere(parts: Sequence[tuple[Expression, Relation]]) -> bool:
    """Whether an output is computed in the same way, from stored columns of the same names, in every branch."""
    shapes = [_shape(expression, relation) for expression, relation in parts]
    return all(shape is not None and shape == shapes[0] for shape in shapes)


def apart(one: Relation, other: Relation) -> bool:
    """Whether conditions on a column of one table keep its rows from being in both branches."""
    mine, theirs = _chosen(one), _chosen(other)
    return any(not values & theirs[column] for column, values in mine.items() if column in theirs)


def same_in_every_row(node: Expression, relation: Relation) -> Literal | None:
    """The constant of the query's text that an expression over a relation is in every row; None where it is none."""
    while isinstance(node, Column) and isinstance(relation, Derived) and relation.source == node.source:
        node, relation = dict(relation.items).get(node.name, node), relation.relation
    return node if isinstance(node, Literal) and _is_exact(node) else None


def _is_exact(node: Literal) -> bool:
    """Whether two such constants are the same to the engine exactly when they are written the same: decimals that
    differ in the text may be one number in it."""
    if node.kind is Kind.INT:
        return isinstance(node.value, int) and abs(node.value) < 2**63
    return node.value is not None and node.kind in (Kind.TEXT, Kind.DATE, Kind.BOOL)


def told_apart(parts: Sequence[tuple[Expression, Relation]]) -> bool:
    """Whether an output is another constant in every branch."""
    found = [same_in_every_row(expression, relation) for expression, relation in parts]
    values = {(value.kind, value.value) for value in found if value is not None}
    return len(values) == len(parts) and len({kind for kind, _ in values}) == 1


def _shape(node: Expression, relation: Relation) -> Expression | None:
    """An expression with the stored columns in the place of what subqueries call them, and no source."""
    found = _resolved(node, relation)
    return None if found is None else _without_source(found)


def _resolved(node: Expression, relation: Relation) -> Expression | None:
    """The expression over one scan that an expression over a chain of plain subqueries stands for."""
    while isinstance(relation, Derived):
        if relation.group is not None:
            return None
        items = dict(relation.items)
        if any(isinstance(part, Column) and part.name not in items for part in walk(node)):
            return None
        node = _rebuilt(node, items)
        relation = relation.relation
    return node if isinstance(relation, Scan) and relation.place is None else None


def _rebuilt(node: Any, items: dict[str, Expression]) -> Any:
    if isinstance(node, Column):
        return items[node.name]
    return _mapped(node, lambda part: _rebuilt(part, items))


def _without_source(node: Any) -> Any:
    if isinstance(node, Column):
        return replace(node, source="")
    return _mapped(node, _without_source)


def _mapped(node: Any, change: Any) -> Any:
    """A node with every node inside it changed."""
    if isinstance(node, tuple):
        return tuple(_mapped(part, change) if isinstance(part, tuple) else change(part) for part in node)
    if is_dataclass(node) and not isinstance(node, type):
        given = {item.name: getattr(node, item.name) for item in fields(node)}
        return replace(
            node,
            **{name: change(value) for name, value in given.items() if isinstance(value, tuple) or is_dataclass(value)},
        )
    return node


def _chosen(relation: Relation) -> dict[tuple[str, str], frozenset[tuple[Kind, object]]]:
    """The values that a branch demands of columns of its one table: by `column = 'value'` and `column IN (...)`."""
    demands: dict[tuple[str, str], frozenset[tuple[Kind, object]]] = {}
    conditions: list[Expression] = []
    while isinstance(relation, Derived):
        if relation.group is not None:
            return {}
        items = dict(relation.items)
        conditions = [
            _rebuilt(part, items)
            for part in conditions
            if all(part.name in items for part in walk(part) if isinstance(part, Column))
        ]
        conditions += _conjuncts(relation.condition)
        relation = relation.relation
    if not isinstance(relation, Scan):
        return {}
    for condition in conditions:
        if (found := _demanded(condition)) is not None:
            column, values = found
            demands.setdefault((relation.read_as, column.name), values)
    return demands


def _conjuncts(node: Expression | None) -> list[Expression]:
    if node is None:
        return []
    if isinstance(node, Logical) and node.operator == "AND":
        return [inner for part in node.parts for inner in _conjuncts(part)]
    return [node]


def _demanded(node: Expression) -> tuple[Column, frozenset[tuple[Kind, object]]] | None:
    match node:
        case Comparison(operator="=", left=Column() as column, right=Literal() as value):
            values: tuple[Expression, ...] = (value,)
        case InList(part=Column() as column, values=values):
            pass
        case _:
            return None
    literals = [value for value in values if isinstance(value, Literal) and value.kind is column.kind]
    if len(literals) != len(values) or column.kind not in (Kind.TEXT, Kind.INT, Kind.DATE):
        return None
    return column, frozenset((value.kind, value.value) for value in literals)
