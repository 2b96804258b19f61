"""Cohorts built step by step through the real pipeline: every step is carried out, the last has something to read."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.attacks.corpus import Case, canaries_in, read, word_of
from tests.small_project import gates

from ambergate_extension.pipeline import Gate
from ambergate_extension.replay import drop_cohorts

CASES = read(Path(__file__).parent / "cohorts")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_an_honest_sequence_is_carried_out(gate: Gate, case: Case) -> None:
    for sql in case.steps:
        answer = gate.answer(sql)
        assert answer.verdict == "released", gates.everything_shown(answer)[:500]
        assert not canaries_in(gates.everything_shown(answer))
    assert word_of(answer) == "released"
    assert answer.table is not None
    assert answer.table.num_rows > 0
    drop_cohorts(gate)
    assert gate.catalogue()["cohorts"] == []
