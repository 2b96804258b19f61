"""Margins: a table of totals beside the table of its parts gives away the parts that are not shown.

Of a total and all but one of its parts, the one is what remains. So for every row of a coarser table the remainder is
cleared like a row of its own: all rows of persons whose group in the finer table was withheld for having few persons. A
measure of the total is shown only if the rules would show it of the remainder too, or if nothing remains; and not if
that measure was suppressed in one of the parts that are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from ambergate_policies.algebra.relations import Boundary, Margin
from ambergate_policies.clearing import ClearedTable, clear_cell
from ambergate_policies.packs import RulePack
from ambergate_policies.printing import OWNER, handed_over, quoted
from ambergate_policies.statistics import HEAD, NUMBERS, Statement, cell, is_presence
from ambergate_policies.verdict import Decision, Finding

SHOWN = "u"
"""The table of the keys of the rows that are shown, as the engine sees it."""
_T = TypeVar("_T")
Hidden = set[tuple[int, int]]
"""Cells by measure and row."""


def statement(boundary: Boundary, margin: Margin, minimum: int) -> str:
    """The statistics of the remainders, by the boundary's own keys; the columns are those of `statistics.statement`."""
    return _Remainder(boundary, margin, minimum).text()


class _Remainder(Statement):
    """Prints the statement over the rows whose finer group has few persons. No remainder stays behind for being small:
    its keys are those of rows that are shown."""

    def __init__(self, boundary: Boundary, margin: Margin, minimum: int) -> None:
        super().__init__(boundary, 1, SHOWN if boundary.keys else None)
        self.finer = Statement(replace(boundary, keys=(*boundary.keys, *margin.keys), margins=()), minimum)

    def base(self) -> str:
        finer = self.finer.keys[len(self.keys) :]
        few = (
            f"SELECT {', '.join(finer)} FROM a WHERE {quoted(OWNER)} IS NOT NULL GROUP BY {', '.join(finer)} "
            f"HAVING count(DISTINCT {quoted(OWNER)}) < {self.finer.minimum}"
        )
        same = " AND ".join(f"g.{name} IS NOT DISTINCT FROM f.{name}" for name in finer)
        text = f"SELECT g.* FROM a AS g SEMI JOIN ({few}) AS f ON {same}"
        if self.only is not None:
            text = f"SELECT g.* FROM ({text}) AS g SEMI JOIN {handed_over(self.only)} AS u ON {self.same_group('u')}"
        return f"a AS ({self.finer.rows(self.boundary.relation)}), base AS ({text})"


def every_key(boundary: Boundary) -> Boundary:
    """The boundary with the keys of its finer tables beside its own: all that its statements read."""
    further = dict.fromkeys(key for margin in boundary.margins for key in margin.keys)
    return replace(boundary, keys=tuple(dict.fromkeys((*boundary.keys, *further))))


def hidden(boundary: Boundary, pack: RulePack, cleared: ClearedTable, remainders: Sequence[Sequence[object]]) -> Hidden:
    """The cells of totals that would give a remainder away."""
    width = len(boundary.keys)
    places: dict[tuple[object, ...], int] = {(): 0}
    if width:
        places = {key: row for row, key in enumerate(zip(*cleared.keys, strict=True))}
    found: Hidden = set()
    for line in remainders:
        persons = line[HEAD + width]
        if not line[1] or not isinstance(persons, int) or persons == 0:
            continue
        row = places.get(tuple(line[HEAD : HEAD + width]))
        rows = range(cleared.groups) if row is None else [row]  # a key that does not equal itself: hide everywhere
        found |= {(index, row) for index in _refused(boundary, pack, persons, line) for row in rows}
    return found


def _refused(boundary: Boundary, pack: RulePack, persons: int, line: Sequence[object]) -> list[int]:
    """The measures of a remainder that the rules do not release."""
    first = HEAD + len(boundary.keys) + 1
    refused = []
    for index, aggregate in enumerate(boundary.aggregates):
        numbers = tuple(line[first + index * len(NUMBERS) : first + (index + 1) * len(NUMBERS)])
        presence = is_presence(boundary, aggregate)
        found = cell(aggregate, persons, numbers, presence=presence)  # type: ignore[arg-type]
        if persons < pack.threshold.minimum or clear_cell(found, pack).decision is not Decision.RELEASE:
            refused.append(index)
    return refused


def hidden_by_parts(margin: Margin, cleared: ClearedTable, parts: ClearedTable) -> Hidden:
    """The cells of totals of which a part was suppressed."""
    alike = len(parts.suppressed) == len(cleared.suppressed)
    rows_of: dict[tuple[object, ...], list[int]] = {}
    for part, key in enumerate(zip(*parts.keys, strict=True)):
        rows_of.setdefault(tuple(key[place] for place in margin.places), []).append(part)
    totals = list(zip(*cleared.keys, strict=True)) if cleared.keys else [()] * cleared.groups
    found: Hidden = set()
    for row, key in enumerate(totals):
        for part in rows_of.get(key, []):
            lost = [index for index, flags in enumerate(parts.suppressed) if flags[part]]
            found |= {(index, row) for index in (lost if alike else range(len(cleared.suppressed)) if lost else ())}
    return found


def without(cleared: ClearedTable, cells: Hidden, pack: RulePack) -> ClearedTable:
    """The table with further cells suppressed, and a finding that says so."""
    new = {(index, row) for index, row in cells if not cleared.suppressed[index][row]}
    if not new:
        return cleared
    number = "1 total" if len(new) == 1 else f"{len(new)} totals"
    finding = Finding(
        "margin",
        Decision.SUPPRESS,
        f"{number} suppressed: beside the parts that are shown they would give away parts that are not",
        hint="group by something coarser, so that no part is withheld or suppressed",
        clause=pack.reference,
    )
    return replace(
        cleared,
        measures=_changed(cleared.measures, new, None),
        suppressed=_changed(cleared.suppressed, new, True),
        held=_changed(cleared.held, new, False),
        findings=(*cleared.findings, finding),
    )


def _changed(columns: tuple[tuple[_T, ...], ...], cells: Hidden, value: _T) -> tuple[tuple[_T, ...], ...]:
    return tuple(
        tuple(value if (index, row) in cells else old for row, old in enumerate(column))
        for index, column in enumerate(columns)
    )
