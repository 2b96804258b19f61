"""Small questions about a SELECT's tree that every kind of SELECT asks."""

from __future__ import annotations

from sqlglot import exp

from ambergate_policies.lowering.text import Reading


def default_name(reading: Reading, item: exp.Expr) -> str:
    """The name of an output without an alias: the column's, the function's, or the text itself."""
    if isinstance(item, exp.Column):
        return item.name
    inner = item.this if isinstance(item, exp.Filter | exp.WithinGroup | exp.IgnoreNulls) else item
    if isinstance(inner, exp.Anonymous):
        return str(inner.this).lower()
    if isinstance(inner, exp.Func):
        return inner.sql_name().lower()
    span = reading.span(item)
    return reading.text[span.start : span.end][:60] if span else "column"


def constant(reading: Reading, select: exp.Query, key: str) -> int | None:
    """LIMIT or OFFSET: a whole number written in the query."""
    clause = select.args.get(key)
    if clause is None:
        return None
    node = clause.expression
    if not isinstance(node, exp.Literal) or not str(node.this).isdigit() or clause.args.get("limit_options"):
        raise reading.refuse("syntax", f"{key.upper()} must be a whole number", clause)
    return int(node.this)


def given(node: exp.Expr) -> list[str]:
    return [key for key, value in node.args.items() if value not in (None, False, [])]


def same(one: str, other: str) -> bool:
    return one.lower() == other.lower()
