"""The transition table: complete, closed, and the one that the documentation shows."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from ambergate_extension.store.transitions import (
    FINAL,
    TRANSITIONS,
    Choice,
    Event,
    Obstacle,
    State,
    after,
    diagram,
    explain,
    obstacle,
)
from ambergate_policies.errors import UserError

DOCS = Path(__file__).parents[3] / "docs" / "reference" / "held-results.md"


def test_every_open_state_answers_every_event_that_can_happen_in_it() -> None:
    for state, event in product(State, Event):
        expected = state not in FINAL and not (state is State.PARTLY_APPROVED and event is Event.FIRST_APPROVAL)
        assert ((state, event) in TRANSITIONS) == expected


@pytest.mark.parametrize(("state", "choice", "required"), list(product(FINAL, Choice, (1, 2))))
def test_nothing_leaves_a_final_state(state: State, choice: Choice, required: int) -> None:
    with pytest.raises(UserError):
        after(state, choice, required)


def test_every_state_can_be_reached_and_every_open_one_can_end() -> None:
    assert {State.WAITING, *TRANSITIONS.values()} == set(State)
    for state in set(State) - FINAL:
        assert {new for (old, _), new in TRANSITIONS.items() if old is state} >= FINAL


def test_one_release_is_never_enough_where_two_are_asked_for() -> None:
    assert after(State.WAITING, Choice.RELEASE, 2) is State.PARTLY_APPROVED
    assert after(State.WAITING, Choice.RELEASE, 1) is State.RELEASED


@pytest.mark.parametrize(
    ("state", "decided_by", "checker", "expected"),
    [
        (State.WAITING, [], "chen", None),
        (State.WAITING, [], "amara", Obstacle.OWN_QUERY),
        (State.PARTLY_APPROVED, ["chen"], "chen", Obstacle.ALREADY_DECIDED),
        (State.PARTLY_APPROVED, ["chen"], "dora", None),
        (State.RELEASED, ["chen"], "dora", Obstacle.CLOSED),
    ],
)
def test_the_obstacle_is_named(state: State, decided_by: list[str], checker: str, expected: Obstacle | None) -> None:
    assert obstacle(state, asked_by="amara", decided_by=decided_by, checker=checker) is expected


def test_every_obstacle_has_words() -> None:
    assert all(explain(found) for found in Obstacle)


def test_the_documentation_shows_the_diagram_of_this_table() -> None:
    assert f"```mermaid\n{diagram()}```" in DOCS.read_text("utf-8")
