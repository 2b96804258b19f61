"""What may be measured: grading an expression that stands inside an aggregate (policy-kernel, section 2).

A free expression can pack one person's value past every threshold. So a measure is a granted numeric column, a date
difference, a 0/1 predicate, a person-level count, or a scaled, clamped or conditional one of those, with at most
MAX_FACTORS columns combined. Constants other than 0 and 1 may scale a measure but never be added to one or chosen by
a condition: that is how positions in a sum are made.
"""

from __future__ import annotations

from decimal import Decimal

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
    Not,
    Window,
)
from ambergate_policies.algebra.kinds import Kind

MAX_FACTORS = 3
_DIFFERENCES = frozenset({"date_diff", "date_sub"})
_PARTS = frozenset({"year", "month", "quarter", "week", "day", "dayofweek", "isodow", "dayofyear", "date_part"})
_CLAMPS = frozenset({"least", "greatest", "coalesce", "nullif"})
_SHAPES = frozenset({"abs", "round", "floor", "ceil"})
_TRANSFORMS = frozenset({"sqrt", "ln", "log10"})
_CONSTANT = Measurability(Grade.CONSTANT)
_INDICATOR = Measurability(Grade.INDICATOR, 1)


def grade(node: Expression) -> Measurability:
    """The grade of an expression. NOT_MEASURABLE when nothing says that it is one."""
    if isinstance(node, Arithmetic | Call) and is_zero_or_one(node):
        return _INDICATOR  # however it is written, its complement must be protected too
    match node:
        case Column(measurability=measurability):
            return measurability
        case Literal(kind=kind):
            return _CONSTANT if kind.numeric or kind in (Kind.NULL, Kind.BOOL) else NOT_MEASURABLE
        case Comparison() | Logical() | Not() | IsNull() | InList() | Like():
            return _INDICATOR
        case Cast(part=part, kind=kind):
            return grade(part) if kind.numeric or kind is Kind.BOOL else NOT_MEASURABLE
        case Case(branches=branches, default=default):
            values = [value for _, value in branches]
            return _conditional([*values, default] if default is not None else values)
        case Arithmetic():
            return _arithmetic(node)
        case Call():
            return _call(node)
        case Window(function=function, arguments=arguments):
            return _window(function, arguments)
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
    grades = [grade(value) for value in values]
    if any(not found.ok for found in grades):
        return NOT_MEASURABLE
    constants = [value for value, found in zip(values, grades, strict=True) if found.grade is Grade.CONSTANT]
    if any(not is_zero_or_one(value) for value in constants):
        return NOT_MEASURABLE
    rest = [found for found in grades if found.grade is not Grade.CONSTANT]
    if not rest or all(found.grade is Grade.INDICATOR for found in rest):
        return _INDICATOR
    distinct = {value for value, found in zip(values, grades, strict=True) if found.grade is not Grade.CONSTANT}
    factors = max(found.factors for found in rest)
    return Measurability(Grade.MAGNITUDE, factors) if len(distinct) <= 2 else NOT_MEASURABLE


def _arithmetic(node: Arithmetic) -> Measurability:
    left, right = grade(node.left), grade(node.right)
    if not (left.ok and right.ok) or node.operator == "||":
        return NOT_MEASURABLE
    constants = [found.grade is Grade.CONSTANT for found in (left, right)]
    if all(constants):
        return _CONSTANT
    if any(constants):
        return _with_constant(node, left, right)
    if Grade.INDICATOR in (left.grade, right.grade) and node.operator != "*":
        return NOT_MEASURABLE  # p + q*... : positions are made of added predicates
    if node.operator in ("+", "-", "*", "/"):
        return _limited(Grade.MAGNITUDE, left, right)
    return NOT_MEASURABLE


def _with_constant(node: Arithmetic, left: Measurability, right: Measurability) -> Measurability:
    measure = right if left.grade is Grade.CONSTANT else left
    constant = node.left if left.grade is Grade.CONSTANT else node.right
    if measure.grade is Grade.INDICATOR:
        return NOT_MEASURABLE if not _is(constant, 1) else measure
    scales = node.operator == "*" or (node.operator in ("/", "//") and constant is node.right)
    if scales or _is(constant, 0):
        return _limited(Grade.MAGNITUDE, measure)
    return NOT_MEASURABLE


def _is(node: Expression, value: int) -> bool:
    return isinstance(node, Literal) and isinstance(node.value, int | Decimal) and node.value == value


def _call(node: Call) -> Measurability:
    name = node.function.name
    grades = [grade(argument) for argument in node.arguments]
    if name in _DIFFERENCES or name in _PARTS:
        return Measurability(Grade.MAGNITUDE, 1)
    if name in _SHAPES:
        return _limited(Grade.MAGNITUDE, grades[0])
    if name in _TRANSFORMS and grades[0].grade is Grade.MAGNITUDE and grades[0].factors == 1:
        return Measurability(Grade.MAGNITUDE, 2)
    if name == "pow" and grades[0].grade is Grade.MAGNITUDE and _is(node.arguments[1], 2):
        return _limited(Grade.MAGNITUDE, grades[0], grades[0])
    if name in _CLAMPS:
        return _clamp(node, grades)
    return NOT_MEASURABLE


def _window(function: str, arguments: tuple[Expression, ...]) -> Measurability:
    """A count or a value of the person's own rows; never a rank, which numbers rows."""
    if function == "count":
        return Measurability(Grade.COUNT, 1)
    if not arguments:
        return NOT_MEASURABLE
    found = grade(arguments[0])
    return Measurability(Grade.COUNT, 1) if function == "sum" and found.grade is Grade.INDICATOR else found


def _clamp(node: Call, grades: list[Measurability]) -> Measurability:
    """Winsorising from above by any constant; otherwise only 0 and 1 may stand in for a value. A large floor
    (`greatest(x, 1e6)`) would lift everybody to it and hide who dominates the rest."""
    constants = [a for a, found in zip(node.arguments, grades, strict=True) if found.grade is Grade.CONSTANT]
    measures = [found for found in grades if found.grade is not Grade.CONSTANT]
    harmless = node.function.name == "least" or all(is_zero_or_one(constant) for constant in constants)
    if measures and harmless and len(node.arguments) <= MAX_FACTORS:
        return _limited(Grade.MAGNITUDE, *measures)
    return NOT_MEASURABLE


def _limited(result: Grade, *parts: Measurability) -> Measurability:
    factors = sum(part.factors for part in parts)
    if all(part.ok and part.grade is not Grade.CONSTANT for part in parts) and factors <= MAX_FACTORS:
        return Measurability(result, factors)
    return NOT_MEASURABLE
