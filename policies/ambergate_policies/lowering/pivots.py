"""PIVOT and UNPIVOT, written out as plain SELECTs before anything is lowered.

A PIVOT with its values is a GROUP BY with one filtered aggregate for each value; without them its columns would be
named by the data, and it is refused. An UNPIVOT is a UNION ALL of one SELECT for each column.
"""

from __future__ import annotations

from itertools import product

from sqlglot import exp

from ambergate_policies.lowering.outputs import default_name, given
from ambergate_policies.lowering.spellings import has_aggregate
from ambergate_policies.lowering.text import Reading
from ambergate_policies.verdict import QueryRefused

MAX_COLUMNS = 200
_HOW = (
    "SELECT imd, count(*) FILTER (WHERE sex = 'F') AS women, count(*) FILTER (WHERE sex = 'M') AS men ... GROUP BY imd"
)
Value = tuple[exp.Expr, str]
"""A constant to pivot on, and its part of the column's name."""


def write_out_pivots(reading: Reading, tree: exp.Expr) -> exp.Expr:
    """The tree without a PIVOT in it. Inner ones first: what one reads may hold another."""
    for node in [part for part in tree.walk(bfs=False) if isinstance(part, exp.Pivot)][::-1]:
        item = node.parent
        if isinstance(item, exp.Table | exp.Subquery) and node in (item.args.get("pivots") or []):
            if len(item.args["pivots"]) > 1:
                raise _refused(reading, node, "one PIVOT at a time")
            item.replace(_pivoted_item(reading, item, node))
        elif node is tree:
            tree = _statement(reading, node)
        else:
            node.replace(_statement(reading, node))
    return tree


def _pivoted_item(reading: Reading, item: exp.Expr, node: exp.Pivot) -> exp.Subquery:
    """`FROM t PIVOT (...)`: a subquery in the place of the table."""
    source = item.copy()
    source.set("pivots", None)
    joins = source.args.get("joins")
    source.set("joins", None)
    fields = node.args.get("fields") or []
    if set(given(node)) - {
        "expressions", "fields", "group", "alias", "columns", "unpivot", "pivot_column_naming",
    }:  # fmt: skip
        raise _refused(reading, node, "this PIVOT cannot be read")
    if node.args.get("unpivot"):
        select: exp.Expr = _unpivoted(reading, node, source, *_from_item(reading, node))
    else:
        select = _pivoted(reading, node, source, fields, node.expressions, node.args.get("group"))
    return exp.Subquery(this=select, alias=node.args.get("alias"), joins=joins)


def _statement(reading: Reading, node: exp.Pivot) -> exp.Expr:
    """`PIVOT t ON ... USING ... GROUP BY ...`, and `UNPIVOT t ON ... INTO NAME ... VALUE ...`."""
    if set(given(node)) - {"this", "expressions", "using", "group", "with_", "unpivot", "into"}:
        raise _refused(reading, node, "this PIVOT cannot be read")
    source, ctes = node.this.copy(), node.args.get("with_")
    if node.args.get("unpivot"):
        into = node.args.get("into")
        if into is None or len(into.expressions) != 1 or node.args.get("group") is not None:
            raise _refused(reading, node, "UNPIVOT needs INTO NAME ... VALUE ...")
        columns = [_unpivoted_column(reading, column) for column in node.expressions]
        made = _unpivoted(reading, node, source, into.this.name, into.expressions[0].name, columns)
    else:
        made = _pivoted(reading, node, source, node.expressions, node.args.get("using") or [], node.args.get("group"))
    made.set("with_", ctes)
    return made


def _pivoted(
    reading: Reading,
    node: exp.Pivot,
    source: exp.Expr,
    fields: list[exp.Expr],
    aggregates: list[exp.Expr],
    group: exp.Expr | None,
) -> exp.Expr:
    if group is None:
        group = _others(reading, node, source, [*fields, *aggregates])
    if set(given(group)) - {"expressions"}:
        raise _refused(reading, node, "PIVOT needs a GROUP BY that names the rows")
    if not aggregates or not all(has_aggregate(item) for item in aggregates):
        raise _refused(reading, node, "PIVOT needs USING with an aggregate")
    chosen = list(product(*(_values(reading, field) for field in fields)))
    if not fields or len(chosen) * len(aggregates) > MAX_COLUMNS:
        raise _refused(reading, node, f"PIVOT makes at most {MAX_COLUMNS} columns")
    items = [key.copy() for key in group.expressions]
    named = len(aggregates) > 1 or isinstance(aggregates[0], exp.Alias)
    for values in chosen:
        for aggregate in aggregates:
            name = "_".join(word for _, word in values)
            name += f"_{aggregate.alias or default_name(reading, aggregate)}" if named else ""
            items.append(exp.alias_(_filtered(reading, aggregate.unalias(), fields, values), name, quoted=True))
    keys = exp.Group(expressions=[key.copy() for key in group.expressions]) if group.expressions else None
    return exp.Select(expressions=items, from_=exp.From(this=source), group=keys)


