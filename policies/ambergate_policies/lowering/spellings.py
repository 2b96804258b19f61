"""How aggregates are spelled: which nodes of the parser are one, under which names, and what is said of the others."""

from __future__ import annotations

from decimal import Decimal

from sqlglot import exp

from ambergate_policies.algebra.expressions import Measure
from ambergate_policies.functions import AGGREGATES
from ambergate_policies.lowering.text import Reading

SIMPLE: dict[type[exp.Expr], Measure] = {
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
POPULATION = (exp.StddevPop, exp.VariancePop)
PAIRED: dict[type[exp.Expr], tuple[Measure, bool]] = {
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
OF_ONE = (exp.RegrAvgx, exp.RegrAvgy, exp.RegrCount)
"""Aggregates of a pair that are a mean of one of the two, or a count, over the rows where both are filled."""
_SAME_AS: dict[str, type[exp.AggFunc]] = {"mean": exp.Avg, "favg": exp.Avg, "fsum": exp.Sum, "kahan_sum": exp.Sum,
                                          "sumkahan": exp.Sum, "sum_no_overflow": exp.Sum}  # fmt: skip
"""Aggregates that the parser does not know by name, and what they are."""
ADVICE: dict[str, str] = {
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
HINT = "use count, sum, avg, stddev, median, quantile_cont, corr, regr_slope, min or max"


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
    if isinstance(node, (*PAIRED, *OF_ONE)):
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
