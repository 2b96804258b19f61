"""What a rule is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ambergate_policies.packs import RulePack
from ambergate_policies.statistics import Cell
from ambergate_policies.verdict import Decision


@dataclass(frozen=True, slots=True)
class CellFinding:
    """One rule's word on one cell. `reason` is the same for every cell that the rule fires on for the same cause."""

    rule: str
    action: Decision
    reason: str

    def to_json(self) -> dict[str, str]:
        """For the checker's page: the rule and why, never the number."""
        return {"rule": self.rule, "message": self.reason}


@dataclass(frozen=True, slots=True)
class Rule:
    """`source` is where the rule is published."""

    id: str
    title: str
    source: str
    check: Callable[[Cell, RulePack], Iterator[CellFinding]]
