"""GROUP BY: what it names, and whether the rows that come out still belong to one person each."""

from __future__ import annotations

from sqlglot import exp

from ambergate_policies.algebra.expressions import Owner
from ambergate_policies.lowering.outputs import given, same
from ambergate_policies.lowering.rows import PersonScalars, Rows
from ambergate_policies.lowering.spellings import has_aggregate
from ambergate_policies.verdict import QueryRefused


def group_nodes(select: exp.Select, scalars: PersonScalars) -> list[exp.Expr]:
    """What a SELECT groups by: positions and aliases are replaced by the outputs that they stand for."""
    group = select.args.get("group")
    if group is None:
        return []
    if set(given(group)) - {"expressions", "all"}:
        raise scalars.reading.refuse("syntax", "only plain GROUP BY is understood yet", group)
    items = select.expressions
    if group.args.get("all"):
        return [item.unalias() for item in items if not has_aggregate(item)]
    nodes = []
    for node in group.expressions:
        if isinstance(node, exp.Rollup | exp.Cube | exp.GroupingSets | exp.Tuple):
            raise scalars.reading.refuse("syntax", "only plain GROUP BY is understood yet", node)
        nodes.append(_named(node, items, scalars))
    return nodes


def _named(node: exp.Expr, items: list[exp.Expr], scalars: PersonScalars) -> exp.Expr:
    """A position or an output's alias stands for that output; a column of the tables goes first."""
    if isinstance(node, exp.Literal) and not node.is_string:
        position = int(node.this) if str(node.this).isdigit() else 0
        if not 1 <= position <= len(items):
            raise scalars.reading.refuse("syntax", "GROUP BY names a position that does not exist", node)
        return items[position - 1].unalias()
    if isinstance(node, exp.Column) and not node.table:
        try:
            scalars.lower(node)
        except QueryRefused:
            named = [item for item in items if isinstance(item, exp.Alias) and same(item.alias, node.name)]
            if named:
                return named[0].unalias()
            raise
    return node


def is_boundary(select: exp.Select, rows: Rows, scalars: PersonScalars) -> bool:
    """Whether a SELECT over person rows makes rows that are not keyed by the person: then it must be cleared."""
    items = select.expressions
    having = select.args.get("having")
    aggregated = any(has_aggregate(item) for item in items) or (having is not None and has_aggregate(having.this))
    if not rows.owners:
        return False
    if select.args.get("group") is not None:
        return not any(_is_owner(node, scalars) for node in group_nodes(select, scalars))
    if aggregated:
        return True
    distinct = select.args.get("distinct")
    plain = distinct is not None and not distinct.args.get("on")
    return plain and not any(_is_star(item) or _is_owner(item.unalias(), scalars) for item in items)


def _is_owner(node: exp.Expr, scalars: PersonScalars) -> bool:
    return isinstance(node, exp.Column) and not _is_star(node) and isinstance(scalars.lower(node), Owner)


def _is_star(node: exp.Expr) -> bool:
    return isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star))
