"""Percentiles and extremes: from the means of blocks of neighbours, each of the threshold's persons or a few more.

The persons of a group are ordered by their own mean and cut into as many equal blocks as have enough persons each. A
minimum is the mean of the first block, a maximum of the last, and a percentile lies on the line between the means of
the two blocks whose middles it is between. So every percentile that can be asked for is made of the same few means:
windows around each place would overlap, and two that differ by one person tell that person's value (decision record
17). The method is univariate microaggregation (Handbook on Statistical Disclosure Control).
"""

from __future__ import annotations

from ambergate_policies.algebra.expressions import Aggregate, Measure

NOISE = "1e-18"
"""Of the squared sum: squared deviations of less are rounding error, of equal values."""


def parts(index: int, slot: int, aggregate: Aggregate, minimum: int, keys: list[str]) -> list[str]:
    """CTEs x (each person's mean), y (in order), z (the blocks that are asked for), q (one row per group)."""
    plain = ", ".join([*keys, ""])
    partition = f"PARTITION BY {', '.join(keys)}" if keys else ""
    group = f" GROUP BY {', '.join(keys)}" if keys else ""
    low, high, share = _place(aggregate)
    weight = "CASE WHEN l = h THEN 1 WHEN j = l THEN 1 - f ELSE f END"
    return [
        f"x{index} AS (SELECT {plain}s{slot} / c{slot} AS v FROM p WHERE c{slot} > 0)",
        f"y{index} AS (SELECT *, (i - 1) * m // w AS j, {low} AS l, {high} AS h, {share} AS f FROM "
        f"(SELECT {plain}v, row_number() OVER ({partition} ORDER BY v) AS i, count(*) OVER ({partition}) AS w, "
        f"greatest(1, count(*) OVER ({partition}) // {minimum}) AS m FROM x{index}) AS o)",
        f"z{index} AS (SELECT {plain}j, max({weight}) AS weight, avg(v) AS a, sum(abs(v)) AS b, max(abs(v), 2) AS t, "
        f"var_pop(v) * count(*) AS e, greatest(max(v) - avg(v), avg(v) - min(v)) AS o FROM y{index} "
        f"WHERE j IN (l, h) GROUP BY {plain}j)",
        f"q{index} AS (SELECT {plain}sum(weight * a) AS v, max(t[1] / NULLIF(b, 0)) AS one, "
        f"max((t[1] + COALESCE(t[2], 0)) / NULLIF(b, 0)) AS two, "
        f"max(CASE WHEN e > {NOISE} * b * b THEN o * o / e END) AS out "
        f"FROM z{index} WHERE weight > 0{group})",
    ]


def _place(aggregate: Aggregate) -> tuple[str, str, str]:
    """The blocks below and above the place, of `m`, and how far the place is from the lower to the upper."""
    if aggregate.measure is Measure.MINIMUM:
        return "0", "0", "0"
    if aggregate.measure is Measure.MAXIMUM:
        return "m - 1", "m - 1", "0"
    place = f"(CAST('{aggregate.quantile}' AS DOUBLE) * m - 0.5)"
    low = f"CAST(floor({place}) AS BIGINT)"
    return f"greatest(0, {low})", f"least(m - 1, {low} + 1)", f"{place} - floor({place})"


def numbers(index: int) -> dict[str, str]:
    """Where the NUMBERS of the blocks are found: shares of 1, of the block where one or two persons hold most."""
    q = f"q{index}"
    return {
        "value": f"{q}.v",
        "absolute": f"CASE WHEN {q}.one IS NULL THEN 0 ELSE 1 END",
        "largest": f"{q}.one",
        "second": f"{q}.two - {q}.one",
        "spread": f"CASE WHEN {q}.out IS NULL THEN 0 ELSE 1 END",
        "outlier": f"{q}.out",
    }
