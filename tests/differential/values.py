"""Scalar expressions over plain Python values: None is NULL, conditions are True, False or None.

Written for reading and not for speed, and from the meaning of SQL, not from the printer. It knows the nodes and
functions that the random queries use; anything else is an error of the test."""

from __future__ import annotations

import calendar
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from ambergate_policies.algebra.expressions import (
    Arithmetic,
    Call,
    Case,
    Cast,
    Column,
    Comparison,
    Expression,
    InList,
    IsNull,
    Like,
    Literal,
    Logical,
    Negate,
    Not,
    Owner,
    Span,
)
from ambergate_policies.algebra.kinds import Kind

OWNER = "the person"
Value = Any
Environment = Mapping[str, Mapping[str, Value]]
"""What each source of a query holds in one row. A source that an outer join left empty is missing."""


def evaluate(node: Expression, row: Environment) -> Value:
    """The value of an expression in one row."""
    match node:
        case Column(source=source, name=name):
            return row.get(source, {}).get(name)
        case Owner(source=source):
            return row.get(source, {}).get(OWNER)
        case Literal():
            return literal(node)
        case Comparison(operator=operator, left=left, right=right):
            return compare(operator, evaluate(left, row), evaluate(right, row))
        case Logical(operator="AND", parts=parts):
            return all_of([evaluate(part, row) for part in parts])
        case Logical(parts=parts):
            return opposite(all_of([opposite(evaluate(part, row)) for part in parts]))
        case Not(part=part):
            return opposite(evaluate(part, row))
        case IsNull(part=part):
            return evaluate(part, row) is None
        case InList(part=part, values=values):
            found = [compare("=", evaluate(part, row), evaluate(value, row)) for value in values]
            return opposite(all_of([opposite(one) for one in found]))
        case Like(part=part, pattern=pattern, operator="LIKE" | "ILIKE" as operator, escape=None):
            return like(evaluate(part, row), evaluate(pattern, row), operator == "ILIKE")
        case Arithmetic(operator=operator, left=left, right=right):
            if isinstance(right, Span):
                return moved(evaluate(left, row), right, -1 if operator == "-" else 1)
            return calculate(operator, evaluate(left, row), evaluate(right, row))
        case Negate(part=part):
            value = evaluate(part, row)
            return None if value is None else -value
        case Case(branches=branches, default=default):
            for test, value in branches:
                if evaluate(test, row) is True:
                    return evaluate(value, row)
            return None if default is None else evaluate(default, row)
        case Cast(part=part, target=target):
            return cast(evaluate(part, row), target)
        case Call(function=function, arguments=arguments, unit=unit):
            return call(function.name, unit, [evaluate(argument, row) for argument in arguments])
        case _:
            raise NotImplementedError(type(node).__name__)


def literal(node: Literal) -> Value:
    if node.kind is Kind.DATE:
        return date.fromisoformat(str(node.value))
    if node.kind is Kind.TIME:
        return datetime.fromisoformat(str(node.value))
    return float(node.value) if isinstance(node.value, Decimal) else node.value


def all_of(parts: list[bool | None]) -> bool | None:
    """AND of SQL: false wins, then unknown."""
    if any(part is False for part in parts):
        return False
    return None if any(part is None for part in parts) else True


def opposite(value: bool | None) -> bool | None:
    return None if value is None else not value


def compare(operator: str, left: Value, right: Value) -> bool | None:
    if operator in ("IS DISTINCT FROM", "IS NOT DISTINCT FROM"):
        same = left == right if left is not None and right is not None else left is right
        return same if operator == "IS NOT DISTINCT FROM" else not same
    if left is None or right is None:
        return None
    return {
        "=": left == right, "<>": left != right, "<": left < right, "<=": left <= right, ">": left > right,
        ">=": left >= right,
    }[operator]  # fmt: skip


def like(text: str | None, pattern: str | None, ignore_case: bool) -> bool | None:
    """LIKE by the oldest recursion there is."""
    if text is None or pattern is None:
        return None
    if ignore_case:
        text, pattern = text.lower(), pattern.lower()
    if not pattern:
        return not text
    if pattern[0] == "%":
        return any(like(text[index:], pattern[1:], False) for index in range(len(text) + 1))
    return bool(text) and pattern[0] in ("_", text[0]) and like(text[1:], pattern[1:], False)


def calculate(operator: str, left: Value, right: Value) -> Value:
    if left is None or right is None or (operator in ("/", "//", "%") and right == 0):
        return None
    if operator == "||":
        return left + right
    if operator == "-" and isinstance(left, date) and isinstance(right, date):
        return (left - right).days
    if operator in ("+", "-") and isinstance(left, date):
        return left + timedelta(right if operator == "+" else -right)
    if operator == "/":
        return left / right
    if operator == "//":
        return int(left / right) if isinstance(left, int) and isinstance(right, int) else left / right
    if operator == "%":
        return (
            int(math.fmod(left, right)) if isinstance(left, int) and isinstance(right, int) else math.fmod(left, right)
        )
    result = {"+": left + right, "-": left - right, "*": left * right}[operator]
    return None if isinstance(result, int) and not -(2**63) <= result < 2**63 else result


