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
from ambergate_policies.advice.places import LONGEST_TEXT, hinted, located
from ambergate_policies.advice.question import Question
from ambergate_policies.advice.rows import CURES as ROWS
from ambergate_policies.advice.statements import CURES as STATEMENTS
from ambergate_policies.agreement import Agreement
from ambergate_policies.catalogue import Catalogue
from ambergate_policies.verdict import Decision, Finding

MOST_TRIALS = 24
MOST_CHARACTERS = 48_000
DEEPEST = 4
CURES: tuple[Cure, ...] = (*STATEMENTS, *NAMES, *JOINS, *CONDITIONS, *AGGREGATES, *ROWS)

Accepts = Callable[[str], Finding | None]
"""Judges a query: None when it may run, else the first finding that refuses it. Raises nothing."""


@dataclass(slots=True)
class _Search:
    """One search for a rewrite. `seen`: the texts that have been judged, by lower case without spaces; `characters`:
    how long they were together, which bounds the time that a search can take."""

    catalogue: Catalogue
    agreement: Agreement
    accepts: Accepts
    seen: set[str]
    trials: int = 0
    characters: int = 0

    def repaired(self, text: str, finding: Finding, depth: int) -> tuple[str, Cure] | None:
        """An accepted query, and the cure that began it."""
        question = Question(text, finding, self.catalogue, self.agreement)
        refused: list[tuple[str, Finding, Cure]] = []
        for candidate, cure in self._fresh(question):
            obstacle = self._judge(candidate)
            if obstacle is None:
                return candidate, cure
            refused.append((candidate, obstacle, cure))
        for candidate, obstacle, cure in refused if depth < DEEPEST else ():
            if found := self.repaired(candidate, obstacle, depth + 1):
                return found[0], cure
        return None

    def _fresh(self, question: Question) -> Iterator[tuple[str, Cure]]:
        for cure in CURES:
            for candidate in _tried(cure, question) if question.finding.rule in cure.rules else ():
                key = "".join(candidate.split()).lower()
                if key not in self.seen and self.trials < MOST_TRIALS and self.characters < MOST_CHARACTERS:
                    self.seen.add(key)
                    yield candidate.strip(), cure

    def _judge(self, candidate: str) -> Finding | None:
        """The first finding that refuses a candidate; one that cannot even be judged is not offered."""
        self.trials += 1
        self.characters += len(candidate)
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
        return tuple(map(hinted, placed))
    search = _Search(catalogue, agreement, accepts, {"".join(text.split()).lower()})
    found = search.repaired(text, placed[0], 1)
    if found is None:
        return tuple(map(hinted, placed))
    rewrite, cure = found
    first = replace(placed[0], rewrite=rewrite, hint=placed[0].hint or cure.says or None)
    return tuple(map(hinted, (first, *placed[1:])))
