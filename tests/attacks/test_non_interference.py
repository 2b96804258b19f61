"""One person's data changed in one way after another: nothing but cells tells. `python -m tests.attacks.interference`
asks both corpora whole; here a share of them, another for every change."""

from __future__ import annotations

import random

import pytest
from tests.attacks.interference import CHANGES, Differences, cases, compare, run, sides

SHARE = 8


@pytest.mark.parametrize("change", CHANGES)
def test_one_person_changes_cells_and_nothing_else(change: str) -> None:
    chosen = random.Random(change).sample(cases(), SHARE)
    found = run(change, chosen)
    assert not found.wrong, found.wrong[0]
    assert found.seen["released"] > 0


def test_a_change_that_cells_may_show_is_seen() -> None:
    """Red once: a person who is gone is one fewer in a sum that is not rounded away."""
    found = Differences()
    with sides("many") as both:
        compare("SELECT sum(cost) AS total FROM admission", both, found)
    assert found.seen["shown otherwise"] == 1
    assert not found.wrong