def moved(moment: date | datetime | None, span: Span, sign: int) -> datetime | None:
    """A date or timestamp and an interval: always a timestamp; a month's end stays inside the month."""
    if moment is None:
        return None
    start = moment if isinstance(moment, datetime) else datetime.combine(moment, time())
    count = span.count * sign
    if span.unit in ("year", "quarter", "month"):
        months = start.year * 12 + start.month - 1 + count * {"year": 12, "quarter": 3, "month": 1}[span.unit]
        year, month = divmod(months, 12)
        return start.replace(year=year, month=month + 1, day=min(start.day, calendar.monthrange(year, month + 1)[1]))
    return start + timedelta(**{span.unit + "s": count})


def cast(value: Value, target: str) -> Value:
    if value is None:
        return None
    if isinstance(value, str) and target != "VARCHAR":
        raise NotImplementedError(f"a text as {target}")
    if target in ("INTEGER", "BIGINT"):
        return round(value)
    if target == "DOUBLE":
        return float(value)
    if target == "VARCHAR":
        return str(value).lower() if isinstance(value, bool) else str(value)
    if target == "TIMESTAMP":
        return value if isinstance(value, datetime) else datetime.combine(value, time())
    if target == "DATE":
        return value.date() if isinstance(value, datetime) else value
    if target == "BOOLEAN":
        return bool(value)
    raise NotImplementedError(target)


def call(name: str, unit: str | None, given: list[Value]) -> Value:
    if name == "coalesce":
        return next((value for value in given if value is not None), None)
    if name in ("least", "greatest"):
        known = [value for value in given if value is not None]
        return (min if name == "least" else max)(known) if known else None
    if name == "nullif":
        return None if compare("=", given[0], given[1]) is True else given[0]
    if name not in (*FUNCTIONS, "date_trunc", "date_diff") or (name in _COUNTED_FROM_THE_END and min(given[1:]) < 1):
        raise NotImplementedError(name)
    if any(value is None for value in given):
        return None
    if name == "date_trunc":
        return truncated(str(unit), given[0])
    if name == "date_diff":
        return boundaries(str(unit), given[0], given[1])
    return FUNCTIONS[name](*given)


def truncated(unit: str, moment: datetime) -> datetime:
    if unit not in ("year", "quarter", "month"):
        raise NotImplementedError(unit)
    day = {"year": date(moment.year, 1, 1), "quarter": date(moment.year, (moment.month - 1) // 3 * 3 + 1, 1)}.get(
        unit, date(moment.year, moment.month, 1)
    )
    return datetime.combine(day, time())


def boundaries(unit: str, start: date, end: date) -> int:
    """How many days, months or years begin between two dates."""
    if unit == "day":
        return (end - start).days
    if unit == "month":
        return (end.year - start.year) * 12 + end.month - start.month
    if unit != "year":
        raise NotImplementedError(unit)
    return end.year - start.year


def rounded(value: float, digits: int = 0) -> float:
    """Halves away from zero."""
    scaled = abs(value) * 10**digits
    return math.copysign(math.floor(scaled + 0.5) / 10**digits, value)


_COUNTED_FROM_THE_END = frozenset({"left", "substring"})
"""Where a number below one has a meaning that is not needed here."""
FUNCTIONS: dict[str, Callable[..., Value]] = {
    "abs": abs,
    "round": rounded,
    "floor": math.floor,
    "ceil": math.ceil,
    "lower": lambda text: text.lower(),
    "upper": lambda text: text.upper(),
    "length": len,
    "left": lambda text, count: text[:count],
    "substring": lambda text, start, count: text[start - 1 : start - 1 + count],
    "starts_with": lambda text, start: text.startswith(start),
    "contains": lambda text, part: part in text,
    "year": lambda day: day.year,
    "month": lambda day: day.month,
    "quarter": lambda day: (day.month + 2) // 3,
    "day": lambda day: day.day,
    "dayofyear": lambda day: day.timetuple().tm_yday,
    "isodow": lambda day: day.isoweekday(),
    "dayofweek": lambda day: day.isoweekday() % 7,
    "week": lambda day: day.isocalendar().week,
    "isoyear": lambda day: day.isocalendar().year,
    "make_date": date,
    "sign": lambda number: (number > 0) - (number < 0),
    "trunc": math.trunc,
    "sqrt": math.sqrt,
    "cbrt": math.cbrt,
    "ln": math.log,
    "log10": math.log10,
    "log2": math.log2,
    "exp": math.exp,
    "pow": math.pow,
    "trim": lambda text: text.strip(" "),
    "ltrim": lambda text: text.lstrip(" "),
    "rtrim": lambda text: text.rstrip(" "),
    "reverse": lambda text: text[::-1],
    "ends_with": lambda text, end: text.endswith(end),
    "instr": lambda text, part: text.find(part) + 1,
    "replace": lambda text, old, new: text.replace(old, new),
    "lpad": lambda text, width, fill: text[:width].rjust(width, fill),
    "rpad": lambda text, width, fill: text[:width].ljust(width, fill),
    "string_split": lambda text, mark: text.split(mark),
    "len": len,
}
