"""Findings and decisions: what a rule saw, where in the researcher's text, and what that means for the query."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from ambergate_policies.errors import Refused


class Decision(IntEnum):
    """Ordered: the worst finding wins. Never compare decisions by their spelling."""

    RELEASE = 0
    SUPPRESS = 1
    HOLD = 2
    REFUSE = 3

    @property
    def verdict(self) -> str:
        """The word for the whole query: a table with suppressed cells is a released table."""
        return ("released", "released", "held", "refused")[self]


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of characters in the researcher's text; line and column count from 1."""

    start: int
    end: int
    line: int
    column: int

    @classmethod
    def within(cls, text: str, start: int, end: int) -> Span:
        start = max(0, min(start, len(text)))
        line = text.count("\n", 0, start) + 1
        return cls(start, max(start, min(end, len(text))), line, start - (text.rfind("\n", 0, start) + 1) + 1)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that one rule has to say. `message` and `hint` are for people; code decides on `rule` alone.

    `rewrite`: a query that the kernel accepts, made from the researcher's own, where one is known."""

    rule: str
    action: Decision
    message: str
    span: Span | None = None
    fragment: str | None = None
    hint: str | None = None
    clause: str | None = None
    rewrite: str | None = None

    def to_json(self) -> dict[str, str | int | None]:
        """A flat record. `line` and `column` are null where the finding is about the result as a whole."""
        return {
            "rule": self.rule,
            "message": self.message,
            "line": self.span.line if self.span else None,
            "column": self.span.column if self.span else None,
            "fragment": self.fragment,
            "hint": self.hint,
            "clause": self.clause,
            "rewrite": self.rewrite,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision on one query with everything that led to it."""

    findings: tuple[Finding, ...] = field(default=())

    @property
    def decision(self) -> Decision:
        return max((finding.action for finding in self.findings), default=Decision.RELEASE)


class QueryRefused(Refused):
    """The kernel will not let this query run. `findings` holds at least one finding that refuses."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__("; ".join(finding.message for finding in findings))
        self.findings = findings
