"""Dominance: one or two persons must not hold so much of a magnitude that it tells what they hold.

(n,k): the n largest contributors hold k percent of the total or more. p%: what is left after the two largest is less
than p percent of the largest, so the second could estimate the first. Absolute contributions per person.

Outlier: one person holds most of the squared deviations from the mean. A condition can choose a group of which every
other value is known (`WHERE bmi = 25 OR ...`); the mean of such a group is the one value that is not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from ambergate_policies.algebra.expressions import Measure
from ambergate_policies.packs import RulePack
from ambergate_policies.rules.rule import CellFinding, Rule
from ambergate_policies.statistics import PAIRS, WINDOWED, Cell
from ambergate_policies.verdict import Decision

_SPREADS = frozenset({Measure.DEVIATION, Measure.VARIANCE, Measure.ERROR}) | PAIRS
"""The spread of a group with one value far from the rest is that value."""
_MAGNITUDES = frozenset({Measure.TOTAL, Measure.MEAN}) | _SPREADS | WINDOWED


def check(cell: Cell, pack: RulePack) -> Iterator[CellFinding]:
    if not all(map(math.isfinite, (cell.absolute, cell.largest, cell.second, cell.spread, cell.outlier))):
        yield CellFinding(RULE.id, Decision.SUPPRESS, "the contributions are too large to be compared")
        return
    yield from _shares(cell, pack)
    percent = pack.dominance.outlier_percent
    if percent is not None and cell.spread > 0 and cell.outlier * 100 >= percent * cell.spread:
        yield CellFinding(RULE.id, pack.dominance.action.decision, "one person stands out from all others")


def _shares(cell: Cell, pack: RulePack) -> Iterator[CellFinding]:
    if cell.measure not in _MAGNITUDES or cell.absolute <= 0:
        return
    rule = pack.dominance
    two = cell.largest + cell.second
    rest = cell.absolute - two
    if rule.largest_percent is not None and cell.largest * 100 >= rule.largest_percent * cell.absolute:
        yield CellFinding(
            RULE.id, rule.action.decision, f"one person holds {rule.largest_percent:g}% or more of the total"
        )
    elif rule.two_largest_percent is not None and two * 100 >= rule.two_largest_percent * cell.absolute:
        share = f"{rule.two_largest_percent:g}%"
        yield CellFinding(RULE.id, rule.action.decision, f"two persons hold {share} or more of the total")
    elif rule.p_percent is not None and cell.measure not in WINDOWED and rest * 100 < rule.p_percent * cell.largest:
        yield CellFinding(
            RULE.id, rule.action.decision, f"all but the two largest hold less than {rule.p_percent:g}% of the largest"
        )


RULE = Rule("dominance", "No person dominates a total", "Handbook on SDC for outputs (2019), section 3", check)
