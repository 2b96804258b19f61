"""Pathological texts end in a clear refusal within a second, in bounded memory, and never in the end of the process."""

from __future__ import annotations

import pytest
from tests.attacks import pathological
from tests.attacks.pathological import Cost
from tests.attacks.pathological_texts import texts


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
    reasonable = {"in-list-5000", "subqueries-20", "filters-100", "case-arms-100", "laughs-joins-6"}
    assert {cost.name for cost in costs if cost.outcome == "prepared"} >= reasonable
