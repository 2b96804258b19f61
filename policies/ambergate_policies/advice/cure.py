"""What a cure is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ambergate_policies.advice.question import Question


@dataclass(frozen=True, slots=True)
class Cure:
    """For one typical mistake: which rules refuse it, and the queries that may have been meant, likeliest first.
    `says` is the hint where the refusal itself has none.

    `rewrites` reads only the text and what is granted; it never knows data, and it need not be right: what it yields
    is judged by the kernel."""

    mistake: str
    rules: frozenset[str]
    rewrites: Callable[[Question], Iterator[str]]
    says: str = ""
