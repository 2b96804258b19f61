"""The rules of disclosure control: one frozen record with one plain generator each, in one ordered tuple.

A rule sees one cell's statistics and says what it found, in words that hold a band and never the number. Silence means
no finding; an error inside a rule is caught by `judge` and suppresses the cell.
"""

from __future__ import annotations

from collections.abc import Iterator

from ambergate_policies.packs import RulePack
from ambergate_policies.rules import class_disclosure, degrees_of_freedom, dominance, threshold
from ambergate_policies.rules.rule import CellFinding, Rule
from ambergate_policies.statistics import Cell
from ambergate_policies.verdict import Decision

RULES: tuple[Rule, ...] = (threshold.RULE, dominance.RULE, class_disclosure.RULE, degrees_of_freedom.RULE)


def judge(cell: Cell, pack: RulePack) -> Iterator[CellFinding]:
    """Every finding on one cell, rule by rule. A rule that fails denies. After the threshold has suppressed a cell
    nothing more is said: which other rules fire on few persons would tell something of them."""
    for rule in RULES:
        try:
            findings = tuple(rule.check(cell, pack))
        except Exception:
            findings = (CellFinding(rule.id, Decision.SUPPRESS, "the rule could not be evaluated"),)
        yield from findings
        if rule is threshold.RULE and any(finding.action is Decision.SUPPRESS for finding in findings):
            return


__all__ = ["RULES", "CellFinding", "Rule", "judge"]
