"""Function calls: from sqlglot's spelling to an allowed function, or to what the call is read as instead."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from sqlglot import exp

from ambergate_policies.algebra.expressions import ArithmeticOperator, Expression, Literal
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.functions import ALIASES, ALLOWED, DATE_PARTS, SPAN_PARTS, STEPS, Function
from ambergate_policies.lowering import casts, moments
from ambergate_policies.lowering.calls import UNKNOWN, call_of
from ambergate_policies.lowering.composites import REWRITES, Rewrite

if TYPE_CHECKING:
    from ambergate_policies.lowering.expressions import Scalars

_PI = Literal(Decimal("3.141592653589793"), Kind.NUM)
_OWN_FUNCTIONS = frozenset({"epoch", "isoyear", "yearweek"})
"""Date parts that take or yield other kinds than the rest."""
_TEN, _TWO = Literal(10, Kind.INT), Literal(2, Kind.INT)


def function(scalars: Scalars, node: exp.Func) -> Expression:
    """A function call. Raises QueryRefused for what is not on the list, or does not fit."""
    name, unit, nodes = call_of(node)
    if name == UNKNOWN:
        raise scalars.unknown_function(node, node.sql_name().lower())
    name = ALIASES.get(name, name)
    rewrite = REWRITTEN.get(name)
    if rewrite is not None:
        return rewrite(scalars, node, nodes)
    allowed = ALLOWED.get(name)
    if allowed is None:
        raise scalars.unknown_function(node, name)
    arguments = tuple(scalars.value(argument) for argument in nodes)
    if allowed.unit:
        return _with_unit(scalars, node, allowed, unit, arguments)
    return scalars.call(node, allowed, arguments)


def _with_unit(
    scalars: Scalars, node: exp.Expr, allowed: Function, unit: str | None, arguments: tuple[Expression, ...]
) -> Expression:
    parts = DATE_PARTS if allowed.name == "date_part" else STEPS
    if arguments and arguments[0].kind is Kind.SPAN:
        parts = parts & SPAN_PARTS
    if allowed.name == "date_part" and unit in _OWN_FUNCTIONS:
        return scalars.call(node, ALLOWED[unit], arguments)
    if unit not in parts:
        raise scalars.reading.refuse("function", f"{allowed.name} needs a date part such as 'year'", node)
    return scalars.call(node, allowed, arguments, unit)


def _operator(operator: ArithmeticOperator) -> Rewrite:
    def lower(scalars: Scalars, node: exp.Expr, nodes: list[exp.Expr]) -> Expression:
        left, right = _arguments(scalars, node, nodes, 2)
        return scalars.calculated(node, operator, left, right)

    return lower


def _arguments(scalars: Scalars, node: exp.Expr, nodes: list[exp.Expr], count: int) -> tuple[Expression, ...]:
    if len(nodes) != count:
        raise scalars.reading.refuse("function", "this function has another number of arguments", node)
    return tuple(scalars.value(one) for one in nodes)


def _pi(scalars: Scalars, node: exp.Expr, nodes: list[exp.Expr]) -> Expression:
    _arguments(scalars, node, nodes, 0)
    return _PI


def _today(scalars: Scalars, node: exp.Expr, nodes: list[exp.Expr]) -> Expression:
    """The day on which the gate was asked: one value for the whole query."""
    _arguments(scalars, node, nodes, 0)
    return Literal(scalars.reading.today.isoformat(), Kind.DATE)


def _now(scalars: Scalars, node: exp.Expr, nodes: list[exp.Expr]) -> Expression:
    """The first moment of that day: the time of day would make an answer depend on when it was computed."""
    _arguments(scalars, node, nodes, 0)
    return Literal(f"{scalars.reading.today.isoformat()} 00:00:00", Kind.TIME)


def _date(scalars: Scalars, node: exp.Expr, nodes: list[exp.Expr]) -> Expression:
    """date(x)"""
    (part,) = _arguments(scalars, node, nodes, 1)
    return casts.to_type(scalars, node, part, "DATE")


def _log(scalars: Scalars, node: exp.Expr, nodes: list[exp.Expr]) -> Expression:
    """log(x), log10(x), log2(x), log(base, x)."""
    arguments = tuple(scalars.value(one) for one in nodes)
    if len(arguments) == 1:
        return scalars.call(node, ALLOWED["log10"], arguments)
    if arguments[:1] in ((_TEN,), (_TWO,)):
        return scalars.call(node, ALLOWED["log10" if arguments[0] == _TEN else "log2"], arguments[1:])
    return scalars.call(node, ALLOWED["log"], arguments)


def _strftime(scalars: Scalars, node: exp.Expr, nodes: list[exp.Expr]) -> Expression:
    """strftime(date, format) and strftime(format, date): the engine knows both."""
    one, other = _arguments(scalars, node, nodes, 2)
    first, second = (other, one) if isinstance(one, Literal) and other.kind.temporal else (one, other)
    return scalars.call(node, ALLOWED["strftime"], (first, second))


def _age(scalars: Scalars, node: exp.Expr, nodes: list[exp.Expr]) -> Expression:
    """age(end, start); age(start) until today."""
    arguments = tuple(scalars.value(one) for one in nodes)
    if len(arguments) == 1:
        arguments = (Literal(scalars.reading.today.isoformat(), Kind.DATE), *arguments)
    return scalars.call(node, ALLOWED["age"], arguments)


def _units(unit: str) -> Rewrite:
    def lower(scalars: Scalars, node: exp.Expr, nodes: list[exp.Expr]) -> Expression:
        (count,) = _arguments(scalars, node, nodes, 1)
        return moments.units(scalars, node, count, unit)

    return lower


def _epoch_ms(scalars: Scalars, node: exp.Expr, nodes: list[exp.Expr]) -> Expression:
    """epoch_ms(date) as milliseconds. Of a number the engine would make a timestamp, which is another thing."""
    arguments = _arguments(scalars, node, nodes, 1)
    return scalars.call(node, ALLOWED["epoch_ms"], arguments)


def _try(scalars: Scalars, node: exp.Expr, nodes: list[exp.Expr]) -> Expression:
    """TRY(x): everything that could raise is tried anyway."""
    (part,) = _arguments(scalars, node, nodes, 1)
    return part


REWRITTEN: dict[str, Rewrite] = {
    **REWRITES,
    "date_add": _operator("+"),
    "add": _operator("+"),
    "subtract": _operator("-"),
    "multiply": _operator("*"),
    "mod": _operator("%"),
    "divide": _operator("//"),  # whole for whole numbers, as in the engine
    "pi": _pi,
    "today": _today,
    "current_date": _today,
    "now": _now,
    "get_current_timestamp": _now,
    "transaction_timestamp": _now,
    "current_localtimestamp": _now,
    "date": _date,
    "log": _log,
    "strftime": _strftime,
    "age": _age,
    "epoch_ms": _epoch_ms,
    "try": _try,
    **{f"to_{unit}s": _units(unit) for unit in ("year", "quarter", "month", "week", "day", "hour", "minute")},
}
"""Functions that are read as something else than a call."""
