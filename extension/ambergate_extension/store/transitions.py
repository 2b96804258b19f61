"""The life of a held result: one transition table, one permission function, and the diagram made from the table."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from ambergate_policies.errors import UserError


class State(StrEnum):
    """Where a held result is. The last three are final."""

    WAITING = "waiting"
    PARTLY_APPROVED = "partly approved"  # one of two checkers has released it
    RELEASED = "released"
    REJECTED = "rejected"
    RETURNED = "returned"  # back to the researcher, who may ask differently


class Choice(StrEnum):
    """What a checker can decide."""

    RELEASE = "release"
    REJECT = "reject"
    RETURN = "return"


class Event(StrEnum):
    """What a choice amounts to, given how many checkers the agreement asks for."""

    FIRST_APPROVAL = "first of two releases"
    LAST_APPROVAL = "last release needed"
    REJECTION = "reject"
    RETURN = "return"


FINAL = frozenset({State.RELEASED, State.REJECTED, State.RETURNED})

TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.WAITING, Event.FIRST_APPROVAL): State.PARTLY_APPROVED,
    (State.WAITING, Event.LAST_APPROVAL): State.RELEASED,
    (State.WAITING, Event.REJECTION): State.REJECTED,
    (State.WAITING, Event.RETURN): State.RETURNED,
    (State.PARTLY_APPROVED, Event.LAST_APPROVAL): State.RELEASED,
    (State.PARTLY_APPROVED, Event.REJECTION): State.REJECTED,
    (State.PARTLY_APPROVED, Event.RETURN): State.RETURNED,
}
"""Every step there is. A pair that is not here does not happen."""


class Obstacle(StrEnum):
    """Why somebody may not decide on a held result. The value is the id; `explain` has the words."""

    OWN_QUERY = "own-query"
    ALREADY_DECIDED = "already-decided"
    CLOSED = "closed"


_EXPLANATIONS = {
    Obstacle.OWN_QUERY: "You asked this query yourself. Somebody else has to decide on it.",
    Obstacle.ALREADY_DECIDED: "You have already approved this result. A second checker has to decide.",
    Obstacle.CLOSED: "This result has been decided. A decision is final.",
}


def explain(obstacle: Obstacle) -> str:
    """The obstacle in words, for the page and for the error."""
    return _EXPLANATIONS[obstacle]


def obstacle(state: State, *, asked_by: str, decided_by: Sequence[str], checker: str) -> Obstacle | None:
    """What keeps `checker` from deciding, or None. The page shows it, `Store.decide` raises it."""
    if state in FINAL:
        return Obstacle.CLOSED
    if checker == asked_by:
        return Obstacle.OWN_QUERY
    if checker in decided_by:
        return Obstacle.ALREADY_DECIDED
    return None


def event_of(choice: Choice, state: State, checkers_required: int) -> Event:
    """What the choice amounts to."""
    match choice:
        case Choice.REJECT:
            return Event.REJECTION
        case Choice.RETURN:
            return Event.RETURN
        case Choice.RELEASE:
            first_of_two = checkers_required > 1 and state is State.WAITING
            return Event.FIRST_APPROVAL if first_of_two else Event.LAST_APPROVAL


def after(state: State, choice: Choice, checkers_required: int) -> State:
    """The next state. Raises UserError where the table has no step."""
    following = TRANSITIONS.get((state, event_of(choice, state, checkers_required)))
    if following is None:
        raise UserError(explain(Obstacle.CLOSED))
    return following


def diagram() -> str:
    """The transition table as a Mermaid state diagram, for docs/reference/held-results.md."""
    names = {state: state.name.lower() for state in State}
    lines = ["stateDiagram-v2", "    [*] --> waiting: a query is held"]
    lines += [f"    state {state.value!r} as {names[state]}".replace("'", '"') for state in State]
    lines += [f"    {names[old]} --> {names[new]}: {event.value}" for (old, event), new in TRANSITIONS.items()]
    lines += [f"    {names[state]} --> [*]" for state in State if state in FINAL]
    return "\n".join(lines) + "\n"
