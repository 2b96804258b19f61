"""The attack corpus through the real pipeline: the expected verdicts, no canary anywhere, and no second wasted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.attacks.corpus import Case, canaries_in, read, word_of
from tests.small_project import gates

from ambergate_extension.pipeline import Gate
from ambergate_extension.replay import drop_cohorts

CASES = read(Path(__file__).parent / "kernel")
SECONDS = 3.0
"""Of one answer on a busy machine; a refusal takes milliseconds. What makes a table opens two files and syncs one."""


@pytest.fixture
def fresh(gate: Gate) -> Iterator[Gate]:
    """The gate, without cohort tables when the test is over, however it ends."""
    yield gate
    drop_cohorts(gate)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_an_attack_gets_nothing(fresh: Gate, case: Case) -> None:
    verdicts = []
    for sql in case.steps:
        began = time.perf_counter()
        answer = fresh.answer(sql)
        assert time.perf_counter() - began < SECONDS * (3 if sql.startswith("CREATE") else 1)
        shown = gates.everything_shown(answer)
        verdicts.append(answer.verdict)
        told = [mark for mark in canaries_in(shown) if mark not in sql]
        assert not told, f"{told} in {shown[:500]}"
    assert word_of(answer) in case.expect, gates.everything_shown(answer)[:500]
    assert set(verdicts[:-1]) <= {"released"}, "a step that was to prepare the last one was not carried out"


def test_every_class_of_attack_has_cases() -> None:
    counts = Counter(case.group for case in CASES)
    assert len(CASES) >= 400
    assert sum(number >= 10 for number in counts.values()) >= 25, counts


def test_a_refusal_says_what_to_do_or_where(gate: Gate) -> None:
    """Of the refused statements, nearly all point into the text or give a hint."""
    mute = []
    for case in CASES:
        if case.expect == {"refused"} and case.group != "resource-exhaustion":
            found = gate.answer(case.steps[-1]).findings
            if not found or (found[0].span is None and found[0].hint is None):
                mute.append(case.id)
    assert len(mute) <= len(CASES) // 50, mute
