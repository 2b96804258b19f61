"""Lists that are written in the query, as tables about nobody: range, generate_series and unnest of constants.

They are worked out here and reach the engine as VALUES, so nobody can ask for more rows than MAX_VALUES.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlglot import exp

from ambergate_policies.algebra.expressions import Expression, Literal, Span
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.lowering.expressions import Scalars
from ambergate_policies.verdict import QueryRefused

MAX_VALUES = 10_000
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_DAYS = {"day": 1, "week": 7}


def series(scalars: Scalars, node: exp.Expr) -> tuple[str, list[Expression]]:
    """The column's name and the values of `range(...)`, `generate_series(...)` or `unnest([...])`."""
    if isinstance(node, exp.GenerateSeries):
        _only(scalars, node, {"start", "end", "step", "is_end_exclusive"})
        name = "range" if node.args.get("is_end_exclusive") else "generate_series"
        found = _steps(scalars, node)
        if not found:
            raise _refused(scalars, node, "this series is empty")
        return name, found
    if isinstance(node, exp.Unnest | exp.Explode):
        _only(scalars, node, {"this", "expressions", "alias", "value_constructor"})
        lists = node.expressions if isinstance(node, exp.Unnest) else [node.this]
        if len(lists) == 1 and isinstance(lists[0], exp.GenerateSeries):
            return "unnest", series(scalars, lists[0])[1]
        if len(lists) == 1 and isinstance(lists[0], exp.Array) and lists[0].expressions:
            values = [scalars.value(item) for item in lists[0].expressions]
            if len(values) <= MAX_VALUES and all(isinstance(value, Literal) for value in values):
                return "unnest", values
    raise _refused(scalars, node, "unnest takes a list of constants")


def _only(scalars: Scalars, node: exp.Expr, known: set[str]) -> None:
    if {key for key, value in node.args.items() if value not in (None, False, [])} - known:
        raise _refused(scalars, node, "this list cannot be read")


def _steps(scalars: Scalars, node: exp.GenerateSeries) -> list[Expression]:
    step_node = node.args.get("step")
    start, end = scalars.value(node.args["start"]), scalars.value(node.args["end"])
    step = scalars.value(step_node) if step_node is not None else Literal(1, Kind.INT)
    inclusive = not node.args.get("is_end_exclusive")
    if not isinstance(start, Literal) or not isinstance(end, Literal):
        raise _refused(scalars, node, "the ends of a series must be constants")
    if start.kind.temporal and end.kind.temporal and isinstance(step, Span):
        return _moments(scalars, node, start, end, step, inclusive)
    numbers = [part.value for part in (start, end, step) if isinstance(part, Literal) and part.kind is Kind.INT]
    first, last, by = (value for value in numbers if isinstance(value, int)) if len(numbers) == 3 else (0, 0, 0)
    if by == 0:
        raise _refused(scalars, node, "a series runs over whole numbers or over dates with an interval")
    found = range(first, last + (1 if by > 0 else -1) if inclusive else last, by)
    if len(found) > MAX_VALUES:
        raise _refused(scalars, node, f"a series may have at most {MAX_VALUES} values")
    return [Literal(value, Kind.INT) for value in found]


def _moments(
    scalars: Scalars, node: exp.Expr, start: Literal, end: Literal, step: Span, inclusive: bool
) -> list[Expression]:
    """Timestamps, as the engine makes of dates too. Months are added to a day that every month has."""
    moment, last = _moment(start), _moment(end)
    if step.count <= 0 or step.unit not in {*_MONTHS, *_DAYS} or (step.unit in _MONTHS and moment.day > 28):
        raise _refused(scalars, node, "a series of dates goes forward by days, or by months from a day up to the 28th")
    found: list[Expression] = []
    while moment < last or (inclusive and moment == last):
        found.append(Literal(moment.isoformat(sep=" "), Kind.TIME))
        if len(found) > MAX_VALUES:
            raise _refused(scalars, node, f"a series may have at most {MAX_VALUES} values")
        following = _moved(moment, step)
        if following is None:
            break
        moment = following
    return found


def _moment(literal: Literal) -> datetime:
    text = str(literal.value)
    return (
        datetime.fromisoformat(text)
        if literal.kind is Kind.TIME
        else datetime.combine(date.fromisoformat(text), datetime.min.time())
    )


def _moved(moment: datetime, step: Span) -> datetime | None:
    try:
        if step.unit in _DAYS:
            return moment + timedelta(days=step.count * _DAYS[step.unit])
        years, month = divmod(moment.month - 1 + step.count * _MONTHS[step.unit], 12)
        return moment.replace(year=moment.year + years, month=month + 1)
    except (ValueError, OverflowError):
        return None


def _refused(scalars: Scalars, node: exp.Expr, message: str) -> QueryRefused:
    hint = (
        "range(1990, 2025), generate_series(DATE '2015-01-01', DATE '2024-12-01', INTERVAL 1 MONTH), unnest(['a', 'b'])"
    )
    return scalars.reading.refuse("syntax", message, node, hint=hint)
