"""Rounding of every measure, and clearing of a whole table: masks, bands, holds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ambergate_policies import rounding
from ambergate_policies.algebra.expressions import Measure
from ambergate_policies.clearing import banded, clear
from ambergate_policies.errors import UserError
from ambergate_policies.packs import Rounding, read_pack
from ambergate_policies.prepared import Prepared
from ambergate_policies.statistics import MAX_GROUPS, Cell
from ambergate_policies.verdict import Decision

NEAREST = Rounding(method="nearest", base=5, significant_digits=5)
PACK = read_pack("nhse-sde")


def cell(measure: Measure, **numbers: float) -> Cell:
    given: dict[str, float | None] = {
        "persons": 100, "domain": 100, "contributing": 100, "complement": None, "rows": 100, "counted": 100,
        "value": None, "absolute": 0.0, "largest": 0.0, "second": 0.0,
    }  # fmt: skip
    given |= numbers
    return Cell(measure=measure, presence=False, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(("number", "expected"), [(0, 0), (2, 0), (3, 5), (7, 5), (8, 10), (12, 10), (13, 15)])
def test_counts_go_to_the_nearest_base(number: int, expected: int) -> None:
    assert rounding.count(number, NEAREST) == expected


def test_halves_go_up() -> None:
    even = Rounding(method="nearest", base=4)
    assert [rounding.count(number, even) for number in (1, 2, 5, 6)] == [0, 4, 4, 8]


def test_a_proportion_is_a_ratio_of_rounded_parts_and_never_more_than_one() -> None:
    assert rounding.value(cell(Measure.PROPORTION, counted=33, rows=103), NEAREST) == pytest.approx(35 / 105, rel=1e-4)
    assert rounding.value(cell(Measure.PROPORTION, counted=103, rows=103), NEAREST) == 1.0
    assert rounding.value(cell(Measure.PROPORTION, counted=0, rows=0), NEAREST) is None


def test_a_total_is_its_mean_times_the_rounded_count() -> None:
    assert rounding.value(cell(Measure.TOTAL, value=1030.0, counted=103), NEAREST) == 1050.0


def test_total_over_mean_tells_only_the_rounded_count() -> None:
    whole = rounding.value(cell(Measure.TOTAL, value=2575.0, counted=103, rows=103), NEAREST)
    mean = rounding.value(cell(Measure.MEAN, value=2575.0, counted=103, rows=103), NEAREST)
    assert whole is not None and mean is not None
    assert whole / mean == 105


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), None])
@pytest.mark.parametrize("measure", [Measure.MEAN, Measure.TOTAL, Measure.DEVIATION, Measure.PERCENTILE])
def test_what_is_no_number_is_not_shown(measure: Measure, value: float | None) -> None:
    assert rounding.value(cell(measure, value=value), NEAREST) is None  # type: ignore[arg-type]


def test_significant_digits() -> None:
    assert rounding.significant(123456.789, 5) == 123460.0
    assert rounding.significant(-0.00012345678, 3) == -0.000123


Prepare = Callable[[str], Prepared]


def row(key: str | None, persons: int, contributing: int, withheld: int = 0) -> tuple[object, ...]:
    complement = persons - contributing
    numbers = (persons, contributing, complement, persons, contributing, *[None] * 6)
    return (withheld, True, key, persons, *numbers)


SQL = "SELECT sex, count(*) FILTER (WHERE smoker) AS n FROM person GROUP BY sex"


def test_a_cell_below_the_threshold_is_masked_and_the_others_stay(prepare: Prepare) -> None:
    boundary = prepare(SQL).program.boundary
    table = clear(boundary, PACK, [row("F", 100, 40), row("M", 100, 9), row(None, 100, 91)])
    assert table.keys == (("F", "M", None),)
    assert table.measures == ((40, None, None),)
    assert table.suppressed == ((False, True, True),)
    assert [finding.rule for finding in table.findings] == ["threshold", "threshold", "rounding"]


def test_the_message_names_a_band_and_never_the_number(prepare: Prepare) -> None:
    boundary = prepare(SQL).program.boundary
    messages = {
        tuple(finding.message for finding in clear(boundary, PACK, [row("F", 100, small)]).findings)
        for small in range(1, 10)
    }
    assert len(messages) == 1


def test_withheld_groups_are_told_in_steps(prepare: Prepare) -> None:
    assert [banded(number, PACK) for number in (0, 1, 5, 6, 11)] == [0, 5, 5, 10, 15]
    table = clear(prepare(SQL).program.boundary, PACK, [row("F", 100, 40, withheld=3)])
    assert table.withheld_groups == 5
    assert any("withheld" in finding.message for finding in table.findings)


def test_a_result_without_groups_is_an_empty_table(prepare: Prepare) -> None:
    table = clear(prepare(SQL).program.boundary, PACK, [(2, None, None, *[None] * 12)])
    assert table.groups == 0
    assert table.withheld_groups == 5


def test_a_held_cell_keeps_its_value_for_the_checker_and_holds_the_table(prepare: Prepare) -> None:
    boundary = prepare("SELECT sum(bmi) FROM person").program.boundary
    numbers = (50, 50, None, 50, 50, 1000.0, 1000.0, 900.0, 10.0, 0.0, 0.0)
    table = clear(boundary, read_pack("sdc-default"), [(0, True, 50, *numbers)])
    assert table.held == ((True,),)
    assert table.suppressed == ((False,),)
    assert table.findings[0].action is Decision.HOLD


def test_more_groups_than_can_be_shown_are_an_error_of_the_query(prepare: Prepare) -> None:
    boundary = prepare(SQL).program.boundary
    with pytest.raises(UserError):
        clear(boundary, PACK, [row(str(n), 100, 40) for n in range(MAX_GROUPS + 1)])
