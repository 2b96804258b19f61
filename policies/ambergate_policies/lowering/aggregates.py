"""Aggregates of a boundary: from the spelling in SQL to a measure with a person-first meaning."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from sqlglot import exp

from ambergate_policies.agreement import Statistic
from ambergate_policies.algebra.expressions import (
    Aggregate,
    Call,
    Comparison,
    Expression,
    Grade,
    IsNull,
    Linear,
    Literal,
    Logical,
    Measure,
    Not,
    Owner,
)
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.functions import ALLOWED
from ambergate_policies.lowering.composed import Cell, composed
from ambergate_policies.lowering.expressions import Scalars
from ambergate_policies.lowering.filled import never_null
from ambergate_policies.lowering.linear import (
    can_be_averaged,
    can_be_spread,
    can_be_summed,
    is_flag,
    is_measure,
    linear,
)
from ambergate_policies.lowering.measures import grade, is_zero_or_one
from ambergate_policies.lowering.spellings import (
    ADVICE,
    HINT,
    OF_ONE,
    PAIRED,
    POPULATION,
    QUANTILE_AT,
    SIMPLE,
    extras,
    known,
    name_of,
    quantile_of,
)
from ambergate_policies.verdict import QueryRefused

STATISTIC: dict[Measure, Statistic] = {
    Measure.ROWS: Statistic.COUNT,
    Measure.PERSONS: Statistic.COUNT,
    Measure.DISTINCT: Statistic.COUNT,
    Measure.RECORDS: Statistic.COUNT,
    Measure.PROPORTION: Statistic.PROPORTION,
    Measure.TOTAL: Statistic.SUM,
    Measure.MEAN: Statistic.MEAN,
    Measure.DEVIATION: Statistic.SPREAD,
    Measure.VARIANCE: Statistic.SPREAD,
    Measure.ERROR: Statistic.SPREAD,
    Measure.COVARIANCE: Statistic.SPREAD,
    Measure.PRODUCTS: Statistic.SPREAD,
    Measure.CORRELATION: Statistic.SPREAD,
    Measure.DETERMINATION: Statistic.SPREAD,
    Measure.SLOPE: Statistic.SPREAD,
    Measure.INTERCEPT: Statistic.SPREAD,
    Measure.PERCENTILE: Statistic.PERCENTILE,
    Measure.MINIMUM: Statistic.PERCENTILE,
    Measure.MAXIMUM: Statistic.PERCENTILE,
}


class Aggregates:
    """Lowers aggregates over the rows that `scalars` can name."""

    def __init__(self, scalars: Scalars, owners: tuple[Owner, ...]) -> None:
        self.scalars = scalars
        self.reading = scalars.reading
        self.owners = owners

    def lower(self, node: exp.Expr, cell: Cell) -> Expression:
        """One aggregate with its FILTER, as `cell` makes columns of the cleared table of it, or of its parts. Refuses
        what has no person-first meaning yet."""
        return composed(self._lowered(node), cell)

    def _lowered(self, node: exp.Expr) -> Aggregate:
        condition: Expression | None = None
        inner = node
        if isinstance(inner, exp.Filter):
            condition = self.scalars.condition(inner.expression.this)
            inner = inner.this
        inner = known(inner)
        understood: tuple[type[exp.Expr], ...] = (
            exp.Count,
            exp.CountIf,
            exp.Sum,
            exp.ApproxDistinct,
            *SIMPLE,
            *PAIRED,
            *OF_ONE,
        )
        if isinstance(inner, understood) and extras(inner):
            raise self.reading.refuse("aggregate", "this aggregate has more arguments than are understood", inner)
        if isinstance(inner, exp.Count):
            return self._count(inner, condition)
        if isinstance(inner, exp.CountIf):
            return _rows(_both(self.scalars.condition(inner.this), condition))
        if isinstance(inner, exp.ApproxDistinct):
            return self._count_distinct(exp.Distinct(expressions=[self._plain(inner, inner.this)]), condition)
        if isinstance(inner, exp.Sum):
            return self._sum(inner, condition)
        if isinstance(inner, exp.WithinGroup):
            return self._within_group(inner, condition)
        if isinstance(inner, (*PAIRED, *OF_ONE)):
            return self._pair(inner, condition)
        if isinstance(inner, exp.Anonymous) and inner.name.lower() == "sem" and len(inner.expressions) == 1:
            value = self.scalars.value(self._plain(inner, inner.expressions[0]))
            self._require_measure(inner, value)
            return Aggregate(Measure.ERROR, value, condition, Kind.NUM, population=True)
        measure = SIMPLE.get(type(inner))
        if measure is None:
            raise self._unavailable(inner)
        return self._statistic(inner, measure, condition)

    def _unavailable(self, node: exp.Expr) -> QueryRefused:
        name = name_of(node)
        message = f"{name} is not available: it would show values of single persons or is not understood yet"
        return self.reading.refuse("aggregate", message, node, hint=ADVICE.get(name, HINT))

    def _pair(self, node: exp.Expr, condition: Expression | None) -> Aggregate:
        """A statistic of y and x: `corr(y, x)`. Both are measures; the rows are those where both are filled."""
        y, x = (self.scalars.value(self._plain(node, part)) for part in (node.this, node.expression))
        if isinstance(node, exp.RegrCount):
            return _rows(_both(_both(self._present(y), self._present(x)), condition))
        self._require_measure(node, y)
        self._require_measure(node, x)
        if isinstance(node, exp.RegrAvgx):
            return Aggregate(Measure.MEAN, x, _both(self._present(y), condition), Kind.NUM)
        if isinstance(node, exp.RegrAvgy):
            return Aggregate(Measure.MEAN, y, _both(self._present(x), condition), Kind.NUM)
        measure, population = PAIRED[type(node)]
        if isinstance(node, exp.RegrSxx):
            y, condition = x, _both(self._present(y), condition)
        if isinstance(node, exp.RegrSyy):
            x, condition = y, _both(self._present(x), condition)
        return Aggregate(measure, y, condition, Kind.NUM, population=population, second=x)

    def _count(self, node: exp.Count, condition: Expression | None) -> Aggregate:
        if node.expressions:
            raise self.reading.refuse("aggregate", "count takes one argument", node)
        argument = node.this
        if argument is None or isinstance(argument, exp.Star | exp.Literal):
            return _rows(condition)
        if isinstance(argument, exp.Distinct):
            return self._count_distinct(argument, condition)
        return _rows(_both(self._present(self.scalars.lower(argument)), condition))

    def _count_distinct(self, node: exp.Distinct, condition: Expression | None) -> Aggregate:
        if len(node.expressions) != 1 or node.args.get("on") or isinstance(node.expressions[0], exp.Tuple):
            hint = "put the columns together: count(DISTINCT concat(a, '|', b))"
            raise self.reading.refuse("aggregate", "count(DISTINCT ...) takes one column", node, hint=hint)
        if (chosen := self._persons_where(node.expressions[0], condition)) is not None:
            return chosen
        value = self.scalars.lower(node.expressions[0])
        if isinstance(value, Owner):
            return Aggregate(Measure.PERSONS, _both(self._present(value), condition), None, Kind.INT)
        records = grade(value).grade is Grade.RECORD
        return Aggregate(Measure.RECORDS if records else Measure.DISTINCT, value, condition, Kind.INT)

    def _persons_where(self, node: exp.Expr, condition: Expression | None) -> Aggregate | None:
        """`count(DISTINCT CASE WHEN ... THEN person_id END)`: a count of persons with a condition, written long."""
        if not isinstance(node, exp.Case) or node.this is not None or node.args.get("default") is not None:
            return None
        branches = node.args["ifs"]
        columns = [branch.args["true"] for branch in branches]
        owners = [self.scalars.lower(column) for column in columns if isinstance(column, exp.Column)]
        if len(owners) != len(columns) or not all(isinstance(owner, Owner) for owner in owners) or len(branches) != 1:
            return None
        wanted = _both(self.scalars.condition(branches[0].this), condition)
        return Aggregate(Measure.PERSONS, _both(self._present(owners[0]), wanted), None, Kind.INT)

    def _present(self, value: Expression) -> Expression | None:
        """`value IS NOT NULL`, or None where that always holds: the person of a row, or by the text alone."""
        if isinstance(value, Owner) and self.owners == (value,):
            return None
        return None if never_null(value) else Not(IsNull(value))

    def _sum(self, node: exp.Sum, condition: Expression | None) -> Aggregate:
        value = self._argument(node)
        if is_zero_or_one(value):
            return _rows(_both(_holds(value), condition))
        self._require_measure(node, value, parts=can_be_summed)
        return Aggregate(Measure.TOTAL, value, condition, Kind.NUM)

    def _statistic(self, node: exp.Expr, measure: Measure, condition: Expression | None) -> Aggregate:
        quantile = None
        if measure is Measure.PERCENTILE:
            where = QUANTILE_AT.get(type(node))
            quantile = self._quantile(node.args.get(where), node) if where is not None else Decimal("0.5")
        if isinstance(node, exp.Min | exp.Max) and node.expressions:
            raise self.reading.refuse("aggregate", "min and max take one argument", node)
        value = self._argument(node)
        return self._over(node, measure, value, condition, quantile)

    def _within_group(self, node: exp.WithinGroup, condition: Expression | None) -> Aggregate:
        order, inner = node.expression, node.this
        if isinstance(inner, exp.Mode):
            raise self._unavailable(inner)
        if not isinstance(inner, exp.PercentileCont | exp.PercentileDisc) or not isinstance(order, exp.Order):
            raise self.reading.refuse("aggregate", "this ordered aggregate is not understood", node)
        if len(order.expressions) != 1 or inner.args.get("expression") is not None:
            raise self.reading.refuse("aggregate", "order by one value", node)
        quantile = self._quantile(inner.this, node)
        if order.expressions[0].args.get("desc"):
            quantile = 1 - quantile
        value = self.scalars.value(order.expressions[0].this)
        return self._over(node, Measure.PERCENTILE, value, condition, quantile)

    def _over(
        self,
        node: exp.Expr,
        measure: Measure,
        value: Expression,
        condition: Expression | None,
        quantile: Decimal | None,
    ) -> Aggregate:
        if measure is Measure.MEAN and is_zero_or_one(value):
            domain = _both(self._present(value), condition)
            return Aggregate(Measure.PROPORTION, _holds(value), domain, Kind.NUM)
        if value.kind.temporal:
            return Aggregate(measure, self._of_dates(node, measure, value), condition, Kind.DATE, quantile)
        if not (is_zero_or_one(value) and measure not in _OF_FLAGS):
            self._require_measure(node, value, parts=can_be_averaged if measure is Measure.MEAN else can_be_spread)
        else:
            self._require_measure(node, value)
        population = isinstance(node, POPULATION)
        return Aggregate(measure, value, condition, Kind.NUM, quantile, population)

    def _of_dates(self, node: exp.Expr, measure: Measure, value: Expression) -> Expression:
        """Of dates as days: the mean of several persons' dates, shown as its month."""
        found = grade(value)
        if measure not in _OF_DATES or found.grade is not Grade.DATE or not found.factors or not found.own:
            raise self.reading.refuse(
                "measure",
                "of dates only a recorded one has a minimum, maximum, mean or percentile",
                node,
                hint="use a date column of a table, or date_diff between two of them",
            )
        return Call(ALLOWED["date_diff"], (Literal("0001-01-01", Kind.DATE), value), Kind.INT, "day")

    def _argument(self, node: exp.Expr) -> Expression:
        return self.scalars.value(self._plain(node, node.this))

    def _plain(self, node: exp.Expr, argument: exp.Expr) -> exp.Expr:
        """An argument without DISTINCT or ORDER BY, which would be lost."""
        if isinstance(argument, exp.Distinct):
            hint = "make the values distinct per person: in a subquery SELECT DISTINCT person_id, x"
            raise self.reading.refuse("aggregate", "DISTINCT is available in count only", node, hint=hint)
        if isinstance(argument, exp.Order):
            raise self.reading.refuse("aggregate", "ORDER BY changes nothing here", node, hint="leave it out")
        return argument

    def _quantile(self, node: exp.Expr | None, whole: exp.Expr) -> Decimal:
        return quantile_of(self.reading, node, whole)

    def _require_measure(
        self, node: exp.Expr, value: Expression, parts: Callable[[Linear], bool] | None = None
    ) -> None:
        """Raises QueryRefused unless the value is a measure, or a sum of measures that `parts` accepts."""
        found = linear(value) if parts is not None and not is_measure(value) else None
        if is_measure(value) or (parts is not None and found is not None and parts(found)):
            return
        raise self.reading.refuse(
            "measure",
            "this expression cannot be measured: it could carry one person's value",
            node,
            hint=_hint(value),
        )


def _hint(value: Expression) -> str:
    found = linear(value)
    if found is not None and is_flag(found.terms[0][1]):
        return "average the points with avg, group by them, or count who has each: count(*) FILTER (WHERE ...)"
    return (
        "measure a numeric column, a date_diff, or CASE WHEN ... THEN 1 ELSE 0 END; do other arithmetic on the result, "
        "outside the aggregate"
    )


_OF_FLAGS = frozenset({Measure.DEVIATION, Measure.VARIANCE})
"""What a 0/1 value has beside its count and mean."""
_OF_DATES = frozenset({Measure.MEAN, Measure.PERCENTILE, Measure.MINIMUM, Measure.MAXIMUM})


def _rows(condition: Expression | None) -> Aggregate:
    return Aggregate(Measure.ROWS, condition, None, Kind.INT)


def _holds(value: Expression) -> Expression:
    """The condition that a 0/1 value stands for."""
    return value if value.kind is Kind.BOOL else Comparison("=", value, Literal(1, Kind.INT))


def _both(one: Expression | None, other: Expression | None) -> Expression | None:
    if one is None or other is None:
        return one if other is None else other
    return Logical("AND", (one, other))
