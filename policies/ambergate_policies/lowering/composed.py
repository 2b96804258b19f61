"""Aggregates of values that are sums of measures: made of the cleared aggregates of their parts.

`cell` clears one aggregate and yields its column. What is built of several is post-processing of cleared cells, and
carries their masks (policy-kernel, section 1): nothing here can show more than the parts do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from ambergate_policies.algebra.expressions import (
    Aggregate,
    Arithmetic,
    Call,
    Case,
    Cast,
    Expression,
    IsNull,
    Linear,
    Literal,
    Logical,
    Measure,
    Not,
)
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.functions import ALLOWED
from ambergate_policies.lowering.filled import never_null
from ambergate_policies.lowering.linear import is_flag, is_measure, linear

Cell = Callable[[Aggregate], Expression]
_NOTHING = Literal(None, Kind.NULL)
_DIGITS = Literal(10, Kind.INT)
"""Of what is computed from cleared numbers: enough for any, and without the tail that binary fractions leave."""
COMPOSED = frozenset(
    {
        Measure.TOTAL, Measure.MEAN, Measure.DEVIATION, Measure.VARIANCE, Measure.PERCENTILE, Measure.MINIMUM,
        Measure.MAXIMUM,
    },
)  # fmt: skip


def composed(aggregate: Aggregate, cell: Cell) -> Expression:
    """The aggregate's value over the cleared table. Raises ValueError for an argument that is no measure and no sum of
    measures: the caller has refused it."""
    value = aggregate.argument
    if aggregate.measure not in COMPOSED or value is None or is_measure(value) or value.kind.temporal:
        return cell(aggregate)
    found = linear(value)
    if found is None or aggregate.second is not None:
        raise ValueError("an argument that cannot be measured")
    if all(is_flag(term) for _, term in found.terms):
        return _score(aggregate, value, found, cell)
    return _gated(_of_one(aggregate, found, cell), [_mean(aggregate, guard, cell) for guard in found.guards])


def _mean(aggregate: Aggregate, value: Expression, cell: Cell) -> Expression:
    return cell(Aggregate(Measure.MEAN, value, aggregate.domain, Kind.NUM))


def _of_one(aggregate: Aggregate, found: Linear, cell: Cell) -> Expression:
    """weight * measure + constant: both are applied to what has been cleared."""
    ((weight, core),) = found.terms
    plain = replace(aggregate, argument=core)
    match aggregate.measure:
        case Measure.TOTAL:
            filled = Aggregate(Measure.ROWS, _both(_present(core), aggregate.domain), None, Kind.INT)
            moved = [(found.constant, cell(filled))] if found.constant else []
            return _weighted([(weight, cell(plain)), *moved], Decimal(0))
        case Measure.DEVIATION:
            return _weighted([(abs(weight), cell(plain))], Decimal(0))
        case Measure.VARIANCE:
            return _weighted([(weight * weight, cell(plain))], Decimal(0))
        case _:
            return _weighted([(weight, cell(plain if weight > 0 else _mirrored(plain)))], found.constant)


def _mirrored(aggregate: Aggregate) -> Aggregate:
    """The statistic that a negative weight makes of another: the lowest of -x is minus the highest of x."""
    other = {Measure.MINIMUM: Measure.MAXIMUM, Measure.MAXIMUM: Measure.MINIMUM}
    quantile = None if aggregate.quantile is None else 1 - aggregate.quantile
    return replace(aggregate, measure=other.get(aggregate.measure, aggregate.measure), quantile=quantile)


def _score(aggregate: Aggregate, value: Expression, found: Linear, cell: Cell) -> Expression:
    """A sum of flags, over the rows where it is not NULL."""
    domain = _both(_present(value), aggregate.domain)
    if aggregate.measure is Measure.TOTAL:
        rows = [(weight, cell(_rows(_both(term, domain)))) for weight, term in found.terms]
        return _weighted([*rows, *([(found.constant, cell(_rows(domain)))] if found.constant else [])], Decimal(0))
    shares = [(w, cell(Aggregate(Measure.PROPORTION, term, domain, Kind.NUM))) for w, term in found.terms]
    if aggregate.measure is Measure.MEAN:
        return _weighted(shares, found.constant)
    number = Cast(value, "INTEGER", Kind.INT) if value.kind is Kind.BOOL else value
    return _gated(cell(replace(aggregate, argument=number)), [share for _, share in shares])


def _gated(value: Expression, guards: list[Expression]) -> Expression:
    """The value where every guard is shown, and NULL, with the guards' masks, where one is not."""
    if not guards:
        return value
    tests = tuple(IsNull(guard) for guard in guards)
    hidden: Expression = Logical("OR", tests) if len(tests) > 1 else tests[0]
    return Case(((hidden, _NOTHING),), value, value.kind)


def _weighted(parts: list[tuple[Decimal, Expression]], constant: Decimal) -> Expression:
    """constant + sum of weight * cell."""
    total: Expression | None = None
    for weight, part in parts:
        term = part if weight == 1 else Arithmetic("*", part, Literal(weight, Kind.NUM), Kind.NUM)
        total = term if total is None else Arithmetic("+", total, term, Kind.NUM)
    if total is None:
        return Literal(constant, Kind.NUM)
    if constant:
        total = Arithmetic("+", total, Literal(constant, Kind.NUM), Kind.NUM)
    return total if total is parts[0][1] else Call(ALLOWED["round"], (total, _DIGITS), Kind.NUM)


def _rows(condition: Expression | None) -> Aggregate:
    return Aggregate(Measure.ROWS, condition, None, Kind.INT)


def _present(value: Expression) -> Expression | None:
    return None if never_null(value) else Not(IsNull(value))


def _both(one: Expression | None, other: Expression | None) -> Expression | None:
    if one is None or other is None:
        return one if other is None else other
    return Logical("AND", (one, other))
