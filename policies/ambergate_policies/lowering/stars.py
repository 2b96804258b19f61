"""`*` and `t.*`, with EXCLUDE, REPLACE and RENAME."""

from __future__ import annotations

from sqlglot import exp

from ambergate_policies.algebra.expressions import Expression
from ambergate_policies.lowering.expressions import Scalars
from ambergate_policies.lowering.outputs import given
from ambergate_policies.lowering.scope import Scope


def is_star(node: exp.Expr) -> bool:
    return isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star))


def star_items(node: exp.Expr, scope: Scope, scalars: Scalars) -> list[tuple[str, Expression]]:
    """The outputs that a star stands for. Refuses a name in EXCLUDE, REPLACE or RENAME that it does not hold."""
    star = node if isinstance(node, exp.Star) else node.this
    if set(given(star)) - {"except_", "replace", "rename"}:
        raise scalars.reading.refuse("syntax", "this kind of * is not understood", node, hint="name the columns")
    items = _held(node, scope, scalars)
    names = {name.lower() for name, _ in items}
    left_out = {item.name.lower() for item in star.args.get("except_") or ()}
    replaced = {item.alias.lower(): item.this for item in star.args.get("replace") or ()}
    renamed = {item.this.name.lower(): item.alias for item in star.args.get("rename") or ()}
    for name in (*left_out, *replaced, *renamed):
        if name not in names:
            message = f"there is no column {name!r} for * to change"
            raise scalars.reading.refuse("unknown-column", message, node, hint="name the columns")
    return [
        (renamed.get(name.lower(), name), scalars.lower(replaced[name.lower()]) if name.lower() in replaced else value)
        for name, value in items
        if name.lower() not in left_out
    ]


def _held(node: exp.Expr, scope: Scope, scalars: Scalars) -> list[tuple[str, Expression]]:
    qualifier = node.table if isinstance(node, exp.Column) else ""
    sources = [source for source in scope.sources if not qualifier or source.alias.lower() == qualifier.lower()]
    if not sources:
        message = f"{qualifier!r} is not a table of this query" if qualifier else "* needs a FROM clause"
        raise scalars.reading.refuse("unknown-column", message, node, hint="name the columns")
    items: list[tuple[str, Expression]] = []
    for source in sources:
        owner_first = source.owner is not None and source.owner_name and source.owner_name.lower() not in source.outputs
        names = ([str(source.owner_name)] if owner_first else []) + list(source.outputs or source.columns)
        for name in names:
            mine = source.owner_name is not None and name.lower() == source.owner_name.lower()
            value = source.owner if mine and source.owner is not None else source.columns.get(name.lower())
            if value is not None:
                items.append((name, scalars.carried(node, value)))
    return items
