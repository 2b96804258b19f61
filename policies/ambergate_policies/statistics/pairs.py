"""Statistics of pairs: covariance, correlation and linear regression of a measure on another, person by person.

The value is the engine's own `corr(y, x)`, `regr_slope(y, x)`, ... over the rows where both are filled. What protects
it is computed per person, as for every measure: how many persons have a pair, and how much of the result one or two of
them make. A pair has more places to hide one person in than a total, so each is looked at:

- the two measures, as magnitudes and as squared deviations: x that is equal for all but one person makes the
  covariance that person's y;
- the products of both deviations, of which the covariance is the sum;
- for a fit, the squared residuals: y that is x for all but one person makes the distance of the fit from 1 that
  person's.

Formulas: centred sums from sums of squares, as in any textbook (e.g. Draper and Smith, Applied Regression Analysis,
1.2). y is `a<i>` and x is `x<i>` in the statement's `base`.
"""

from __future__ import annotations

from ambergate_policies.algebra.expressions import Aggregate, Expression, Measure
from ambergate_policies.printing import expression

FITS = frozenset({Measure.CORRELATION, Measure.DETERMINATION, Measure.SLOPE, Measure.INTERCEPT})
PAIRS = FITS | {Measure.COVARIANCE, Measure.PRODUCTS}
NOISE, PERFECT = "1e-12", "1e-10"
"""Of the sum of squares: less than NOISE is rounding error, so a deviation is nobody's; residuals of less than PERFECT
of the squared deviations are none."""
_ENGINE = {
    (Measure.COVARIANCE, False): "covar_samp",
    (Measure.COVARIANCE, True): "covar_pop",
    (Measure.PRODUCTS, True): "covar_pop",
    (Measure.CORRELATION, False): "corr",
    (Measure.DETERMINATION, False): "regr_r2",
    (Measure.SLOPE, False): "regr_slope",
    (Measure.INTERCEPT, False): "regr_intercept",
}


def inputs(index: int, aggregate: Aggregate) -> list[str]:
    """What `base` carries: y and x, each a number whose fourth power overflows nothing, in the domain only."""
    items = []
    for letter, part in (("a", aggregate.argument), ("x", aggregate.second)):
        text = "NULL" if part is None else _clamped(part)
        if aggregate.domain is not None:
            text = f"CASE WHEN {expression(aggregate.domain)} THEN {text} END"
        items.append(f"{text} AS {letter}{index}")
    return items


def _clamped(part: Expression) -> str:
    text = f"TRY_CAST({expression(part)} AS DOUBLE)"
    return f"CASE WHEN abs({text}) < 1e50 THEN {text} END"


def value(index: int, slot: int, aggregate: Aggregate) -> str:
    """The statistic itself, as an aggregate over `base`. The engine leaves out rows where either is missing."""
    return f"{_ENGINE[aggregate.measure, aggregate.population]}(a{slot}, x{slot}) AS v{index}"


def partials(index: int) -> list[str]:
    """One person's sums over the rows where both are filled."""
    y, x = f"a{index}", f"x{index}"
    both = f"FILTER (WHERE {y} IS NOT NULL AND {x} IS NOT NULL)"
    return [
        f"count(*) {both} AS c{index}",
        f"sum({y}) {both} AS ys{index}",
        f"sum({x}) {both} AS xs{index}",
        f"sum({y} * {y}) {both} AS yy{index}",
        f"sum({x} * {x}) {both} AS xx{index}",
        f"sum({x} * {y}) {both} AS xy{index}",
        f"count_if({y} <> 0) {both} AS yz{index}",
        f"count_if({x} <> 0) {both} AS xz{index}",
    ]


def merged(index: int) -> list[str]:
    """The sums of all persons, who contributes, and the largest absolute sums."""
    items = [f"sum(c{index}) AS c{index}", f"count_if(c{index} > 0) AS nd{index}"]
    for letter in "yx":
        items += [
            f"sum({letter}s{index}) AS {letter}s{index}",
            f"sum({letter}{letter}{index}) AS {letter}{letter}{index}",
            f"count_if({letter}z{index} > 0) AS n{letter}{index}",
            f"sum(abs({letter}s{index})) AS {letter}b{index}",
            f"max(abs({letter}s{index}), 2) AS {letter}t{index}",
        ]
    return items


