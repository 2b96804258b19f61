"""A shown mean does not tell the exact count: brute force over every small group (decision record 14)."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from ambergate_policies import rounding
from ambergate_policies.algebra.expressions import Measure
from ambergate_policies.packs import PACKS_FOLDER, RulePack, read_pack
from ambergate_policies.statistics import Cell

PACKS = [read_pack(path.stem) for path in sorted(PACKS_FOLDER.glob("*.yaml"))]
ROUNDED = [pack for pack in PACKS if pack.rounding.method != "none"]


def mean_of(total: int, rows: int, spread: float, *, whole: bool = True, measure: Measure = Measure.MEAN) -> Cell:
    """A cell of so many rows of one person each."""
    return Cell(
        measure, rows, rows, rows, None, rows, rows, float(total), float(total), 1.0, 1.0, presence=False,
        spread=spread, outlier=0.0, whole=whole,
    )  # fmt: skip


def band(rows: int, pack: RulePack) -> list[int]:
    """The counts that the pack shows as it shows this one."""
    shown = rounding.count(rows, pack.rounding)
    near = range(max(pack.threshold.minimum, rows - 10), rows + 11)
    return [number for number in near if rounding.count(number, pack.rounding) == shown]


@pytest.mark.parametrize("pack", ROUNDED, ids=lambda pack: pack.pack)
@pytest.mark.parametrize("deviation", [0.0, 0.4, 3.0])
def test_every_count_of_the_band_could_have_given_the_shown_mean(pack: RulePack, deviation: float) -> None:
    for rows in range(pack.threshold.minimum, 60):
        for total in range(2 * rows, 3 * rows, max(1, rows // 7)):
            shown = rounding.value(mean_of(total, rows, deviation**2 * rows), pack.rounding)
            assert isinstance(shown, float)
            step = rounding.step_of(max(deviation / rows, 1 / max(1, rows - pack.rounding.base + 1)))
            for other in band(rows, pack):
                possible = (math.floor(shown * other) + more for more in (-1, 0, 1, 2))
                assert any(abs(rounding.to_step(one / other, step) - shown) < 1e-6 for one in possible), (rows, total)


@pytest.mark.parametrize("pack", ROUNDED, ids=lambda pack: pack.pack)
def test_five_digits_would_have_told_the_count(pack: RulePack) -> None:
    """What the step is for: without it most counts of the band are impossible for a mean such as 100 / 27."""
    shown = rounding.significant(100 / 27, 5)
    possible = [n for n in band(27, pack) if any(rounding.significant(s / n, 5) == shown for s in range(400))]
    assert possible == [27]


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.pack)
def test_a_total_over_its_mean_is_the_count_as_it_is_shown(pack: RulePack) -> None:
    for rows in range(pack.threshold.minimum, 200, 7):
        for total in (3 * rows + 1, 57 * rows + 13):
            spread = 9.0 * rows
            mean = rounding.value(mean_of(total, rows, spread), pack.rounding)
            whole = rounding.value(mean_of(total, rows, spread, measure=Measure.TOTAL), pack.rounding)
            assert isinstance(mean, float) and isinstance(whole, float)
            assert whole / mean == pytest.approx(rounding.count(rows, pack.rounding), rel=2e-4)


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.pack)
def test_the_step_costs_less_than_a_quarter_of_the_standard_error(pack: RulePack) -> None:
    for rows in (10, 12, 20, 50, 100, 1000, 100_000):
        exact = 57.123456
        cell = mean_of(0, rows, 20.0**2 * rows)
        object.__setattr__(cell, "value", exact * rows)
        shown = rounding.value(cell, pack.rounding)
        assert isinstance(shown, float)
        typical_error = 2.5 * 20 / rows / math.sqrt(12)
        assert typical_error <= 0.24 * 20 / math.sqrt(rows)
        assert abs(shown - exact) <= max(2.5 * 20 / rows / 2, 0.0005)


def test_a_pack_that_shows_counts_shows_all_digits() -> None:
    for pack in PACKS:
        if pack.rounding.method == "none":
            assert rounding.value(mean_of(100, 27, 400.0), pack.rounding) == 3.7037


@pytest.mark.parametrize(
    ("least", "step"),
    [(0, 0), (1, 1), (1.1, 2), (2, 2), (2.1, 5), (5.1, 10), (0.19, 0.2), (0.2 + 1e-16, 0.2), (3e-7, 5e-7)],
)  # fmt: skip
def test_steps_are_one_two_and_five(least: float, step: float) -> None:
    assert rounding.step_of(least) == pytest.approx(step)


@pytest.mark.parametrize(
    ("measure", "number"),
    [(Measure.DEVIATION, 12.3456), (Measure.VARIANCE, 152.41), (Measure.CORRELATION, 0.12345), (Measure.SLOPE, 1.2345)],
)
def test_spreads_and_lines_of_few_rows_have_few_digits(measure: Measure, number: float) -> None:
    pack = read_pack("nhse-sde")
    made: Callable[[int], Cell] = lambda rows: Cell(  # noqa: E731 - a cell of so many rows
        measure,
        rows,
        rows,
        rows,
        None,
        rows,
        rows,
        number,
        1.0,
        0.1,
        0.1,
        presence=False,
        spread=float(rows),
        outlier=0.0,
    )
    few, many = rounding.value(made(20), pack.rounding), rounding.value(made(1_000_000), pack.rounding)
    assert isinstance(few, float) and isinstance(many, float)
    assert few != many and few == pytest.approx(number, abs=2.5 * max(1, number) / 20)
    assert many == pytest.approx(number, rel=1e-4)


@pytest.mark.parametrize("days", [0.0, 737_424.9, 3_652_058.0])
def test_a_date_is_the_first_of_its_month(days: float) -> None:
    shown = rounding.month_of(days)
    assert shown is not None and shown.day == 1


@pytest.mark.parametrize("days", [-1.0, -800_000.0, 3_652_059.0, 1e12])
def test_a_date_that_no_calendar_has_is_not_shown(days: float) -> None:
    assert rounding.month_of(days) is None
