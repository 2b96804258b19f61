"""From a refusal to a rewrite that passes: cures are tried, one after the other and on top of each other.

A query often has more than one mistake, so what a cure makes is judged again, and if it is refused for another reason
cured again. Only what the kernel accepts is offered. Bounded by the length of the text and the number of trials.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ambergate_policies.advice.aggregates import CURES as AGGREGATES
from ambergate_policies.advice.conditions import CURES as CONDITIONS
from ambergate_policies.advice.cure import Cure
from ambergate_policies.advice.joins import CURES as JOINS
from ambergate_policies.advice.names import CURES as NAMES
from ambergate_policies.advice.question import Question
from ambergate_policies.advice.rows import CURES as ROWS
from ambergate_policies.advice.statements import CURES as STATEMENTS
from ambergate_policies.advice.statements import located
from ambergate_policies.agreement import Agreement
from ambergate_policies.catalogue import Catalogue
from ambergate_policies.verdict import Decision, Finding

LONGEST_TEXT = 6_000
MOST_TRIALS = 24
DEEPEST = 4
CURES: tuple[Cure, ...] = (*STATEMENTS, *NAMES, *JOINS, *CONDITIONS, *AGGREGATES, *ROWS)

Accepts = Callable[[str], Finding | None]
"""Judges a query: None when it may run, else the first finding that refuses it. Raises nothing."""


@dataclass(slots=True)
class _Search:
    """One search for a rewrite. `seen`: the texts that have been judged, by lower case without spaces."""

    catalogue: Catalogue
    agreement: Agreement
    accepts: Accepts
    seen: set[str]
    trials: int = 0

    def repaired(self, text: str, finding: Finding, depth: int) -> str | None:
        question = Question(text, finding, self.catalogue, self.agreement)
        refused: list[tuple[str, Finding]] = []
        for candidate in self._fresh(question):
            obstacle = self._judge(candidate)
            if obstacle is None:
                return candidate
            refused.append((candidate, obstacle))
        if depth < DEEPEST:
            for candidate, obstacle in refused:
                if found := self.repaired(candidate, obstacle, depth + 1):
                    return found
        return None

    def _fresh(self, question: Question) -> Iterator[str]:
        for cure in CURES:
            if question.finding.rule not in cure.rules:
                continue
            for candidate in _tried(cure, question):
                key = "".join(candidate.split()).lower()
                if key not in self.seen and self.trials < MOST_TRIALS:
                    self.seen.add(key)
                    yield candidate.strip()

    def _judge(self, candidate: str) -> Finding | None:
        """The first finding that refuses a candidate; one that cannot even be judged is not offered."""
        self.trials += 1
        try:
            return self.accepts(candidate)
        except Exception:
            return Finding("internal", Decision.REFUSE, "this cannot be judged")


def _tried(cure: Cure, question: Question) -> list[str]:
    """A cure that fails has nothing to say: advice must never turn a refusal into a failure."""
    try:
        return list(cure.rewrites(question))
    except Exception:
        return []


def advised(
    text: str, findings: tuple[Finding, ...], catalogue: Catalogue, agreement: Agreement, accepts: Accepts
) -> tuple[Finding, ...]:
    """The findings of a refusal, each with its place in the text and the first with a rewrite that `accepts` takes."""
    placed = tuple(located(text, finding) for finding in findings)
    if not placed or len(text) > LONGEST_TEXT or placed[0].rule == "size":
        return placed
    search = _Search(catalogue, agreement, accepts, {"".join(text.split()).lower()})
    rewrite = search.repaired(text, placed[0], 1)
    return (replace(placed[0], rewrite=rewrite), *placed[1:]) if rewrite else placed
