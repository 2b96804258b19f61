"""Pairs of measures in the reference engine: covariance, correlation and a line, from their definitions.

Also the digits that a mean or a fit of few rows may have."""

from __future__ import annotations

import math
import statistics as means
from dataclasses import dataclass
from typing import Any

from ambergate_policies.algebra.expressions import Measure
from ambergate_policies.packs import RulePack

Pairs = dict[Any, list[tuple[float, float]]]
"""Each person's (y, x)."""
FITS = (Measure.CORRELATION, Measure.DETERMINATION, Measure.SLOPE, Measure.INTERCEPT)
PAIRED = (*FITS, Measure.COVARIANCE, Measure.PRODUCTS)


@dataclass(frozen=True)
class Line:
    """The least-squares line of some pairs. `rows` is their number."""

    rows: int
    mean_y: float
    mean_x: float
    yy: float
    xx: float
    xy: float

    @property
    def slope(self) -> float:
        return self.xy / self.xx

    def residual(self, y: float, x: float) -> float:
        return y - self.mean_y - self.slope * (x - self.mean_x)


def line_of(pairs: list[tuple[float, float]]) -> Line:
    my, mx = means.fmean(y for y, _ in pairs), means.fmean(x for _, x in pairs)
    return Line(
        len(pairs),
        my,
        mx,
        math.fsum((y - my) ** 2 for y, _ in pairs),
        math.fsum((x - mx) ** 2 for _, x in pairs),
        math.fsum((y - my) * (x - mx) for y, x in pairs),
    )


def constant(pairs: list[tuple[float, float]]) -> bool:
    """Either measure is the same in all rows: there is nothing to relate."""
    return len({y for y, _ in pairs}) == 1 or len({x for _, x in pairs}) == 1


def statistic(measure: Measure, population: bool, line: Line) -> float | None:
    """The number itself; None where it does not exist."""
    match measure:
        case Measure.COVARIANCE if not population:
            return line.xy / (line.rows - 1) if line.rows > 1 else None
        case Measure.COVARIANCE | Measure.PRODUCTS:
            return line.xy / line.rows
        case _ if line.xx == 0:
            return None
        case Measure.SLOPE:
            return line.slope
        case Measure.INTERCEPT:
            return line.mean_y - line.slope * line.mean_x
    if line.yy == 0:
        return None if measure is Measure.CORRELATION else 1.0  # as the SQL standard has it
    r = line.xy / math.sqrt(line.xx * line.yy)
    return r if measure is Measure.CORRELATION else r * r


def typical(measure: Measure, line: Line) -> float:
    """By how much a typical row moves the number, times the number of rows."""
    if line.xx == 0 or line.yy == 0:
        return 1.0
    sy, sx = math.sqrt(line.yy / line.rows), math.sqrt(line.xx / line.rows)
    match measure:
        case Measure.COVARIANCE | Measure.PRODUCTS:
            return sy * sx
        case Measure.SLOPE:
            return sy / sx
        case Measure.INTERCEPT:
            return sy * math.sqrt(1 + line.mean_x**2 / sx**2)
    return 1.0


def largest_shares(pairs: Pairs, line: Line) -> tuple[float, float]:
    """What one person and what two persons hold at most: of either measure, or of the products of the deviations."""
    one = two = 0.0
    for held in (
        [abs(math.fsum(y for y, _ in own)) for own in pairs.values()],
        [abs(math.fsum(x for _, x in own)) for own in pairs.values()],
        [abs(math.fsum((y - line.mean_y) * (x - line.mean_x) for y, x in own)) for own in pairs.values()],
    ):
        total = math.fsum(held)
        if total > 0:
            first, second, *_ = [*sorted(held, reverse=True), 0.0]
            one, two = max(one, first / total), max(two, (first + second) / total)
    return one, two


def stands_out(measure: Measure, pairs: Pairs, line: Line) -> float:
    """The largest share of squared deviations, or of squared residuals, that one person has. 1 where there are none."""
    if line.xx == 0 or line.yy == 0:
        return 1.0
    squares = [
        [math.fsum((y - line.mean_y) ** 2 for y, _ in own) for own in pairs.values()],
        [math.fsum((x - line.mean_x) ** 2 for _, x in own) for own in pairs.values()],
    ]
    if measure in FITS:
        squares.append([math.fsum(line.residual(y, x) ** 2 for y, x in own) for own in pairs.values()])
    shares = []
    for held in squares:
        total = math.fsum(held)
        shares.append(max(held) / total if total > 1e-10 * line.yy or held is not squares[-1] else 1.0)
    return max(shares)


def dominated(one: float, two: float, pack: RulePack) -> bool:
    rule = pack.dominance
    if rule.largest_percent is not None and one >= rule.largest_percent / 100:
        return True
    if rule.two_largest_percent is not None and two >= rule.two_largest_percent / 100:
        return True
    return rule.p_percent is not None and 1 - two < rule.p_percent / 100 * one


STEPS = sorted(factor * 10.0**power for power in range(-60, 60) for factor in (1, 2, 5))


def on_step(number: float, least: float, pack: RulePack) -> float:
    """The number on the first of the steps 1, 2, 5, 10, ... that is not less."""
    if pack.rounding.method == "none" or least <= 0:
        return number
    step = next(step for step in STEPS if step >= least * (1 - 1e-9))
    return math.floor(number / step + 0.5 + 1e-9) * step