def deviations(index: int, keys: list[str]) -> list[str]:
    """CTEs x, y, q of one pair: each person's centred sums; of the group; with the residuals of the fitted line."""
    plain = ", ".join([*keys, ""])
    group = f" GROUP BY {', '.join(keys)}" if keys else ""
    of_x, of_y = ("".join(f"{name}.{key} AS {key}, " for key in keys) for name in ("x", "y"))
    of_g = "".join(f"g.{key} AS {key}, " for key in keys)
    my, mx = f"(g.ys{index} / g.c{index})", f"(g.xs{index} / g.c{index})"
    dy = f"p.yy{index} - 2 * {my} * p.ys{index} + {my} * {my} * p.c{index}"
    dx = f"p.xx{index} - 2 * {mx} * p.xs{index} + {mx} * {mx} * p.c{index}"
    dxy = f"p.xy{index} - {my} * p.xs{index} - {mx} * p.ys{index} + {mx} * {my} * p.c{index}"
    slope = "(y.p / NULLIF(y.x, 0))"
    residual = f"greatest(x.y - 2 * {slope} * x.p + {slope} * {slope} * x.x, 0)"
    return [
        f"x{index} AS (SELECT {of_g}greatest({dy}, 0) AS y, greatest({dx}, 0) AS x, {dxy} AS p "
        f"FROM p JOIN g ON {_same('p', 'g', keys)} WHERE p.c{index} > 0)",
        f"y{index} AS (SELECT {plain}sum(y) AS y, max(y) AS ty, sum(x) AS x, max(x) AS tx, sum(p) AS p, "
        f"sum(abs(p)) AS b, max(abs(p), 2) AS t FROM x{index}{group})",
        f"z{index} AS (SELECT {plain}sum(e) AS e, max(e) AS te FROM (SELECT {of_x}{residual} AS e "
        f"FROM x{index} AS x JOIN y{index} AS y ON {_same('x', 'y', keys)}) AS r{group})",
        f"q{index} AS (SELECT {of_y}y.y AS y, y.ty AS ty, y.x AS x, y.tx AS tx, y.b AS b, y.t AS t, z.e AS e, "
        f"z.te AS te FROM y{index} AS y LEFT JOIN z{index} AS z ON {_same('y', 'z', keys)})",
    ]


def _same(one: str, other: str, keys: list[str]) -> str:
    return " AND ".join(f"{one}.{key} IS NOT DISTINCT FROM {other}.{key}" for key in keys) or "true"


def numbers(index: int, slot: int, aggregate: Aggregate) -> dict[str, str]:
    """Where each of NUMBERS is found. Of the shares that persons hold the largest counts, as shares of 1."""
    one = _greatest([f"{top}[1] / NULLIF({whole}, 0)" for top, whole in _contributions(slot)])
    two = _greatest([f"({top}[1] + coalesce({top}[2], 0)) / NULLIF({whole}, 0)" for top, whole in _contributions(slot)])
    squares = _degenerate_or(slot, _scale(slot, aggregate.measure))
    return {
        "domain": f"g.nd{slot}",
        "contributing": f"least(g.ny{slot}, g.nx{slot})",
        "rows": f"g.c{slot}",
        "counted": f"g.c{slot}",
        "value": f"v.v{index}",
        "absolute": f"CASE WHEN {one} IS NULL THEN 0 ELSE 1 END",
        "largest": one,
        "second": f"({two}) - ({one})",
        "spread": squares,
        "outlier": f"({squares}) * ({_outlier(slot, aggregate.measure)})",
    }


def _contributions(slot: int) -> list[tuple[str, str]]:
    """The two largest contributions and the sum of all: of y, of x, of the products of their deviations."""
    return [(f"g.yt{slot}", f"g.yb{slot}"), (f"g.xt{slot}", f"g.xb{slot}"), (f"q{slot}.t", f"q{slot}.b")]


def _greatest(items: list[str]) -> str:
    return f"greatest({', '.join(items)})"


def _outlier(slot: int, measure: Measure) -> str:
    """The largest share of squared deviations that one person has. Where nobody deviates nothing can be shown."""
    q = f"q{slot}"
    items = [
        f"CASE WHEN {q}.{letter} > {NOISE} * g.{letter}{letter}{slot} THEN {q}.t{letter} / {q}.{letter} ELSE 1 END"
        for letter in "yx"
    ]
    if measure in FITS:
        items.append(f"CASE WHEN {q}.e > {PERFECT} * {q}.y THEN {q}.te / {q}.e ELSE 1 END")
    return _greatest(items)


def _degenerate_or(slot: int, text: str) -> str:
    q = f"q{slot}"
    none = f"coalesce(g.c{slot}, 0) = 0"
    return f"CASE WHEN {none} THEN 0 WHEN {q}.y > 0 AND {q}.x > 0 THEN {text} ELSE 1 END"


def _scale(slot: int, measure: Measure) -> str:
    """Squared, and times the number of rows: by how much one typical row moves the statistic, times that number."""
    q, rows = f"q{slot}", f"g.c{slot}"
    mean = f"(g.xs{slot} / {rows})"
    match measure:
        case Measure.COVARIANCE | Measure.PRODUCTS:
            return f"{q}.y * {q}.x / {rows}"
        case Measure.SLOPE:
            return f"{rows} * {q}.y / {q}.x"
        case Measure.INTERCEPT:
            return f"{q}.y * (1 + {mean} * {mean} * {rows} / {q}.x)"
        case _:
            return rows
