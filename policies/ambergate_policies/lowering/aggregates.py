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
from ambergate_policies.functions import AGGREGATES, ALLOWED
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
from ambergate_policies.lowering.text import Reading
from ambergate_policies.verdict import QueryRefused

_SIMPLE: dict[type[exp.Expr], Measure] = {
    exp.Avg: Measure.MEAN,
    exp.Stddev: Measure.DEVIATION,
    exp.StddevSamp: Measure.DEVIATION,
    exp.StddevPop: Measure.DEVIATION,
    exp.Variance: Measure.VARIANCE,
    exp.VariancePop: Measure.VARIANCE,
    exp.Median: Measure.PERCENTILE,
    exp.PercentileCont: Measure.PERCENTILE,
    exp.PercentileDisc: Measure.PERCENTILE,
    exp.Quantile: Measure.PERCENTILE,
    exp.ApproxQuantile: Measure.PERCENTILE,
    exp.Min: Measure.MINIMUM,
    exp.Max: Measure.MAXIMUM,
}
QUANTILE_AT: dict[type[exp.Expr], str] = {
    exp.PercentileCont: "expression",
    exp.PercentileDisc: "expression",
    exp.Quantile: "quantile",
    exp.ApproxQuantile: "quantile",
}
"""Percentiles of one meaning, and the argument that says which. An approximate or a discrete one is the same mean."""
MAX_QUANTILES = 100
_POPULATION = (exp.StddevPop, exp.VariancePop)
_PAIRED: dict[type[exp.Expr], tuple[Measure, bool]] = {
    exp.Corr: (Measure.CORRELATION, False),
    exp.CovarSamp: (Measure.COVARIANCE, False),
    exp.CovarPop: (Measure.COVARIANCE, True),
    exp.RegrR2: (Measure.DETERMINATION, False),
    exp.RegrSlope: (Measure.SLOPE, False),
    exp.RegrIntercept: (Measure.INTERCEPT, False),
    exp.RegrSxy: (Measure.PRODUCTS, True),
    exp.RegrSxx: (Measure.PRODUCTS, True),
    exp.RegrSyy: (Measure.PRODUCTS, True),
}
_OF_ONE = (exp.RegrAvgx, exp.RegrAvgy, exp.RegrCount)
"""Aggregates of a pair that are a mean of one of the two, or a count, over the rows where both are filled."""
_SAME_AS: dict[str, type[exp.AggFunc]] = {"mean": exp.Avg, "favg": exp.Avg, "fsum": exp.Sum, "kahan_sum": exp.Sum,
                                          "sumkahan": exp.Sum, "sum_no_overflow": exp.Sum}  # fmt: skip
"""Aggregates that the parser does not know by name, and what they are."""
_ADVICE: dict[str, str] = {
    "bool_or": "use avg(CASE WHEN ... THEN 1 ELSE 0 END): any and all are decided by a single person",
    "bool_and": "use avg(CASE WHEN ... THEN 1 ELSE 0 END): any and all are decided by a single person",
    "mode": "use SELECT x, count(*) AS n ... GROUP BY x ORDER BY n DESC LIMIT 1",
    "mad": "use quantile_cont(x, 0.25) and quantile_cont(x, 0.75)",
    "geomean": "use exp(avg(ln(x)))",
    "geometric_mean": "use exp(avg(ln(x)))",
    "weighted_avg": "use sum(x * w) / sum(w)",
    "wavg": "use sum(x * w) / sum(w)",
    "histogram": "use GROUP BY floor(x / width)",
    "approx_top_k": "use SELECT x, count(*) AS n ... GROUP BY x ORDER BY n DESC LIMIT k",
    "skewness": "use stddev(x) and percentiles: a third moment is made by the one or two furthest persons",
    "kurtosis": "use stddev(x) and percentiles: a fourth moment is made by the one or two furthest persons",
    "kurtosis_pop": "use stddev(x) and percentiles: a fourth moment is made by the one or two furthest persons",
    "arg_max": "take it per person: in a subquery that is grouped by the person key",
    "arg_min": "take it per person: in a subquery that is grouped by the person key",
    "first": "take it per person: in a subquery that is grouped by the person key",
    "last": "take it per person: in a subquery that is grouped by the person key",
    "any_value": "group by it, or take it per person in a subquery that is grouped by the person key",
}
_HINT = "use count, sum, avg, stddev, median, quantile_cont, corr, regr_slope, min or max"

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


