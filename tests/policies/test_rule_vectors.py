"""The rule packs against vectors that were written from the publications: data files that only these tests read."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.policies.test_rule_packs import PACKS, counted

from ambergate_policies.algebra.expressions import Measure
from ambergate_policies.clearing import clear_cell
from ambergate_policies.packs import read_pack
from ambergate_policies.statistics import Cell
from ambergate_policies.verdict import Decision

VECTORS = Path(__file__).parent / "vectors"
COUNTS = list(csv.DictReader((VECTORS / "counts.csv").open(encoding="utf-8")))
DOMINANCE = yaml.safe_load((VECTORS / "dominance.yaml").read_text(encoding="utf-8"))
FREEDOM = yaml.safe_load((VECTORS / "degrees-of-freedom.yaml").read_text(encoding="utf-8"))
CLASSES = yaml.safe_load((VECTORS / "class-disclosure.yaml").read_text(encoding="utf-8"))
WORDS = {"release": Decision.RELEASE, "suppress": Decision.SUPPRESS, "hold": Decision.HOLD}


def test_the_vectors_are_complete() -> None:
    assert [int(row["count"]) for row in COUNTS] == list(range(1001))
    assert set(COUNTS[0]) == {"count", *PACKS}


@pytest.mark.parametrize("name", PACKS)
@pytest.mark.parametrize("measure", [Measure.PERSONS, Measure.ROWS])
def test_every_count_to_a_thousand_is_shown_as_published(name: str, measure: Measure) -> None:
    pack = read_pack(name)
    for row in COUNTS:
        number = int(row["count"])
        cell = Cell(measure, 5000, 5000, number, None, 5000, number, None, 0.0, 0.0, 0.0, presence=False)
        shown = clear_cell(cell, pack).value
        assert shown == (int(row[name]) if row[name] else None), number


def contributions(case: dict[str, Any]) -> list[float]:
    return [float(one["value"]) for one in case["of"] for _ in range(one.get("times", 1))]


def total_of(values: list[float], measure: Measure = Measure.TOTAL) -> Cell:
    """One row for each person."""
    number, mean = len(values), sum(values) / len(values)
    largest, second, *_ = sorted((abs(value) for value in values), reverse=True)
    squares = [(value - mean) ** 2 for value in values]
    with_value = sum(1 for value in values if value)
    return Cell(
        measure, number, number, with_value, None, number, with_value, sum(values), sum(map(abs, values)), largest,
        second, presence=False, spread=sum(squares), outlier=max(squares),
    )  # fmt: skip


@pytest.mark.parametrize("name", PACKS)
@pytest.mark.parametrize("case", DOMINANCE, ids=lambda case: case["because"][:40])
def test_totals_are_dominated_as_the_handbook_says(name: str, case: dict[str, Any]) -> None:
    wanted = WORDS[case.get("but", {}).get(name, case["all"])]
    for measure in (Measure.TOTAL, Measure.MEAN):
        assert clear_cell(total_of(contributions(case), measure), read_pack(name)).decision is wanted


@pytest.mark.parametrize("name", PACKS)
@pytest.mark.parametrize("measure", [measure for measure in Measure if measure.value in FREEDOM])
def test_a_statistic_needs_its_degrees_of_freedom(name: str, measure: Measure) -> None:
    pack = read_pack(name)
    fewest = max(FREEDOM[measure.value], pack.threshold.minimum)
    for persons in range(pack.threshold.minimum, 30):
        shown = clear_cell(total_of([5.0, 6.0] * (persons // 2) + [5.0] * (persons % 2), measure), pack)
        assert (shown.decision is Decision.RELEASE) == (persons >= fewest), persons


def test_every_statistic_of_a_spread_or_a_line_has_its_degrees_of_freedom() -> None:
    counts = {Measure.ROWS, Measure.PERSONS, Measure.DISTINCT, Measure.RECORDS, Measure.PROPORTION}
    several = {Measure.PERCENTILE, Measure.MINIMUM, Measure.MAXIMUM}
    assert set(FREEDOM) == {measure.value for measure in set(Measure) - counts - several}


@pytest.mark.parametrize("name", PACKS)
@pytest.mark.parametrize("case", CLASSES, ids=lambda case: f"{case['having']} of 200")
def test_an_attribute_of_a_whole_class_is_what_the_publication_says(name: str, case: dict[str, Any]) -> None:
    wanted = case.get("unless_zeros_are_shown", {}).get(name, case["shows"][name])
    having = case["having"]
    cleared = clear_cell(counted(200, contributing=having, complement=200 - having), read_pack(name))
    assert cleared.value == (None if wanted == "suppress" else wanted)
