"""Threshold: a cell must rest on enough distinct persons, and so must the rest of its group.

Counts of persons, never of rows: twelve episodes of one patient are one person. For a condition the complement is as
disclosive as the count itself: 99 of 100 says as much about one person as 1 of 100. And nobody is disclosive like few:
who may ask any question learns from a zero, beside a suppressed cell, what is true of one person.
"""

from __future__ import annotations

from collections.abc import Iterator

from ambergate_policies.packs import RulePack
from ambergate_policies.rules.rule import CellFinding, Rule
from ambergate_policies.statistics import Cell


def check(cell: Cell, pack: RulePack) -> Iterator[CellFinding]:
    minimum = pack.threshold.minimum
    least = 0 if pack.threshold.zeros == "suppress" else 1
    parts = [
        (cell.persons, "persons in the group", least),
        (cell.domain, "persons with a value", least),
        (cell.contributing, "persons contribute", least),
    ]
    if cell.complement is not None:
        without = cell.domain - cell.contributing
        least = 1 if cell.presence else least
        parts += [
            (cell.complement, "persons are left out by the condition", least),
            (without, "persons are without what the condition asks for", least),
        ]
    for count, what, lowest in parts:
        if lowest <= count < minimum:
            yield CellFinding(RULE.id, pack.threshold.action.decision, f"fewer than {minimum} {what}")
            return


RULE = Rule(
    "threshold",
    "Fewest distinct persons behind a cell",
    "NHS England HES analysis guide; Handbook on SDC for outputs (2019), section 3",
    check,
)