def is_aggregate(node: exp.Expr) -> bool:
    if isinstance(node, exp.IgnoreNulls | exp.RespectNulls):
        return is_aggregate(node.this)
    if isinstance(node, exp.Anonymous):
        return isinstance(node.this, str) and node.this.lower() in AGGREGATES
    return isinstance(node, exp.AggFunc | exp.Filter | exp.WithinGroup)


def has_aggregate(node: exp.Expr) -> bool:
    """An aggregate somewhere below, outside of nested queries and windows."""
    if isinstance(node, exp.Query | exp.Subquery | exp.Window):
        return False
    return is_aggregate(node) or any(has_aggregate(child) for child in node.iter_expressions())


def extras(node: exp.Expr) -> set[str]:
    """The arguments of an aggregate that would be lost if only its first were read: max(x, 3), count_if(a, b)."""
    known = {"this", "big_int", QUANTILE_AT.get(type(node), "this")}
    if isinstance(node, (*_PAIRED, *_OF_ONE)):
        known.add("expression")
    return {key for key, value in node.args.items() if value not in (None, False, [])} - known


def name_of(node: exp.Expr) -> str:
    """An aggregate's name, for a message."""
    if isinstance(node, exp.IgnoreNulls | exp.RespectNulls):
        return name_of(node.this)
    named: dict[type[exp.Expr], str] = {exp.LogicalOr: "bool_or", exp.LogicalAnd: "bool_and"}
    if type(node) in named:
        return named[type(node)]
    if isinstance(node, exp.Anonymous):
        return str(node.this).lower()
    return node.sql_name().lower() if isinstance(node, exp.Func) else type(node).__name__


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
            *_SIMPLE,
            *_PAIRED,
            *_OF_ONE,
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
        if isinstance(inner, (*_PAIRED, *_OF_ONE)):
            return self._pair(inner, condition)
        if isinstance(inner, exp.Anonymous) and inner.name.lower() == "sem" and len(inner.expressions) == 1:
            value = self.scalars.value(self._plain(inner, inner.expressions[0]))
            self._require_measure(inner, value)
            return Aggregate(Measure.ERROR, value, condition, Kind.NUM, population=True)
        measure = _SIMPLE.get(type(inner))
        if measure is None:
            raise self._unavailable(inner)
        return self._statistic(inner, measure, condition)

    def _unavailable(self, node: exp.Expr) -> QueryRefused:
        name = name_of(node)
        message = f"{name} is not available: it would show values of single persons or is not understood yet"
        return self.reading.refuse("aggregate", message, node, hint=_ADVICE.get(name, _HINT))

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
        measure, population = _PAIRED[type(node)]
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
        population = isinstance(node, _POPULATION)
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


def known(node: exp.Expr) -> exp.Expr:
    """An aggregate that the parser has no class for, as the one it is."""
    if isinstance(node, exp.Anonymous) and str(node.this).lower() in _SAME_AS and len(node.expressions) == 1:
        return _SAME_AS[str(node.this).lower()](this=node.expressions[0])
    return node


def quantiles_of(node: exp.Expr) -> list[exp.Expr] | None:
    """`quantile_cont(x, [0.25, 0.5])` as one aggregate for each quantile; None for anything else."""
    inner = node.this if isinstance(node, exp.Filter | exp.WithinGroup) else node
    inner = inner.this if isinstance(inner, exp.WithinGroup) else inner
    where = QUANTILE_AT.get(type(inner))
    if where is None:
        return None
    where = where if inner.args.get(where) is not None else "this"  # percentile_cont([0.25, 0.5]) WITHIN GROUP (...)
    several = inner.args[where]
    if not isinstance(several, exp.Array) or not 0 < len(several.expressions) <= MAX_QUANTILES:
        return None
    found = []
    for one in several.expressions:
        copy = node.copy()
        for part in copy.find_all(type(inner)):
            part.set(where, one.copy())
        found.append(copy)
    return found


def quantile_of(reading: Reading, node: exp.Expr | None, whole: exp.Expr) -> Decimal:
    """Which quantile: a constant from 0 to 1. At the ends it is the minimum or the maximum, of several persons."""
    if isinstance(node, exp.Literal) and not node.is_string:
        value = Decimal(str(node.this))
        if 0 <= value <= 1:
            return value
    raise reading.refuse(
        "aggregate", "the quantile must be a constant from 0 to 1", whole, hint="write quantile_cont(x, 0.5)"
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
