"""Shorthands of the engine's dialect, written out in plainer SQL before a SELECT is lowered.

`DISTINCT ON (...)` takes the first row of each: a window and QUALIFY. `ORDER BY ALL` orders by every output. DISTINCT
beside GROUP BY says nothing where the outputs hold every key. `SELECT unnest([...])` reads a list as a table.
"""

from __future__ import annotations

from sqlglot import exp

from ambergate_policies.lowering.outputs import given, same
from ambergate_policies.lowering.spellings import has_aggregate
from ambergate_policies.lowering.text import Reading


def write_out(reading: Reading, select: exp.Select) -> None:
    """Replace the shorthands of one SELECT in its tree. Doing it twice changes nothing."""
    _order_by_all(reading, select)
    _distinct_on(reading, select)
    _needless_distinct(select)
    _list_as_table(reading, select)


def _order_by_all(reading: Reading, select: exp.Select) -> None:
    order = select.args.get("order")
    terms = order.expressions if order is not None else []
    if (
        order is None
        or len(terms) != 1
        or not isinstance(terms[0].this, exp.Var)
        or not same(terms[0].this.name, "all")
    ):
        return
    if any(item.is_star for item in select.expressions):
        raise reading.refuse("syntax", "ORDER BY ALL needs outputs that are named", order, hint="name what to order by")
    places = []
    for place in range(1, len(select.expressions) + 1):
        term = terms[0].copy()
        term.set("this", exp.Literal.number(place))
        places.append(term)
    order.set("expressions", places)


def _distinct_on(reading: Reading, select: exp.Select) -> None:
    distinct = select.args.get("distinct")
    on = distinct.args.get("on") if distinct is not None else None
    if on is None:
        return
    order = select.args.get("order")
    grouped = select.args.get("group") is not None or any(has_aggregate(item) for item in select.expressions)
    if order is None or grouped or select.args.get("qualify") is not None or select.args.get("limit") is not None:
        raise reading.refuse(
            "row-level",
            "DISTINCT ON takes the first row of each, and needs an ORDER BY that says which",
            distinct,
            hint="QUALIFY row_number() OVER (PARTITION BY person_id ORDER BY ...) = 1 in a subquery",
        )
    keys = list(on.expressions) if isinstance(on, exp.Tuple) else [on.this if isinstance(on, exp.Paren) else on]
    partition = [_written_out(reading, select, key) for key in keys]
    terms = []
    for term in order.expressions:
        copy = term.copy()
        copy.set("this", _written_out(reading, select, term.this))
        terms.append(copy)
    window = exp.Window(this=exp.RowNumber(), partition_by=partition, order=exp.Order(expressions=terms), over="OVER")
    select.set("qualify", exp.Qualify(this=exp.EQ(this=window, expression=exp.Literal.number(1))))
    select.set("distinct", None)


def _written_out(reading: Reading, select: exp.Select, node: exp.Expr) -> exp.Expr:
    """What a term of ORDER BY or ON stands for: a position, an output's alias, or itself."""
    if isinstance(node, exp.Literal) and not node.is_string:
        place = int(node.this) if str(node.this).isdigit() else 0
        if not 1 <= place <= len(select.expressions) or select.expressions[place - 1].is_star:
            raise reading.refuse("syntax", "there is no output at this position", node, hint="name the column")
        found: exp.Expr = select.expressions[place - 1].unalias().copy()
        return found
    if isinstance(node, exp.Column) and not node.table:
        for item in select.expressions:
            if isinstance(item, exp.Alias) and same(item.alias, node.name):
                meant: exp.Expr = item.this.copy()
                return meant
    return node.copy()


def _needless_distinct(select: exp.Select) -> None:
    """One row, or rows that their keys tell apart."""
    distinct, group = select.args.get("distinct"), select.args.get("group")
    if distinct is None or distinct.args.get("on") is not None:
        return
    items = [item.unalias() for item in select.expressions]
    if group is None:
        if items and all(has_aggregate(item) for item in items):
            select.set("distinct", None)
        return
    if set(given(group)) - {"expressions", "all"}:
        return
    names = {item.alias.lower() for item in select.expressions if isinstance(item, exp.Alias)}
    if all(_is_shown(key, items, names) for key in group.expressions):
        select.set("distinct", None)


def _is_shown(key: exp.Expr, items: list[exp.Expr], names: set[str]) -> bool:
    position = isinstance(key, exp.Literal) and not key.is_string
    named = isinstance(key, exp.Column) and not key.table and key.name.lower() in names
    return position or named or key in items


def _list_as_table(reading: Reading, select: exp.Select) -> None:
    if select.args.get("from_") is not None:
        return
    lists = [node for item in select.expressions for node in item.find_all(exp.Explode)]
    if not lists:
        return
    if len(lists) > 1 or any(isinstance(node, exp.Select) for node in lists[0].find_all(exp.Query)):
        raise reading.refuse("syntax", "one list can be read as a table", select, hint="FROM unnest([...]) AS t(x)")
    table = exp.Unnest(expressions=[lists[0].this.copy()], alias=exp.TableAlias(this=exp.to_identifier("unnested")))
    for item in select.expressions:
        if item.unalias() is lists[0] and not isinstance(item, exp.Alias):
            item.replace(exp.alias_(_unnested(), "unnest", copy=False))
    for node in list(select.find_all(exp.Explode)):
        node.replace(_unnested())
    select.set("from_", exp.From(this=table))


def _unnested() -> exp.Column:
    return exp.column("unnest", table="unnested", quoted=True)
