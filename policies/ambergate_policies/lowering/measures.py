"""What may be measured: grading an expression that stands inside an aggregate (policy-kernel, section 2).

A free expression can pack one person's value past every threshold. So a measure is a granted numeric column, the
time between two granted dates, a 0/1 predicate, a person-level count, or a scaled, clamped or conditional one of
those, with at most MAX_FACTORS columns combined. Two things are kept apart throughout:

- constants may scale a measure but never be added to one or chosen by a condition: that makes positions in a sum;
- a measure is never *put in another's place* (CASE, coalesce, a sum with a conditional part): whoever knows what
  everybody else has been given can subtract it from the statistic, and is left with the one person.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from operator import add, mul, sub, truediv

from ambergate_policies.algebra.expressions import (
    NOT_MEASURABLE,
    Arithmetic,
    Call,
    Case,
    Cast,
    Column,
    Comparison,
    Expression,
    Grade,
    InList,
    IsNull,
    Like,
    Literal,
    Logical,
    Measurability,
    Negate,
    Not,
    Span,
    Window,
)
from ambergate_policies.algebra.kinds import Kind

MAX_FACTORS = 3
_DIFFERENCES = frozenset({"date_diff", "date_sub", "age"})
_PARTS = frozenset(
    {
        "year", "month", "quarter", "week", "day", "dayofweek", "isodow", "dayofyear", "date_part", "isoyear", "decade",
        "hour", "minute", "second",
    },
)  # fmt: skip
_CLAMPS = frozenset({"least", "greatest", "coalesce", "nullif"})
_SHAPES = frozenset({"abs", "round", "floor", "ceil", "trunc"})
_ROOTS = frozenset({"sqrt", "cbrt"})
_LOGARITHMS = frozenset({"ln", "log10", "log2"})
_CONSTANT = Measurability(Grade.CONSTANT)
_INDICATOR = Measurability(Grade.INDICATOR, 1, own=False)
_DATE_SHAPES = frozenset({"date_trunc", "last_day"})


def grade(node: Expression) -> Measurability:
    """The grade of an expression. NOT_MEASURABLE when nothing says that it is one."""
    if isinstance(node, Arithmetic | Call) and is_zero_or_one(node):
        return _INDICATOR  # however it is written, its complement must be protected too
    match node:
        case Column(measurability=measurability):
            return measurability
        case Literal(kind=kind):
            if kind.temporal:
                return Measurability(Grade.DATE)
            return _CONSTANT if kind.numeric or kind in (Kind.NULL, Kind.BOOL) else NOT_MEASURABLE
        case Comparison() | Logical() | Not() | IsNull() | InList() | Like():
            return _INDICATOR
        case Cast(part=part, kind=kind):
            alike = (kind.numeric or kind is Kind.BOOL) and not part.kind.temporal
            return grade(part) if alike or (kind.temporal and part.kind.temporal) else NOT_MEASURABLE
        case Case(branches=branches, default=default):
            values = [value for _, value in branches]
            return _conditional([*values, default] if default is not None else values)
        case Arithmetic():
            return _arithmetic(node)
        case Call():
            return _call(node)
        case Window():
            return _window(node)
        case _:
            return NOT_MEASURABLE


def is_zero_or_one(node: Expression) -> bool:
    """A 0/1 (or NULL) value: boolean, or a CASE whose values are only 0, 1 and NULL."""
    match node:
        case Case(branches=branches, default=default):
            values = [value for _, value in branches] + ([default] if default is not None else [])
            return all(is_zero_or_one(value) for value in values)
        case Cast(part=part, kind=kind) if kind.numeric:
            return part.kind is Kind.BOOL or is_zero_or_one(part)
        case Column(measurability=measurability):
            return measurability.grade is Grade.INDICATOR
        case Literal(value=value, kind=kind):
            return kind is Kind.NULL or (kind.numeric and value in (0, 1))
        case Arithmetic(operator="*", left=left, right=right):
            return is_zero_or_one(left) and is_zero_or_one(right)
        case Call(function=function, arguments=arguments) if function.name in _SHAPES:
            return is_zero_or_one(arguments[0])
        case Call(function=function, arguments=arguments) if function.name in _CLAMPS:
            floor = function.name == "least" and any(_is(argument, 1) for argument in arguments)
            return all(is_zero_or_one(argument) or (floor and _is_count(argument)) for argument in arguments)
        case _:
            return node.kind is Kind.BOOL


def _is_count(node: Expression) -> bool:
    return isinstance(node, Column) and node.measurability.grade is Grade.COUNT


def _conditional(values: list[Expression]) -> Measurability:
    """One measure, with 0 or NULL where the conditions do not choose it. Constants alone: only 0 and 1."""
    graded = [(value, grade(value)) for value in values]
    constants = [value for value, found in graded if found.grade is Grade.CONSTANT]
    chosen = {value: found for value, found in graded if found.grade is not Grade.CONSTANT}
    if all(found.grade is Grade.INDICATOR for found in chosen.values()):
        return _INDICATOR if all(is_zero_or_one(value) for value in constants) else NOT_MEASURABLE
    if len(chosen) != 1 or any(not (_is(value, 0) or _is_missing(value)) for value in constants):
        return NOT_MEASURABLE
    (found,) = chosen.values()
    return replace(found, own=found.own and not any(_is(value, 0) for value in constants))


def _arithmetic(node: Arithmetic) -> Measurability:
    left, right = grade(node.left), grade(node.right)
    if node.left.kind.temporal:
        return _date_arithmetic(node, left, right)
    if not (left.ok and right.ok) or node.operator == "||":
        return NOT_MEASURABLE
    constants = [found.grade is Grade.CONSTANT for found in (left, right)]
    if all(constants):
        return _CONSTANT
    if any(constants):
        return _with_constant(node, left, right)
    if Grade.INDICATOR in (left.grade, right.grade) and node.operator != "*":
        return NOT_MEASURABLE  # p + q*... : positions are made of added predicates
    if node.operator in ("*", "/") or (node.operator in ("+", "-") and left.own and right.own):
        return _limited(Grade.MAGNITUDE, left, right)
    return NOT_MEASURABLE


def _date_arithmetic(node: Arithmetic, left: Measurability, right: Measurability) -> Measurability:
    """A date moved by a constant, or the days between two dates."""
    if left.grade is not Grade.DATE:
        return NOT_MEASURABLE
    if node.operator == "-" and node.right.kind.temporal:
        return _between(left, right)
    return left if isinstance(node.right, Span | Literal) else NOT_MEASURABLE


def _between(start: Measurability, end: Measurability) -> Measurability:
    """The time between two dates. One of them may have been put in place of a missing one (the end of follow-up);
    then the other must be the person's own."""
    if start.grade is not Grade.DATE or end.grade is not Grade.DATE or not (start.factors or end.factors):
        return NOT_MEASURABLE
    if (start.own and end.own) or (start.own and start.factors) or (end.own and end.factors):
        return Measurability(Grade.MAGNITUDE, 1, own=start.own and end.own)
    return NOT_MEASURABLE


