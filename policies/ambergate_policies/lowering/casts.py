"""Casts: every one is a TRY_CAST, so a value that does not fit becomes NULL and no error tells of it.

Wide kinds are kept inside: a narrow or exact type of the query is applied, then left again for the engine's BIGINT or
DOUBLE, so that later arithmetic cannot overflow where the query's own would not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from ambergate_policies.algebra.expressions import Cast, Expression, Literal
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.lowering.constants import moment_literal
from ambergate_policies.lowering.moments import interval_text

if TYPE_CHECKING:
    from ambergate_policies.lowering.expressions import Scalars

TARGETS: dict[str, tuple[str, Kind]] = {
    "INT": ("INTEGER", Kind.INT),
    "BIGINT": ("BIGINT", Kind.INT),
    "TINYINT": ("TINYINT", Kind.INT),
    "SMALLINT": ("SMALLINT", Kind.INT),
    "UTINYINT": ("UTINYINT", Kind.INT),
    "USMALLINT": ("USMALLINT", Kind.INT),
    "UINT": ("UINTEGER", Kind.INT),
    "UBIGINT": ("UBIGINT", Kind.INT),
    "INT128": ("BIGINT", Kind.INT),
    "DOUBLE": ("DOUBLE", Kind.NUM),
    "FLOAT": ("DOUBLE", Kind.NUM),
    "DECIMAL": ("DECIMAL(18,3)", Kind.NUM),
    "TEXT": ("VARCHAR", Kind.TEXT),
    "VARCHAR": ("VARCHAR", Kind.TEXT),
    "CHAR": ("VARCHAR", Kind.TEXT),
    "DATE": ("DATE", Kind.DATE),
    "TIMESTAMP": ("TIMESTAMP", Kind.TIME),
    "TIMESTAMPNTZ": ("TIMESTAMP", Kind.TIME),
    "BOOLEAN": ("BOOLEAN", Kind.BOOL),
}
_KEPT = frozenset({"INTEGER", "BIGINT", "DOUBLE", "VARCHAR", "DATE", "TIMESTAMP", "BOOLEAN"})
FROM: dict[Kind, frozenset[Kind]] = {
    Kind.BOOL: frozenset({Kind.BOOL, Kind.INT, Kind.NUM, Kind.TEXT}),
    Kind.INT: frozenset({Kind.BOOL, Kind.INT, Kind.NUM, Kind.TEXT}),
    Kind.NUM: frozenset({Kind.BOOL, Kind.INT, Kind.NUM, Kind.TEXT}),
    Kind.TEXT: frozenset({Kind.BOOL, Kind.INT, Kind.NUM, Kind.TEXT, Kind.DATE, Kind.TIME}),
    Kind.DATE: frozenset({Kind.DATE, Kind.TIME, Kind.TEXT}),
    Kind.TIME: frozenset({Kind.DATE, Kind.TIME, Kind.TEXT}),
}
"""From which kinds the engine converts. Others it refuses, for every value."""
_HINTS = {
    "TIMESTAMPTZ": "timestamps have no time zone here: use TIMESTAMP",
    "TIME": "use hour(x) and minute(x)",
    "UUID": "the person key may only be joined on, grouped by and counted",
}


def cast(scalars: Scalars, node: exp.Cast) -> Expression:
    """CAST, TRY_CAST, `::` and typed literals such as DATE '2020-01-31'."""
    target = node.to.this.value if isinstance(node.to, exp.DataType) else ""
    if target == "INTERVAL" and isinstance(node.this, exp.Literal) and not node.to.expressions:
        if (span := interval_text(str(node.this.this))) is not None:
            return span
        raise scalars.reading.refuse("function", "write intervals as INTERVAL 6 MONTH", node)
    if target not in TARGETS or node.args.get("format"):
        hint = _HINTS.get(target, "try DOUBLE, INTEGER, VARCHAR, BOOLEAN, DATE or TIMESTAMP")
        raise scalars.reading.refuse("type", "this type is not available", node, hint=hint)
    return to_type(scalars, node, scalars.value(node.this), target)


def to_type(scalars: Scalars, node: exp.Expr, part: Expression, target: str) -> Expression:
    """`part` as one of the types of TARGETS."""
    parameters = _parameters(scalars, node)
    name, kind = TARGETS[target]
    if isinstance(part, Literal) and kind.temporal and part.kind in (Kind.TEXT, Kind.DATE, Kind.TIME):
        moment = moment_literal(str(part.value)[:10] if kind is Kind.DATE else str(part.value), kind)
        if moment is None:
            raise scalars.reading.refuse("type", "this is not a date", node, hint="write DATE '2020-01-31'")
        return moment
    if part.kind not in FROM[kind] and part.kind is not Kind.NULL:
        raise scalars.reading.refuse("type", f"a {part.kind} cannot be made a {kind}", node)
    if target == "DECIMAL" and parameters:
        digits, scale = parameters[0], parameters[1] if len(parameters) > 1 else 0
        if not (1 <= digits <= 38 and 0 <= scale <= digits):
            raise scalars.reading.refuse("type", "this precision does not exist", node, hint="try DECIMAL(18, 3)")
        name = f"DECIMAL({digits},{scale})"
    if name in _KEPT:
        return Cast(part, name, kind)
    return Cast(Cast(part, name, kind), "BIGINT" if kind is Kind.INT else "DOUBLE", kind)


def _parameters(scalars: Scalars, node: exp.Expr) -> list[int]:
    """Lengths and digits: DECIMAL(10, 2), VARCHAR(5)."""
    given = node.to.expressions if isinstance(node, exp.Cast) else []
    if not all(isinstance(part.this, exp.Literal) and str(part.this.this).isdigit() for part in given):
        raise scalars.reading.refuse("type", "this type is not available", node, hint="try DOUBLE, VARCHAR or DATE")
    return [int(part.this.this) for part in given]
