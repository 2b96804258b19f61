"""Pathological texts end in a clear refusal within a second, in bounded memory, and never in the end of the process."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.attacks import pathological
from tests.attacks.pathological import Cost
from tests.attacks.pathological_texts import texts
from tests.small_project import gates, population

from ambergate_extension.pipeline import Gate
from ambergate_extension.replay import NothingRecorded
from ambergate_policies.log.entry import canonical_json


@pytest.fixture(scope="module")
def costs() -> list[Cost]:
    return list(pathological.costs())


def test_every_text_is_read_to_an_end(costs: list[Cost]) -> None:
    assert [cost.name for cost in costs] == [name for name, _ in texts()]
    assert not [cost for cost in costs if cost.outcome.startswith(("died", "raised"))]


def test_no_text_takes_more_than_a_second(costs: list[Cost]) -> None:
    assert not [cost for cost in costs if cost.seconds > pathological.SECONDS]


def test_memory_and_statements_stay_small(costs: list[Cost]) -> None:
    assert max(cost.megabytes for cost in costs) < pathological.MEGABYTES
    assert max(cost.statement for cost in costs) < pathological.STATEMENT


def test_texts_of_a_reasonable_size_are_read(costs: list[Cost]) -> None:
    reasonable = {"in-list-5000", "subqueries-20", "filters-100", "case-arms-100"}
    assert {cost.name for cost in costs if cost.outcome == "prepared"} >= reasonable


def test_a_text_with_half_a_character_is_refused_and_written_down(tmp_path: Path) -> None:
    database = tmp_path / "small.duckdb"
    population.write(database, persons=20)
    recorder = NothingRecorded()
    engine = gates.NearEngine(database, tmp_path / "spill")
    gate = Gate(kernel=gates.kernel(), engine=engine, recorder=recorder, account=gates.ACCOUNT, now=lambda: gates.NOON)
    answer = gate.answer("SELECT count(*) FROM person -- \ud800")
    gate.close()
    assert answer.verdict == "refused"
    (entry,) = recorder.entries
    assert canonical_json(entry.body)
