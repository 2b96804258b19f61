"""The blind corpus: nearly all of it is answered, and what is refused says what to do instead."""

from __future__ import annotations

import pytest
from tests.honest.blind.measured import Outcome, measure
from tests.honest.blind.projects import PROJECTS, analyses, here

LEAST = 0.95


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    names = [name for name in PROJECTS if here(name)]
    return [found for name in names for found in measure(PROJECTS[name](tmp_path_factory.mktemp(name)), name)]


def test_nearly_everything_is_answered(outcomes: list[Outcome]) -> None:
    unanswered = [outcome for outcome in outcomes if outcome.word not in {"released", "masked"}]
    assert len(unanswered) <= (1 - LEAST) * len(outcomes), [outcome.analysis.id for outcome in unanswered]
    assert not [outcome.analysis.id for outcome in outcomes if outcome.word == "failed"]


def test_most_answers_have_something_to_read(outcomes: list[Outcome]) -> None:
    masked = [outcome for outcome in outcomes if outcome.word == "masked"]
    assert len(masked) <= len(outcomes) // 10, [outcome.analysis.id for outcome in masked]


def test_every_refusal_has_a_hint(outcomes: list[Outcome]) -> None:
    mute = [outcome for outcome in outcomes if outcome.word == "refused" and not outcome.answer.findings[0].hint]
    assert not mute, [outcome.analysis.id for outcome in mute]


def test_the_corpus_is_large_enough_to_mean_something() -> None:
    assert len(analyses()) >= 200