def _with_constant(node: Arithmetic, left: Measurability, right: Measurability) -> Measurability:
    measure = right if left.grade is Grade.CONSTANT else left
    constant = node.left if left.grade is Grade.CONSTANT else node.right
    if measure.grade is Grade.INDICATOR:
        return NOT_MEASURABLE if not _is(constant, 1) else measure
    scale = constant_of(constant)
    scales = node.operator == "*" or (node.operator in ("/", "//") and constant is node.right)
    if (scales and scale is not None and scale > 0) or (scale == 0 and node.operator in ("+", "-", "*")):
        return _limited(Grade.MAGNITUDE, measure)  # a negative one would make a floor of a ceiling: lowering/linear.py
    return NOT_MEASURABLE


def constant_of(node: Expression) -> Decimal | None:
    """The value of an expression that is made of numbers of the query alone."""
    match node:
        case Literal(value=int() | Decimal() as value, kind=kind) if kind.numeric:
            return Decimal(value)
        case Negate(part=part) | Cast(part=part, target="DOUBLE"):
            found = constant_of(part)
            return -found if found is not None and isinstance(node, Negate) else found
        case Arithmetic(operator=operator, left=left, right=right) if operator in ("+", "-", "*", "/"):
            return _calculated(operator, constant_of(left), constant_of(right))
        case Call(function=function, arguments=(Literal(kind=kind, value=value),)) if kind.temporal:
            named = function.name if function.name != "date_part" else node.unit
            return Decimal(date.fromisoformat(str(value)[:10]).year) if named == "year" else None
        case _:
            return None


def _calculated(operator: str, left: Decimal | None, right: Decimal | None) -> Decimal | None:
    if left is None or right is None or (operator == "/" and right == 0):
        return None
    calculate: dict[str, Callable[[Decimal, Decimal], Decimal]] = {"+": add, "-": sub, "*": mul, "/": truediv}
    try:
        return calculate[operator](left, right)
    except ArithmeticError:
        return None


def _is(node: Expression, value: int) -> bool:
    return isinstance(node, Literal) and isinstance(node.value, int | Decimal) and node.value == value


