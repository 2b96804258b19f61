"""What a boundary or a relation reads: every expression in it, and the stored columns that those come down to."""

from __future__ import annotations

from ambergate_policies.algebra.expressions import Column, Expression, walk
from ambergate_policies.algebra.relations import Beside, Boundary, Derived, Join, Relation, United, scans
from ambergate_policies.printing import columns_used


def all_expressions(boundary: Boundary) -> list[Expression]:
    """Every expression that reads columns of the relation, joins and subqueries included."""
    found: list[Expression] = [*boundary.keys]
    for aggregate in boundary.aggregates:
        found += aggregate.parts()
    if boundary.condition is not None:
        found.append(boundary.condition)
    return found + within(boundary.relation)


def within(node: Relation) -> list[Expression]:
    """Every expression inside a relation: join conditions and what subqueries compute."""
    match node:
        case Join(left=left, right=right, on=on):
            return [*within(left), *within(right), *([on] if on is not None else [])]
        case Beside(left=left, right=right, on=on, partial=partial):
            return [*within(left), *within(right), on, *(partial.parts() if partial is not None else ())]
        case Derived():
            found = [item for _, item in node.items] + [item.expression for item in node.order]
            found += [node.condition] if node.condition is not None else []
            if node.group is not None:
                found += node.group.keys
                for _, partial in node.group.partials:
                    found += partial.parts()
            return [*found, *within(node.relation)]
        case United(branches=branches):
            return [part for branch in branches for part in within(branch)]
        case _:
            return []


def reads(relation: Relation, expressions: list[Expression]) -> dict[str, set[str]]:
    """The stored columns that expressions over a relation read, by table: what the engine's bound plan may touch."""
    used = columns_used(expressions)
    tables: dict[str, set[str]] = {}
    for scan in scans(relation):
        names = tables.setdefault(scan.read_as, set())
        names |= {column.name for column in scan.columns if column.name in used.get(scan.source, set())}
        if scan.owner is not None:
            names.add(scan.owner)
        if scan.row_filter is not None:
            names |= {node.name for node in _columns(scan.row_filter)}
    return tables


def _columns(node: Expression) -> list[Column]:
    return [part for part in walk(node) if isinstance(part, Column)]
