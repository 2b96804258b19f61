"""Clearing: from a boundary's statistics to a cleared table, cell by cell, with a mask and what was found.

The input is what the engine computed for `statistics.statement`; the output is all that may be built upon. Row order
carries nothing: the groups are sorted by the post-processing statement.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ambergate_policies import rounding
from ambergate_policies.algebra.expressions import Measure
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.algebra.relations import Boundary
from ambergate_policies.errors import UserError
from ambergate_policies.packs import RulePack
from ambergate_policies.rules import judge
from ambergate_policies.rules.rule import CellFinding
from ambergate_policies.statistics import HEAD, MAX_GROUPS, NUMBERS, WINDOWED, Cell, cell, is_presence
from ambergate_policies.verdict import Decision, Finding

Value = object


@dataclass(frozen=True, slots=True)
class ClearedCell:
    """One measure of one group after the rules. `value` is None when it is suppressed or does not exist."""

    value: rounding.Shown
    decision: Decision
    findings: tuple[CellFinding, ...]


@dataclass(frozen=True, slots=True)
class ClearedTable:
    """Columns by the names of `relations.CLEARED`: keys as the engine gave them, measures after the rules.

    `suppressed`, `held` and `evidence` (what was found) are aligned with `measures`: per measure, per group."""

    keys: tuple[tuple[Value, ...], ...]
    measures: tuple[tuple[rounding.Shown, ...], ...]
    suppressed: tuple[tuple[bool, ...], ...]
    held: tuple[tuple[bool, ...], ...]
    evidence: tuple[tuple[tuple[CellFinding, ...], ...], ...]
    groups: int
    withheld_groups: int
    findings: tuple[Finding, ...]


def clear(boundary: Boundary, pack: RulePack, rows: Sequence[Sequence[Value]]) -> ClearedTable:
    """Put every cell of a boundary through the pack. `rows` as described at `statistics.statement`."""
    present = [row for row in rows if row[1]]
    if len(present) > MAX_GROUPS:
        raise UserError(f"the result has more than {MAX_GROUPS} groups; group by something coarser")
    width = len(boundary.keys)
    keys = tuple(tuple(row[HEAD + index] for row in present) for index in range(width))
    cleared = [_clear_column(boundary, index, pack, present) for index in range(len(boundary.aggregates))]
    withheld = _as_int(rows[0][0]) if rows else 0
    return ClearedTable(
        keys=keys,
        measures=tuple(tuple(item.value for item in column) for column in cleared),
        suppressed=tuple(tuple(item.decision is Decision.SUPPRESS for item in column) for column in cleared),
        held=tuple(tuple(item.decision is Decision.HOLD for item in column) for column in cleared),
        evidence=tuple(tuple(item.findings for item in column) for column in cleared),
        groups=len(present),
        withheld_groups=banded(withheld, pack),
        findings=(*_findings(cleared, withheld, pack), *_meanings(boundary, pack)),
    )


def banded(withheld: int, pack: RulePack) -> int:
    """How many groups were withheld, rounded up: the exact number would move with a single person."""
    base = max(pack.rounding.base, 5)
    return math.ceil(withheld / base) * base


def _clear_column(boundary: Boundary, index: int, pack: RulePack, rows: list[Sequence[Value]]) -> list[ClearedCell]:
    aggregate = boundary.aggregates[index]
    persons_at = HEAD + len(boundary.keys)
    first = persons_at + 1 + index * len(NUMBERS)
    presence = is_presence(boundary, aggregate)
    column = []
    for row in rows:
        numbers = tuple(row[first : first + len(NUMBERS)])
        persons = _as_int(row[persons_at])
        found = cell(aggregate, persons, numbers, presence=presence)  # type: ignore[arg-type]
        column.append(clear_cell(found, pack))
    return column


def clear_cell(statistics: Cell, pack: RulePack) -> ClearedCell:
    """One cell. What any rule suppresses is gone, for the checker too, and so needs no checker; else the worst finding
    decides. A held cell keeps its value, for the checker's eyes only."""
    findings = tuple(judge(statistics, pack))
    actions = {finding.action for finding in findings}
    decision = Decision.SUPPRESS if Decision.SUPPRESS in actions else max(actions, default=Decision.RELEASE)
    value = None if decision is Decision.SUPPRESS else rounding.value(statistics, pack.rounding)
    return ClearedCell(value, decision, findings)


def _findings(columns: list[list[ClearedCell]], withheld: int, pack: RulePack) -> list[Finding]:
    """One finding per rule and reason, for the table as a whole."""
    counts: Counter[CellFinding] = Counter()
    for column in columns:
        for item in column:
            counts.update(finding for finding in item.findings if finding.action is item.decision)
    found = []
    for finding, number in sorted(counts.items(), key=lambda item: (-item[0].action, item[0].rule, item[0].reason)):
        word = "held for an output checker" if finding.action is Decision.HOLD else "suppressed"
        cells = "1 cell" if number == 1 else f"{number} cells"
        message = f"{cells} {word}: {finding.reason}"
        found.append(
            Finding(finding.rule, finding.action, message, hint=_HINTS.get(finding.rule), clause=pack.reference)
        )
    if withheld:
        message = f"groups of fewer than {pack.threshold.minimum} persons were withheld altogether"
        hint = "group by something coarser (a band, a region, a year) to see them"
        found.append(Finding("threshold", Decision.SUPPRESS, message, hint=hint, clause=pack.reference))
    if pack.rounding.method != "none" and any(columns):
        message = f"counts are rounded ({pack.rounding.method}, base {pack.rounding.base}); ratios use rounded parts"
        found.append(Finding("rounding", Decision.RELEASE, message, clause=pack.reference))
    found += [Finding("sensitivity", Decision.RELEASE, reason, clause=pack.reference) for reason in pack.reasons]
    return found


def _meanings(boundary: Boundary, pack: RulePack) -> Iterator[Finding]:
    """What the query's own words mean here, where that is not what they mean elsewhere."""
    if any(aggregate.measure in WINDOWED for aggregate in boundary.aggregates):
        message = f"minimum, maximum and percentiles are means of blocks of {pack.threshold.minimum} or more persons"
        yield Finding("meaning", Decision.RELEASE, message, clause=pack.reference)
    if boundary.margins:
        message = f"totals leave out finer groups where those hold fewer than {pack.threshold.minimum} persons together"
        yield Finding("meaning", Decision.RELEASE, message, clause=pack.reference)
    if any(aggregate.kind is Kind.DATE for aggregate in boundary.aggregates):
        message = "dates are shown as the first day of their month"
        yield Finding("meaning", Decision.RELEASE, message, clause=pack.reference)
    if any(aggregate.measure is Measure.DISTINCT for aggregate in boundary.aggregates):
        message = f"different values are those that {pack.threshold.minimum} persons or more have"
        yield Finding("meaning", Decision.RELEASE, message, clause=pack.reference)


_HINTS = {
    "threshold": "group by something coarser, or widen the condition, so that more persons stand behind each cell",
    "dominance": "use coarser groups, a median, or cap the value with least(value, limit)",
    "class-disclosure": "group by something coarser, or drop the condition",
    "degrees-of-freedom": "use coarser groups",
}


def _as_int(value: Value) -> int:
    return int(value) if isinstance(value, int) else 0
