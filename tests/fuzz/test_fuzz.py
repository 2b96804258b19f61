"""A share of the fuzzers for continuous integration; `python -m tests.fuzz --minutes N` runs them for hours."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.attacks.corpus import read
from tests.fuzz import differing, hostile
from tests.fuzz.seethrough import Pair, pair, reads_beyond

HONEST = [sql for case in read(Path(__file__).parents[1] / "honest") for sql in case.steps]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with pair(tmp_path_factory.mktemp("fuzz")) as opened:
        yield opened


@pytest.mark.parametrize("seed", range(1))
def test_a_random_statement_means_the_same_to_the_kernel_and_to_duckdb(both: Pair, seed: int) -> None:
    tally = differing.run(both, seed, 100)
    assert not tally.wrong, tally.wrong[0]
    assert not tally.unread, tally.unread[0]
    assert tally.words["same"] > 40, tally.words


@pytest.mark.parametrize("seed", range(1))
def test_a_hostile_text_in_an_honest_statement_gets_nothing(both: Pair, seed: int) -> None:
    chance, words = random.Random(seed), Counter[str]()
    for text in chance.sample(HONEST, 40):
        for changed in hostile.mutations(text, chance, 5):
            word, found = hostile.breach(both, changed)
            assert found is None, found
            words[word] += 1
    assert words["refused"] > 50
    assert words["same"] > 10


def test_the_comparison_sees_a_difference(both: Pair) -> None:
    """Red once: the same answer beside another statement's rows."""
    rows = both.plain.execute("SELECT sex, count(*) FROM person GROUP BY sex").fetchall()
    changed = [(rows[0][0], rows[0][1] + 1), *rows[1:]]
    assert differing.compare(rows, rows, ordered=False).word == "same"
    assert differing.compare(rows, changed, ordered=False).word == "different"
    assert differing.compare(rows, list(reversed(rows)), ordered=True).word == "different"


def test_the_reading_check_sees_a_reach_beyond(both: Pair) -> None:
    assert reads_beyond(both, "SELECT avg(bmi) FROM person") == []
    assert hostile.MARK in str(both.gate.answer(f"SELECT '{hostile.MARK}' AS x FROM code_list LIMIT 1").table)
