"""Runs of random statements through both readers, and what was seen."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.fuzz.seethrough import Pair, Seen, compare
from tests.fuzz.statements import Writer

__all__ = ["Tally", "compare", "run", "texts"]
WRONG = frozenset({"different", "stopped"})
"""The words that no statement may earn."""


@dataclass
class Tally:
    """Words seen, and the statements that earned a wrong one."""

    words: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    wrong: list[tuple[str, Seen]] = field(default_factory=list)
    unread: list[tuple[str, Seen]] = field(default_factory=list)

    def add(self, text: str, seen: Seen) -> None:
        self.words[seen.word] += 1
        if seen.word == "refused":
            self.rules[seen.detail] += 1
        if seen.word in WRONG:
            self.wrong.append((text, seen))
        if seen.word == "unread":
            self.unread.append((text, seen))


def run(pair: Pair, seed: int, number: int) -> Tally:
    """So many random statements from one seed."""
    tally = Tally()
    for text in texts(seed, number):
        tally.add(text, pair.ask(text))
    return tally


def texts(seed: int, number: int) -> Iterator[str]:
    writer = Writer(random.Random(seed))
    return (writer.statement() for _ in range(number))
