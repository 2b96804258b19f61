"""Rounding: counts to the pack's base, ratios from rounded parts, means to some digits.

A total is its mean times the rounded count, so that a total and a mean together tell no more than the rounded count:
`sum(x)/avg(x)` must not be a way round the rounding (docs/adr/0006-totals-from-rounded-counts.md).
"""

from __future__ import annotations

import math

from ambergate_policies.algebra.expressions import Measure
from ambergate_policies.packs import Rounding
from ambergate_policies.statistics import Cell


def count(number: int, rule: Rounding) -> int:
    """A count of rows or persons, rounded. Zero stays zero; halves go up."""
    if rule.method == "midpoint":
        return math.ceil(number / rule.base) * rule.base - rule.base // 2 if number > 0 else 0
    if rule.method == "nearest":
        return (2 * number + rule.base) // (2 * rule.base) * rule.base
    return number


def significant(number: float, digits: int) -> float:
    """A number to so many significant digits."""
    return float(f"{number:.{digits - 1}e}")


def value(cell: Cell, rule: Rounding) -> int | float | None:
    """What may be shown of a cell that no rule holds back. None where there is no value."""
    match cell.measure:
        case Measure.ROWS | Measure.RECORDS:
            return count(cell.counted, rule)
        case Measure.PERSONS:
            return count(cell.contributing, rule)
        case Measure.DISTINCT:
            return count(int(cell.value or 0), rule)
        case Measure.PROPORTION:
            whole = count(cell.rows, rule)
            return min(1.0, significant(count(cell.counted, rule) / whole, rule.significant_digits)) if whole else None
        case Measure.TOTAL:
            return _total(cell, rule)
        case Measure.MEAN:
            return _finite(cell.value / cell.rows if cell.value is not None and cell.rows else None, rule)
        case _:
            return _finite(cell.value, rule)


def _total(cell: Cell, rule: Rounding) -> float | None:
    if cell.value is None:
        return None
    if cell.counted == 0:
        return 0.0
    return _finite(cell.value / cell.counted * count(cell.counted, rule), rule)


def _finite(number: float | None, rule: Rounding) -> float | None:
    if number is None or not math.isfinite(number):
        return None
    return significant(number, rule.significant_digits)
