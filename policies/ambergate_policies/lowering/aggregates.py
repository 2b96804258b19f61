"""Aggregates of a boundary: from the spelling in SQL to a measure with a person-first meaning."""

from __future__ import annotations

from decimal import Decimal

from sqlglot import exp

from ambergate_policies.agreement import Statistic
from ambergate_policies.algebra.expressions import (
    Aggregate,
    Comparison,
    Expression,
    Grade,
    IsNull,
    Literal,
    Logical,
    Measure,
    Not,
    Owner,
)
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.lowering.expressions import Scalars
from ambergate_policies.lowering.measures import grade, is_zero_or_one

_SIMPLE: dict[type[exp.Expr], Measure] = {
    exp.Avg: Measure.MEAN,
    exp.Stddev: Measure.DEVIATION,
    exp.StddevSamp: Measure.DEVIATION,
    exp.StddevPop: Measure.DEVIATION,
    exp.Variance: Measure.VARIANCE,
    exp.VariancePop: Measure.VARIANCE,
    exp.Median: Measure.PERCENTILE,
    exp.PercentileCont: Measure.PERCENTILE,
    exp.Min: Measure.MINIMUM,
    exp.Max: Measure.MAXIMUM,
}
_POPULATION = (exp.StddevPop, exp.VariancePop)

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
    Measure.PERCENTILE: Statistic.PERCENTILE,
    Measure.MINIMUM: Statistic.PERCENTILE,
    Measure.MAXIMUM: Statistic.PERCENTILE,
}


def is_aggregate(node: exp.Expr) -> bool:
    return isinstance(node, exp.AggFunc | exp.Filter | exp.WithinGroup)


def has_aggregate(node: exp.Expr) -> bool:
    """An aggregate somewhere below, outside of nested queries and windows."""
    if isinstance(node, exp.Query | exp.Subquery | exp.Window):
        return False
    return is_aggregate(node) or any(has_aggregate(child) for child in node.iter_expressions())


def extras(node: exp.Expr) -> set[str]:
    """The arguments of an aggregate that would be lost if only its first were read: max(x, 3), count_if(a, b)."""
    known = {"this", "big_int"} | ({"expression"} if isinstance(node, exp.PercentileCont) else set())
    return {key for key, value in node.args.items() if value not in (None, False, [])} - known


class Aggregates:
    """Lowers aggregates over the rows that `scalars` can name."""

    def __init__(self, scalars: Scalars, owners: tuple[Owner, ...]) -> None:
        self.scalars = scalars
        self.reading = scalars.reading
        self.owners = owners

    def lower(self, node: exp.Expr) -> Aggregate:
        """One aggregate with its FILTER. Refuses what has no person-first meaning yet."""
        condition: Expression | None = None
        inner = node
        if isinstance(inner, exp.Filter):
            condition = self.scalars.condition(inner.expression.this)
            inner = inner.this
        if isinstance(inner, (exp.Count, exp.CountIf, exp.Sum, *_SIMPLE)) and extras(inner):
            raise self.reading.refuse("aggregate", "this aggregate has more arguments than are understood", inner)
        if isinstance(inner, exp.Count):
            return self._count(inner, condition)
        if isinstance(inner, exp.CountIf):
            return _rows(_both(self.scalars.condition(inner.this), condition))
        if isinstance(inner, exp.Sum):
            return self._sum(inner, condition)
        if isinstance(inner, exp.WithinGroup):
            return self._within_group(inner, condition)
        measure = _SIMPLE.get(type(inner))
        if measure is None:
            name = inner.sql_name().lower() if isinstance(inner, exp.Func) else type(inner).__name__
            raise self.reading.refuse(
                "aggregate",
                f"{name} is not available: it would show values of single persons or is not understood yet",
                inner,
                hint="use count, sum, avg, stddev, median, quantile_cont, min or max",
            )
        return self._statistic(inner, measure, condition)

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
        if len(node.expressions) != 1 or node.args.get("on"):
            raise self.reading.refuse("aggregate", "count(DISTINCT ...) takes one column", node)
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
        """`value IS NOT NULL`, or None where that always holds: the person of a row."""
        if isinstance(value, Owner) and self.owners == (value,):
            return None
        return None if isinstance(value, Literal) and value.value is not None else Not(IsNull(value))

    def _sum(self, node: exp.Sum, condition: Expression | None) -> Aggregate:
        value = self._argument(node)
        if is_zero_or_one(value):
            return _rows(_both(_holds(value), condition))
        self._require_measure(node, value)
        return Aggregate(Measure.TOTAL, value, condition, Kind.NUM)

    def _statistic(self, node: exp.Expr, measure: Measure, condition: Expression | None) -> Aggregate:
        quantile = None
        if measure is Measure.PERCENTILE:
            given = node.args.get("expression") if isinstance(node, exp.PercentileCont) else None
            quantile = self._quantile(given, node) if isinstance(node, exp.PercentileCont) else Decimal("0.5")
        if isinstance(node, exp.Min | exp.Max) and node.expressions:
            raise self.reading.refuse("aggregate", "min and max take one argument", node)
        value = self._argument(node)
        return self._over(node, measure, value, condition, quantile)

    def _within_group(self, node: exp.WithinGroup, condition: Expression | None) -> Aggregate:
        order = node.expression
        if not isinstance(node.this, exp.PercentileCont) or not isinstance(order, exp.Order):
            raise self.reading.refuse("aggregate", "this ordered aggregate is not understood", node)
        if len(order.expressions) != 1 or order.expressions[0].args.get("desc"):
            raise self.reading.refuse("aggregate", "order by one value, ascending", node)
        quantile = self._quantile(node.this.this, node)
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
        self._require_measure(node, value)
        population = isinstance(node, _POPULATION)
        return Aggregate(measure, value, condition, Kind.NUM, quantile, population)

    def _argument(self, node: exp.Expr) -> Expression:
        if isinstance(node.this, exp.Distinct):
            raise self.reading.refuse("aggregate", "DISTINCT is available in count only", node)
        return self.scalars.value(node.this)

    def _quantile(self, node: exp.Expr | None, whole: exp.Expr) -> Decimal:
        if isinstance(node, exp.Literal) and not node.is_string:
            value = Decimal(str(node.this))
            if 0 < value < 1:
                return value
        raise self.reading.refuse("aggregate", "the quantile must be a constant between 0 and 1", whole)

    def _require_measure(self, node: exp.Expr, value: Expression) -> None:
        if grade(value).grade in (Grade.MAGNITUDE, Grade.COUNT) and value.kind.numeric:
            return
        raise self.reading.refuse(
            "measure",
            "this expression cannot be measured: it could carry one person's value",
            node,
            hint="measure a numeric column, a date_diff, or CASE WHEN ... THEN 1 ELSE 0 END; do other arithmetic on "
            "the result, outside the aggregate",
        )


def _rows(condition: Expression | None) -> Aggregate:
    return Aggregate(Measure.ROWS, condition, None, Kind.INT)


def _holds(value: Expression) -> Expression:
    """The condition that a 0/1 value stands for."""
    return value if value.kind is Kind.BOOL else Comparison("=", value, Literal(1, Kind.INT))


def _both(one: Expression | None, other: Expression | None) -> Expression | None:
    if one is None or other is None:
        return one if other is None else other
    return Logical("AND", (one, other))
