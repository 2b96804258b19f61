"""Rounding: counts to the pack's base, ratios from rounded parts, means and fits to as many digits as they may have.

A total is its mean times the rounded count, so that a total and a mean together tell no more than the rounded count:
`sum(x)/avg(x)` must not be a way round the rounding (docs/adr/0006-totals-from-rounded-counts.md).

A mean of few rows has few digits: its step is at least what one typical row moves it by, so that the count cannot be
read from it by trying fractions (docs/adr/0014-digits-follow-from-the-group.md). Where a pack shows exact counts there
is nothing to read.
"""

from __future__ import annotations

import math
from datetime import date

from ambergate_policies.algebra.expressions import Measure
from ambergate_policies.packs import Rounding
from ambergate_policies.statistics import PAIRS, WINDOWED, Cell

Shown = int | float | date | None


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


def step_of(least: float) -> float:
    """The smallest of ..., 0.1, 0.2, 0.5, 1, 2, 5, ... that is not less. 0 for 0.

    A billionth less passes, so that two ways of adding the same numbers find the same step."""
    if least <= 0:
        return 0.0
    power = math.floor(math.log10(least))
    steps = (factor * 10.0 ** (power + more) for more in (0, 1) for factor in (1, 2, 5))
    return next(step for step in steps if step >= least * (1 - 1e-9))


def to_step(number: float, step: float) -> float:
    """The nearest multiple of a step; the number itself where the step is 0. Halves go up."""
    if step <= 0 or not math.isfinite(number / step):
        return number
    return math.floor(number / step + 0.5 + 1e-9) * step


def value(cell: Cell, rule: Rounding) -> Shown:
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
        case _:
            number = _plain(cell, rule)
            if number is None or not math.isfinite(number):
                return None
            return month_of(number) if cell.dated else significant(number, rule.significant_digits)


def _plain(cell: Cell, rule: Rounding) -> float | None:
    """A mean, total, spread or fit on its step."""
    if cell.value is None or not math.isfinite(cell.value):
        return None
    match cell.measure:
        case Measure.TOTAL if cell.counted == 0:
            return 0.0
        case Measure.TOTAL:
            return _stepped(cell.value / cell.counted, cell, rule) * count(cell.counted, rule)
        case Measure.MEAN:
            return _stepped(cell.value / cell.rows, cell, rule) if cell.rows else None
        case Measure.ERROR:
            rows = count(cell.rows, rule)
            return _stepped(cell.value, cell, rule) / math.sqrt(rows) if rows else None
        case Measure.PRODUCTS:
            return _stepped(cell.value, cell, rule) * count(cell.rows, rule)
        case _:
            return _stepped(cell.value, cell, rule)


def _stepped(number: float, cell: Cell, rule: Rounding) -> float:
    """On a step that is at least what one typical row moves the number by."""
    rows = cell.counted if cell.measure is Measure.TOTAL else cell.rows
    if rule.method == "none" or cell.measure in WINDOWED or cell.dated or rows == 0:
        return number
    if cell.measure in (Measure.TOTAL, Measure.MEAN) or cell.measure in PAIRS:
        least = math.sqrt(cell.spread / cell.rows) / rows if cell.spread > 0 and cell.rows else 0.0
    else:
        least = abs(number) / rows
    if cell.whole and cell.measure in (Measure.TOTAL, Measure.MEAN):
        fewest = max(1, rows - rule.base + 1)  # that round to the same count
        least = max(least, 1 / fewest)
    return to_step(number, step_of(least))


def month_of(days: float) -> date | None:
    """The first day of the month of a date that is given as days since 0001-01-01."""
    number = math.floor(days) + 1
    if not 1 <= number <= date.max.toordinal():
        return None
    return date.fromordinal(number).replace(day=1)
