"""Percentiles and extremes tell of blocks of persons, however many are asked for (decision record 17)."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from tests.policies.test_pairs import cleared

from ambergate_policies.kernel import Kernel
from ambergate_policies.packs import RulePack, read_pack

SHOW = read_pack("strict-registry")
K = SHOW.threshold.minimum
EXACT = SHOW.model_copy(
    update={
        "rounding": SHOW.rounding.model_copy(update={"significant_digits": 12}),
        "dominance": SHOW.dominance.model_copy(
            update={"largest_percent": None, "two_largest_percent": None, "p_percent": None, "outlier_percent": None}
        ),
    }
)
QUANTILES = [index / 40 for index in range(41)]
MANY = (
    "SELECT min(height), max(height), " + ", ".join(f"quantile_cont(height, {q})" for q in QUANTILES) + " FROM person"
)


def answers(kernel: Kernel, values: list[float], pack: RulePack = EXACT) -> list[object]:
    table = cleared(kernel, MANY, [(None, value) for value in values], pack)
    return [column[0] for column in table.measures]


def blocks(values: list[float]) -> list[list[float]]:
    """By hand: as many as have K persons each, no two more than one person apart in size."""
    ordered, many = sorted(values), max(1, len(values) // K)
    cuts = [round(-(-place * len(values) // many)) for place in range(many + 1)]
    return [ordered[low:high] for low, high in pairwise(cuts)]


@pytest.mark.parametrize("number", [5, 7, 9, 10, 11, 14, 23, 60, 101])
def test_every_answer_lies_on_the_line_through_the_means_of_the_blocks(kernel: Kernel, number: int) -> None:
    chance = random.Random(number)
    values = [round(chance.gauss(170, 10), 2) for _ in range(number)]
    means = [sum(block) / len(block) for block in blocks(values)]
    assert min(len(block) for block in blocks(values)) >= K
    lowest, highest, *between = answers(kernel, values)
    assert lowest == pytest.approx(means[0]) and highest == pytest.approx(means[-1])
    for quantile, found in zip(QUANTILES, between, strict=True):
        place = min(max(quantile * len(means) - 0.5, 0), len(means) - 1)
        low, share = int(place), place - int(place)
        wanted = means[low] + (share * (means[low + 1] - means[low]) if share else 0)
        assert found == pytest.approx(wanted), quantile


@pytest.mark.parametrize("number", [10, 11, 23, 52])
def test_no_percentile_tells_how_a_block_is_made_up(kernel: Kernel, number: int) -> None:
    """Two persons of one block move towards each other, each by as much: no answer moves."""
    chance = random.Random(number)
    values = [round(chance.gauss(170, 10), 2) for _ in range(number)]
    before = answers(kernel, values)
    for block in blocks(values):
        first, *_, last = block
        shift = (last - first) / 4
        changed = [value + shift if value == first else value - shift if value == last else value for value in values]
        assert answers(kernel, changed) == [pytest.approx(value) for value in before]


def test_fewer_than_two_blocks_of_persons_have_one_mean(kernel: Kernel) -> None:
    values = [150.0 + place for place in range(2 * K - 1)]
    assert {round(float(str(value)), 6) for value in answers(kernel, values)} == {150.0 + K - 1}


def test_the_first_and_the_last_block_leave_no_few_between_them(kernel: Kernel) -> None:
    """What the mean of all, less both extremes, would have told of the one in the middle."""
    for number in range(2 * K, 3 * K):
        values = [150.0 + place**2 for place in range(number)]
        lowest, highest, *_ = answers(kernel, values)
        first, last = blocks(values)
        assert len(first) + len(last) == number
        assert (lowest, highest) == (pytest.approx(sum(first) / len(first)), pytest.approx(sum(last) / len(last)))


def test_the_rules_look_at_each_block_that_is_used(kernel: Kernel) -> None:
    values = [170.0 + place / 10 for place in range(40)]
    values[-1] = 9000.0
    table = cleared(kernel, MANY, [(None, value) for value in values], SHOW)
    lowest, highest, *between = [column[0] for column in table.suppressed]
    assert (lowest, highest) == (False, True)
    assert between[20] is False and between[-1] is True
