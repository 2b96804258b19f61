"""Aggregates over one person's own rows in the reference engine, from their definitions."""

from __future__ import annotations

import math
import statistics as means
from collections import Counter
from typing import Any

from tests.differential import fits
from tests.differential.values import Environment, Value, evaluate

from ambergate_policies.algebra.expressions import Measure, Ordering
from ambergate_policies.algebra.relations import Partial

LINES = {
    "corr": (Measure.CORRELATION, False),
    "covar_samp": (Measure.COVARIANCE, False),
    "covar_pop": (Measure.COVARIANCE, True),
    "regr_slope": (Measure.SLOPE, False),
    "regr_intercept": (Measure.INTERCEPT, False),
    "regr_r2": (Measure.DETERMINATION, False),
}


def partial(node: Partial, rows: list[Any]) -> Value:
    """The value of one aggregate for the rows of one person."""
    rows = [row for row in rows if node.domain is None or evaluate(node.domain, row) is True]
    if node.argument is None:
        return len(rows)
    if node.function == "count_if":
        return sum(evaluate(node.argument, row) is True for row in rows)
    if node.function in LINES:
        return _line(node, rows)
    if node.order:
        rows = _in_order(rows, node.order)
    every = [evaluate(node.argument, row) for row in rows]
    if node.function in ("first", "last"):
        return every[0 if node.function == "first" else -1] if every else None
    values = [value for value in every if value is not None]
    if node.distinct:
        values = list(dict.fromkeys(values))
    if node.function == "count":
        return len(values)
    return _of_values(node, values) if values else None


def _of_values(node: Partial, values: list[Any]) -> Value:
    match node.function:
        case "sum":
            return sum(values)
        case "avg":
            return means.fmean(values)
        case "min":
            return min(values)
        case "max":
            return max(values)
        case "bool_or":
            return any(values)
        case "bool_and":
            return all(values)
        case "median":
            return means.median(values)
        case "mode":
            most = max(Counter(values).values())
            return min(value for value, number in Counter(values).items() if number == most)
        case "string_agg":
            return str(node.constant).join(values)
        case "stddev_samp" | "var_samp" if len(values) < 2:
            return None
        case "stddev_samp":
            return means.stdev(values)
        case "var_samp":
            return means.variance(values)
        case "stddev_pop":
            return means.pstdev(values)
        case "var_pop":
            return means.pvariance(values)
        case "quantile_disc":
            return sorted(values)[max(1, math.ceil(float(str(node.constant)) * len(values))) - 1]
        case "quantile_cont":
            return _between(sorted(values), float(str(node.constant)) * (len(values) - 1))
    raise NotImplementedError(node.function)


def _between(ordered: list[float], place: float) -> float:
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    return low + (high - low) * (place - math.floor(place))


def _line(node: Partial, rows: list[Any]) -> Value:
    assert node.argument is not None and node.second is not None
    found = [(evaluate(node.argument, row), evaluate(node.second, row)) for row in rows]
    pairs = [(float(y), float(x)) for y, x in found if y is not None and x is not None]
    if not pairs:
        return None
    measure, population = LINES[node.function]
    return fits.statistic(measure, population, fits.line_of(pairs))


def _in_order(rows: list[Environment], order: tuple[Ordering, ...]) -> list[Environment]:
    """Sorted by the last term first, as stable sorts are."""
    for item in reversed(order):
        known = [row for row in rows if evaluate(item.expression, row) is not None]
        missing = [row for row in rows if evaluate(item.expression, row) is None]
        known.sort(key=lambda row: evaluate(item.expression, row), reverse=item.descending)
        rows = missing + known if item.nulls_first else known + missing
    return rows
