"""Dates, timestamps and the time between them: intervals, and arithmetic with them.

An interval is a constant (INTERVAL 6 MONTH), a number of units (to_months(x)) or a difference (age, timestamps).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from ambergate_policies.algebra.expressions import (
    Arithmetic,
    ArithmeticOperator,
    Call,
    Cast,
    Expression,
    Literal,
    Span,
)
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.functions import ALLOWED, INTERVAL_UNITS
from ambergate_policies.lowering.constants import widened

if TYPE_CHECKING:
    from ambergate_policies.lowering.expressions import Scalars

_INTERVAL = re.compile(r"\s*([+-]?\d{1,6})\s*([A-Za-z]+)?\s*")
_SHORT = {
    "y": "year", "yr": "year", "mon": "month", "w": "week", "d": "day", "h": "hour", "hr": "hour", "m": "minute",
    "min": "minute", "sec": "second", "doy": "dayofyear", "dow": "dayofweek", "weekday": "dayofweek",
    "dayofmonth": "day", "weekofyear": "week",
}  # fmt: skip
_NARROW = frozenset({"to_years", "to_quarters", "to_months", "to_weeks", "to_days"})
"""They take 32 bits, and the engine casts nothing down by itself."""


def unit_word(text: str) -> str:
    """A date part as DuckDB spells it: 'YEARS', 'yr' and 'year' are one."""
    word = text.strip().lower()
    return _SHORT.get(word) or _SHORT.get(word.rstrip("s")) or (word[:-1] if word.endswith("s") else word)


def interval(scalars: Scalars, node: exp.Interval) -> Expression:
    """INTERVAL 1 YEAR, INTERVAL '6 months', INTERVAL (x) DAY."""
    unit, amount = node.args.get("unit"), node.this
    refused = scalars.reading.refuse("function", "this interval is not understood", node, hint="write INTERVAL 6 MONTH")
    if not isinstance(unit, exp.Var | None) or amount is None:
        raise refused
    if isinstance(amount, exp.Literal):
        text = str(amount.this) if unit is None else f"{amount.this} {unit.this}"
        if (span := interval_text(text)) is not None:
            return span
        raise refused
    word = unit_word(str(unit.this)) if unit is not None else ""
    if word not in INTERVAL_UNITS:
        raise refused
    return units(scalars, node, scalars.value(amount), word)


def interval_text(text: str) -> Span | None:
    """'6 months' as a constant interval, or None."""
    match = _INTERVAL.fullmatch(text)
    word = unit_word(match.group(2)) if match and match.group(2) else ""
    return Span(int(match.group(1)), word) if match and word in INTERVAL_UNITS else None


def units(scalars: Scalars, node: exp.Expr, count: Expression, unit: str) -> Expression:
    """As many units of time as a whole number says."""
    if isinstance(count, Literal) and isinstance(count.value, int) and abs(count.value) < 10**6:
        return Span(count.value, unit)
    if count.kind is not Kind.INT:
        raise scalars.reading.refuse("type", f"an interval needs a whole number, not a {count.kind}", node)
    function = ALLOWED[f"to_{unit}s"]
    return Call(function, (narrowed(function.name, count),), Kind.SPAN)


def narrowed(name: str, count: Expression) -> Expression:
    """What a function of 32 bits takes."""
    return Cast(count, "INTEGER", Kind.INT) if name in _NARROW else count


def arithmetic(
    scalars: Scalars, node: exp.Expr, operator: ArithmeticOperator, left: Expression, right: Expression
) -> Expression | None:
    """Arithmetic in which a date, a timestamp or an interval takes part; None where none does."""
    sides = {left.kind, right.kind}
    if not (left.kind.temporal or right.kind.temporal or Kind.SPAN in sides) or Kind.NULL in sides:
        return None
    if operator == "+" and right.kind.temporal and not left.kind.temporal:
        left, right = right, left
    if operator == "*" and Kind.SPAN in sides:
        return _times(scalars, node, left, right)
    kind = kind_of_moments(operator, left.kind, right.kind)
    return None if kind is None else safe(Arithmetic(operator, left, right, kind))


def safe(node: Arithmetic) -> Arithmetic:
    """Both sides as the engine takes them, without a conversion of its own: that would raise, even inside TRY."""
    left, right = node.left, node.right
    if node.kind in (Kind.TIME, Kind.SPAN):
        left, right = widened(left, Kind.TIME), widened(right, Kind.TIME)
    if left.kind is Kind.DATE and right.kind is Kind.INT and not isinstance(right, Literal):
        right = Cast(right, "INTEGER", Kind.INT)
    return replace(node, left=left, right=right)


def _times(scalars: Scalars, node: exp.Expr, left: Expression, right: Expression) -> Expression | None:
    span, count = (left, right) if isinstance(left, Span) else (right, left)
    if not isinstance(span, Span) or count.kind is not Kind.INT:
        return None
    one = Literal(span.count, Kind.INT)
    many = count if span.count == 1 else Arithmetic("*", count, one, Kind.INT)
    if isinstance(count, Literal) and isinstance(count.value, int):
        many = Literal(count.value * span.count, Kind.INT)
    return units(scalars, node, many, span.unit)


def kind_of_moments(operator: ArithmeticOperator, left: Kind, right: Kind) -> Kind | None:
    if operator not in ("+", "-"):
        return None
    if left.temporal and right is Kind.SPAN:
        return Kind.TIME
    if left is Kind.DATE and right is Kind.INT:
        return Kind.DATE
    if left.temporal and right.temporal and operator == "-":
        return Kind.INT if left is right is Kind.DATE else Kind.SPAN
    return Kind.SPAN if left is right is Kind.SPAN else None