def _window(node: Window) -> Measurability:
    """A count or a value of the person's own rows; never a rank, which numbers rows."""
    function, arguments = node.function, node.arguments
    if function in ("count", "count_if"):
        return Measurability(Grade.COUNT, 1, own=False)
    if function in ("bool_or", "bool_and"):
        return _INDICATOR
    if not arguments or function == "ntile":
        return NOT_MEASURABLE
    found = grade(arguments[0])
    if found.grade is Grade.CONSTANT:
        return NOT_MEASURABLE
    if function in ("lag", "lead") and len(arguments) == 3:
        return _with_default(arguments[0], arguments[2])
    counted = function in ("sum", "avg", "median") and found.grade is Grade.INDICATOR
    return Measurability(Grade.COUNT, 1, own=False) if counted else found


def _with_default(value: Expression, default: Expression) -> Measurability:
    """lag(x, 1, 0): where there is no such row the default is put in place, as `coalesce` would."""
    if value.kind.temporal:
        return _date_clamp([grade(value), grade(default)])
    return _conditional([value, default])


def _is_missing(node: Expression) -> bool:
    return isinstance(node, Literal) and node.value is None


def _call(node: Call) -> Measurability:
    name = node.function.name
    grades = [grade(argument) for argument in node.arguments]
    if name in _DIFFERENCES:
        return _between(*grades)
    if node.arguments and node.arguments[0].kind is Kind.SPAN:
        timed = name in _PARTS or name == "epoch"
        return grades[0] if timed and grades[0].grade is Grade.MAGNITUDE else NOT_MEASURABLE
    if name in _PARTS:
        own = grades[0].grade is Grade.DATE and grades[0].own and grades[0].factors > 0
        return Measurability(Grade.MAGNITUDE, 1) if own else NOT_MEASURABLE
    if name in _DATE_SHAPES:
        return grades[0] if grades[0].grade is Grade.DATE else NOT_MEASURABLE
    if name == "make_date":
        return _date_of_parts(grades)
    if name in _SHAPES:
        return _limited(grades[0].grade, grades[0])
    if name in _LOGARITHMS and grades[0].grade is Grade.MAGNITUDE and grades[0].factors == 1:
        return Measurability(Grade.MAGNITUDE, 2, own=grades[0].own)
    if name in _ROOTS and grades[0].grade is Grade.MAGNITUDE and grades[0].factors < MAX_FACTORS:
        return Measurability(Grade.MAGNITUDE, grades[0].factors + 1, own=grades[0].own)  # brings values together
    if name == "pow" and grades[0].grade is Grade.MAGNITUDE and _is(node.arguments[1], 2):
        return _limited(Grade.MAGNITUDE, grades[0], grades[0])
    if name == "nullif" and grades[0].ok and isinstance(node.arguments[1], Literal):
        return grades[0]
    if name in _CLAMPS:
        return _date_clamp(grades) if node.kind.temporal else _clamp(node, grades)
    return NOT_MEASURABLE


def _date_of_parts(grades: list[Measurability]) -> Measurability:
    """make_date of granted columns and constants: a date such as the middle of the year of birth."""
    columns = [found for found in grades if found.grade is Grade.MAGNITUDE and found.own]
    constants = [found for found in grades if found.grade is Grade.CONSTANT]
    if not columns or len(columns) + len(constants) < len(grades):
        return NOT_MEASURABLE
    return _limited(Grade.DATE, *columns)


def _date_clamp(grades: list[Measurability]) -> Measurability:
    """A date with another in its place where it is missing, earlier or later: the end of follow-up."""
    if any(found.grade is not Grade.DATE for found in grades) or len(grades) > MAX_FACTORS:
        return NOT_MEASURABLE
    return Measurability(Grade.DATE, sum(found.factors for found in grades), own=False)


def _clamp(node: Call, grades: list[Measurability]) -> Measurability:
    """Winsorising one measure from above by any constant, from below by 0 or 1; 0 for what is missing. A large floor
    (`greatest(x, 1e6)`) would lift everybody to it and hide who dominates the rest."""
    name = node.function.name
    constants = [a for a, found in zip(node.arguments, grades, strict=True) if found.grade is Grade.CONSTANT]
    measures = [found for found in grades if found.grade is not Grade.CONSTANT]
    if len(measures) != 1 or name == "nullif" or len(node.arguments) > MAX_FACTORS:
        return NOT_MEASURABLE
    harmless = {"least": True, "greatest": all(is_zero_or_one(value) for value in constants)}
    if not harmless.get(name, all(_is(value, 0) for value in constants)):
        return NOT_MEASURABLE
    return replace(_limited(measures[0].grade, measures[0]), own=measures[0].own and name != "coalesce")


def _limited(result: Grade, *parts: Measurability) -> Measurability:
    factors = sum(part.factors for part in parts)
    if all(part.ok and part.grade is not Grade.CONSTANT for part in parts) and factors <= MAX_FACTORS:
        own = all(part.own and part.grade is not Grade.INDICATOR for part in parts)
        return Measurability(result, factors, own)
    return NOT_MEASURABLE
