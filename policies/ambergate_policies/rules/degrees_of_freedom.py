"""Degrees of freedom: a spread or a fit needs more persons than parameters, by a margin."""

from __future__ import annotations

from collections.abc import Iterator

from ambergate_policies.algebra.expressions import Measure
from ambergate_policies.packs import RulePack
from ambergate_policies.rules.rule import CellFinding, Rule
from ambergate_policies.statistics import Cell

_PARAMETERS = {
    Measure.DEVIATION: 1,
    Measure.VARIANCE: 1,
    Measure.ERROR: 1,
    Measure.COVARIANCE: 1,
    Measure.PRODUCTS: 1,
    Measure.CORRELATION: 2,
    Measure.DETERMINATION: 2,
    Measure.SLOPE: 2,
    Measure.INTERCEPT: 2,
}
"""How many numbers the statistic has estimated from the same persons: the mean, or both coefficients of a line."""


def check(cell: Cell, pack: RulePack) -> Iterator[CellFinding]:
    parameters = _PARAMETERS.get(cell.measure)
    minimum = pack.degrees_of_freedom.minimum
    if parameters is not None and cell.domain > 0 and cell.domain - parameters < minimum:
        action = pack.degrees_of_freedom.action.decision
        yield CellFinding(RULE.id, action, f"fewer than {minimum} degrees of freedom")


RULE = Rule("degrees-of-freedom", "Enough degrees of freedom", "Handbook on SDC for outputs (2019), section 3", check)
