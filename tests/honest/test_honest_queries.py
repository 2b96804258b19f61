"""Honest epidemiology through the real pipeline: answered, with something to read, and without a canary."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.attacks.corpus import Case, canaries_in, read, word_of
from tests.small_project import gates

from ambergate_extension.pipeline import Gate

CASES = read(Path(__file__).parent)
FIRST_CLASS = [case for case in CASES if case.group != "later"]
LATER = [case for case in CASES if case.group == "later"]


@pytest.mark.parametrize("case", FIRST_CLASS, ids=lambda case: case.id)
def test_an_honest_query_is_answered(gate: Gate, case: Case) -> None:
    for sql in case.steps:
        answer = gate.answer(sql)
        assert word_of(answer) in case.expect, gates.everything_shown(answer)[:500]
        assert answer.table is not None and answer.table.num_rows > 0
        assert not canaries_in(gates.everything_shown(answer))


@pytest.mark.parametrize("case", LATER, ids=lambda case: case.id)
def test_an_honest_query_beyond_the_first_class_is_answered_or_advised(gate: Gate, case: Case) -> None:
    answer = gate.answer(case.steps[0])
    assert answer.verdict in {"released", "held", "refused"}, gates.everything_shown(answer)[:500]
    assert not canaries_in(gates.everything_shown(answer))
    if answer.verdict == "refused":
        assert answer.findings[0].hint or answer.findings[0].span, answer.findings


def test_the_corpus_is_large_enough_to_mean_something() -> None:
    assert len(FIRST_CLASS) >= 100