def _others(reading: Reading, node: exp.Pivot, source: exp.Expr, used: list[exp.Expr]) -> exp.Group:
    """Without GROUP BY the rows are named by every column that is not used otherwise: those of a SELECT can be seen."""
    select = source.this if isinstance(source, exp.Subquery) else None
    if isinstance(source, exp.Table) and not source.db:
        ctes = [part for part in node.root().find_all(exp.CTE) if part.alias.lower() == source.name.lower()]
        select = ctes[0].this if len(ctes) == 1 and not ctes[0].args["alias"].args.get("columns") else None
    if not isinstance(select, exp.Select) or any(item.is_star for item in select.expressions):
        raise _refused(reading, node, "PIVOT needs a GROUP BY that names the rows")
    taken = {column.name.lower() for part in used for column in part.find_all(exp.Column)}
    names = [item.alias_or_name for item in select.expressions]
    if not all(names) or len({name.lower() for name in names}) != len(names):
        raise _refused(reading, node, "PIVOT needs a GROUP BY that names the rows")
    return exp.Group(expressions=[exp.column(name, quoted=True) for name in names if name.lower() not in taken])


def _values(reading: Reading, field: exp.Expr) -> list[Value]:
    if not isinstance(field, exp.In) or not isinstance(field.this, exp.Column) or not field.expressions:
        raise _refused(reading, field, "without IN (...) the columns of a PIVOT would be named by the data")
    found: list[Value] = []
    for item in field.expressions:
        value: exp.Expr = item.this if isinstance(item, exp.PivotAlias) else item
        if not isinstance(value, exp.Literal | exp.Boolean | exp.Neg | exp.Cast) or value.find(exp.Column):
            raise _refused(reading, field, "the values of a PIVOT must be constants")
        name = item.args["alias"].name if isinstance(item, exp.PivotAlias) else _word(reading, value)
        found.append((value, name))
    return found


def _word(reading: Reading, value: exp.Expr) -> str:
    if isinstance(value, exp.Boolean):
        return "true" if value.this else "false"
    if isinstance(value, exp.Literal):
        return str(value.this)
    if isinstance(value, exp.Neg):
        return f"-{_word(reading, value.this)}"
    return str(value.this.this)


def _filtered(reading: Reading, node: exp.Expr, fields: list[exp.Expr], values: tuple[Value, ...]) -> exp.Expr:
    """An aggregate over the rows that have the values."""
    if not isinstance(node, exp.AggFunc):
        raise _refused(reading, node, "PIVOT takes plain aggregates")
    tests = [
        exp.EQ(this=field.this.copy(), expression=value.copy())
        for field, (value, _) in zip(fields, values, strict=True)
    ]
    condition: exp.Expr = tests[0]
    for test in tests[1:]:
        condition = exp.And(this=condition, expression=test)
    return exp.Filter(this=node.copy(), expression=exp.Where(this=condition))


def _from_item(reading: Reading, node: exp.Pivot) -> tuple[str, str, list[Value]]:
    """The column of names, the column of values, and the columns that are turned into rows."""
    fields = node.args.get("fields") or []
    if len(fields) != 1 or len(node.expressions) != 1 or node.args.get("group") is not None:
        raise _refused(reading, node, "this UNPIVOT cannot be read")
    columns = [_unpivoted_column(reading, column) for column in fields[0].expressions]
    return fields[0].this.name, node.expressions[0].name, columns


def _unpivoted_column(reading: Reading, node: exp.Expr) -> Value:
    column = node.this if isinstance(node, exp.PivotAlias) else node
    if not isinstance(column, exp.Column) or column.table or isinstance(column.this, exp.Star):
        raise _refused(reading, node, "UNPIVOT takes a list of columns")
    return column, str(node.args["alias"].this) if isinstance(node, exp.PivotAlias) else column.name


def _unpivoted(
    reading: Reading, node: exp.Pivot, source: exp.Expr, name: str, value: str, columns: list[Value]
) -> exp.Expr:
    if not columns or len(columns) > MAX_COLUMNS:
        raise _refused(reading, node, "this UNPIVOT cannot be read")
    others = [column.copy() for column, _ in columns]
    branches = [
        exp.Select(
            expressions=[
                exp.Star(except_=[other.copy() for other in others]),
                exp.alias_(exp.Literal.string(word), name, quoted=True),
                exp.alias_(column.copy(), value, quoted=True),
            ],
            from_=exp.From(this=source.copy()),
            where=exp.Where(this=exp.Not(this=exp.Is(this=column.copy(), expression=exp.Null()))),
        )
        for column, word in columns
    ]
    made: exp.Expr = branches[0]
    for branch in branches[1:]:
        made = exp.Union(this=made, expression=branch, distinct=False)
    return made


def _refused(reading: Reading, node: exp.Expr, message: str) -> QueryRefused:
    return reading.refuse("pivot", message, node, hint=_HOW)
