"""What a subquery's column is made of, so that an aggregate outside can be made of the same parts.

A subquery hides how a value came about. Where it is a sum of measures (`linear.py`), its terms and guards are computed
beside it, under names that no query can write, and the column remembers them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal

from ambergate_policies.algebra.expressions import (
    Column,
    Comparison,
    Expression,
    Grade,
    Linear,
    Literal,
    Measurability,
)
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.algebra.relations import Partial
from ambergate_policies.lowering.linear import MAX_TERMS, is_flag, is_null, is_score, linear, terms_of
from ambergate_policies.lowering.measures import MAX_FACTORS, constant_of

_CARRIED = frozenset({"sum", "avg", "median", "min", "max"})
_MIRRORED = {"min": "max", "max": "min"}
_ZERO = Decimal(0)


def kept(column: Column, item: Expression, keep: Callable[[Expression], Column]) -> Column:
    """A subquery's column that remembers what it is the sum of. `keep` stores a term beside it, as a column."""
    found = None if column.measurability.ok or linear(item) is None else terms_of(item)
    if found is None:
        return column
    terms = tuple((weight, column if term == item else keep(term)) for weight, term in found.terms)
    guards = tuple(_as_measure(keep(guard)) for guard in found.guards)
    alone = tuple((w, term if is_flag(term) else _as_measure(term)) for w, term in terms)
    return replace(column, parts=Linear(found.constant, alone, guards))


def passed_on(column: Column, item: Expression) -> Column:
    """A subquery's column of points, read from VALUES below it: its flags are what it equals, here as there."""
    if not isinstance(item, Column) or item.parts is None or column.measurability.ok:
        return column
    own = replace(item, parts=None)
    terms = []
    for weight, term in item.parts.terms:
        if not isinstance(term, Comparison) or term.left != own:
            return column
        terms.append((weight, replace(term, left=column)))
    return replace(column, parts=replace(item.parts, terms=tuple(terms)))


def of_person(column: Column, partial: Partial, of_group: Callable[[Partial], Column]) -> Column:
    """An aggregate of one person's rows that remembers what it is the sum of: the maximum of a value in several units,
    the mean of a value that is moved. `of_group` computes another aggregate beside it."""
    value = partial.argument
    if column.measurability.ok or value is None or partial.function not in _CARRIED or partial.distinct:
        return column
    found = linear(value)
    if found is None or (partial.function == "sum" and found.constant):
        return column
    if is_flag(found.terms[0][1]):
        return _points_of_person(column, partial, found, of_group)
    ((weight, core),) = found.terms
    function = partial.function if weight > 0 else _MIRRORED.get(partial.function, partial.function)
    inner = column if core == value else of_group(replace(partial, function=function, argument=core))
    guards = tuple(_as_measure(of_group(replace(partial, argument=guard))) for guard in found.guards)
    return replace(column, parts=Linear(found.constant, ((weight, _as_measure(inner)),), guards))


def _points_of_person(column: Column, partial: Partial, found: Linear, of_group: Callable[[Partial], Column]) -> Column:
    """sum(points): as many points as the person has rows with each flag."""
    if partial.function != "sum":
        return column
    counts = [(weight, of_group(Partial("count_if", term, partial.domain))) for weight, term in found.terms]
    return replace(column, parts=Linear(_ZERO, tuple((weight, _as_measure(count)) for weight, count in counts)))


def points_of(column: Column, values: Iterable[Expression]) -> Column:
    """A column of VALUES that gives few points: a flag for each number of points."""
    numbers = {constant_of(value) for value in values if not is_null(value)}
    if not column.kind.numeric or not 0 < len(numbers) <= MAX_TERMS:
        return column
    terms = tuple(
        (number, Comparison("=", column, Literal(number, Kind.NUM))) for number in sorted(n for n in numbers if n)
    )
    fits = None not in numbers and bool(terms) and is_score(_ZERO, terms)
    return replace(column, parts=Linear(_ZERO, terms)) if fits else column


def _as_measure(column: Column) -> Column:
    """A term whose guards stand beside it."""
    return replace(column, measurability=Measurability(Grade.MAGNITUDE, MAX_FACTORS, own=False))
