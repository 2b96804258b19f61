"""Tables that are written in the query: VALUES, series of constants; and names that it gives to columns."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from ambergate_policies.algebra.expressions import (
    Column,
    Expression,
)
from ambergate_policies.algebra.kinds import Kind, common
from ambergate_policies.algebra.relations import Relation, Values
from ambergate_policies.lowering.expressions import widened
from ambergate_policies.lowering.remembered import points_of
from ambergate_policies.lowering.rows import PersonScalars
from ambergate_policies.lowering.scope import Names, Scope, Source
from ambergate_policies.lowering.series import series
from ambergate_policies.lowering.text import Reading


def values_table(names: Names, node: exp.Values) -> tuple[Relation, Source]:
    """VALUES written in the query: a public relation, such as age bands or a code list."""
    scalars = PersonScalars(names, Scope())
    alias = node.args.get("alias")
    rows = [tuple(scalars.value(value) for value in getattr(row, "expressions", ())) for row in node.expressions]
    width = len(rows[0]) if rows else 0
    given = [item.name for item in (alias.args.get("columns") or ())] if alias is not None else []
    given = given or [f"col{index}" for index in range(width)]
    if not width or any(len(row) != width for row in rows) or len(given) != width or len(rows) > 5000:
        raise names.reading.refuse("syntax", "every row of VALUES needs the same columns", node)
    source = names.fresh()
    columns = []
    for index in range(width):
        kind = _column_kind(names, node, [row[index] for row in rows])
        rows = [(*row[:index], widened(row[index], kind), *row[index + 1 :]) for row in rows]
        columns.append(points_of(Column(source, f"v{index}", kind), [row[index] for row in rows]))
    named = {name.lower(): column for name, column in zip(given, columns, strict=True)}
    relation = Values(source, tuple(columns), tuple(rows))
    return relation, Source(node.alias or "", dict(named), outputs=tuple(named))


def series_table(names: Names, node: exp.Unnest | exp.Table) -> tuple[Relation, Source]:
    """range(...), generate_series(...) or unnest([...]) of constants: a public relation of one column."""
    only(names.reading, node, {"this", "alias", "expressions"})
    scalars = PersonScalars(names, Scope())
    name, values = series(scalars, node.this if isinstance(node, exp.Table) else node)
    kind = _column_kind(names, node, values)
    source = names.fresh()
    column = Column(source, "v0", kind)
    rows = tuple((widened(value, kind),) for value in values)
    relation: Relation = Values(source, (column,), rows)
    return relation, Source(node.alias or name, {name: column}, outputs=(name,))


def _column_kind(names: Names, node: exp.Expr, values: list[Expression]) -> Kind:
    kind: Kind | None = Kind.NULL
    for value in values:
        kind = common(kind, value.kind) if kind is not None else None
    if kind is None:
        raise names.reading.refuse("type", "a column of VALUES holds different kinds of values", node)
    return kind


def renamed(reading: Reading, node: exp.Expr, source: Source, names: list[str]) -> Source:
    """`AS t(a, b)`: the first columns under other names. Only a subquery shows which they are."""
    if not names:
        return source
    outputs = (*(name.lower() for name in names), *source.outputs[len(names) :])
    clear = len(names) <= len(source.outputs) and len(set(source.outputs)) == len(source.outputs)
    if source.grant is not None or not clear or len(set(outputs)) != len(outputs):
        message = "these names do not fit the columns"
        raise reading.refuse("syntax", message, node, hint="name the columns by AS in the SELECT")
    new = dict(zip(source.outputs, outputs, strict=True))
    columns = {new[name]: value for name, value in source.columns.items()}
    owner_name = None if source.owner_name is None else new[source.owner_name.lower()]
    return replace(source, columns=columns, owner_name=owner_name, outputs=outputs)


def only(reading: Reading, node: exp.Expr, allowed: set[str]) -> None:
    """Refuse a tree node that has an argument which nobody reads."""
    for key, value in node.args.items():
        if value and key not in allowed:
            where = value if isinstance(value, exp.Expr) else node
            what = key.strip("_")
            hint = "picking individuals is not possible" if what == "sample" else None
            raise reading.refuse("syntax", f"{what!r} is not understood here", where, hint=hint)
