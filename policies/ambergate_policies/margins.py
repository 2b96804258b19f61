"""Margins: a table of totals beside the table of its parts gives away the parts that are not shown.

Of a total and all but one of its parts, the one is what remains. So for every row of a coarser table the remainder is
cleared like a row of its own: all rows of persons whose group in the finer table was withheld for having few persons.

- A remainder of enough persons: a measure of the total is shown only if the rules would show it of the remainder too.
- A remainder of few persons is left out of the total, which is then one of the parts that are shown. To hide the total
  would tell that there is a remainder: whether one person is in it, or nobody. So nobody and few look alike.
- A measure that was suppressed in one of the parts that are shown is suppressed in the total.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from ambergate_policies.algebra.expressions import Expression
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


def rest(boundary: Boundary, minimum: int) -> str:
    """The statistics of the totals without their remainders of few persons; the columns are those of
    `statistics.statement`."""
    return _Rest(boundary, minimum).text()


class _Marked(Statement):
    """Prints statements over rows that are marked: `n<i>` says that a row is not in what the table of the margin i
    shows, because its group has few persons, or because it was left out there. The finest table is marked first."""

    def __init__(self, boundary: Boundary, minimum: int) -> None:
        super().__init__(boundary, 1, SHOWN if boundary.keys else None, ranged=False)
        every = every_key(boundary)
        self.finest = Statement(replace(every, margins=()), minimum)
        self.named = dict(zip(every.keys, self.finest.keys, strict=True))

    def base(self) -> str:
        text = f"SELECT g.* FROM ({self.marked()}) AS g WHERE {self.chosen()}"
        if self.only is not None:
            text = f"SELECT g.* FROM ({text}) AS g SEMI JOIN {handed_over(self.only)} AS u ON {self.same_group('u')}"
        return f"base AS ({text})"

    def chosen(self) -> str:
        """The marked rows `g` that the statement is about."""
        raise NotImplementedError

    def marked(self) -> str:
        """The rows with their marks, and `gone`: in a remainder of few persons of the boundary's own table."""
        margins = self.boundary.margins
        text = f"SELECT * FROM ({self.finest.rows(self.boundary.relation)}) AS g WHERE g.{quoted(OWNER)} IS NOT NULL"
        for index in sorted(range(len(margins)), key=lambda place: -len(margins[place].keys)):
            mine = margins[index].keys
            finer = [place for place, other in enumerate(margins) if set(mine) < set(other.keys)]
            few = f"{self._persons(mine)} < {self.finest.minimum}"
            text = f"SELECT g.*, ({' OR '.join([few, *self._gone(mine, finer)])}) AS n{index} FROM ({text}) AS g"
        gone = self._gone(self.boundary.keys, list(range(len(margins))))
        return f"SELECT g.*, ({' OR '.join(gone)}) AS gone FROM ({text}) AS g"

    def _gone(self, keys: Sequence[Expression], finer: Sequence[int]) -> list[str]:
        """For each finer table: not shown there, and so are few persons of the same group."""
        return [f"(g.n{index} AND {self._persons(keys, f'n{index}')} < {self.finest.minimum})" for index in finer]

    def _persons(self, keys: Sequence[Expression], mark: str | None = None) -> str:
        person = f"g.{quoted(OWNER)}" if mark is None else f"CASE WHEN g.{mark} THEN g.{quoted(OWNER)} END"
        partition = f"PARTITION BY {', '.join(f'g.{self.named[key]}' for key in keys)}" if keys else ""
        return f"count(DISTINCT {person}) OVER ({partition})"


class _Remainder(_Marked):
    """No remainder stays behind for being small: its keys are those of rows that are shown."""

    def __init__(self, boundary: Boundary, margin: Margin, minimum: int) -> None:
        super().__init__(boundary, minimum)
        self.mark = f"n{boundary.margins.index(margin)}"

    def chosen(self) -> str:
        return f"g.{self.mark}"


class _Rest(_Marked):
    """The rows that are in no remainder of few persons."""

    def chosen(self) -> str:
        return "NOT g.gone"


def every_key(boundary: Boundary) -> Boundary:
    """The boundary with the keys of its finer tables beside its own: all that its statements read."""
    further = dict.fromkeys(key for margin in boundary.margins for key in margin.keys)
    return replace(boundary, keys=tuple(dict.fromkeys((*boundary.keys, *further))))


def are_few(boundary: Boundary, pack: RulePack, remainders: Sequence[Sequence[object]]) -> bool:
    """Whether some remainder has persons, and fewer than may be shown."""
    persons = [line[HEAD + len(boundary.keys)] for line in remainders if line[1]]
    return any(isinstance(number, int) and 0 < number < pack.threshold.minimum for number in persons)


def replaced(
    boundary: Boundary, totals: Sequence[Sequence[object]], others: Sequence[Sequence[object]]
) -> list[Sequence[object]]:
    """The statistics of totals with those of `others` in their place, by key. What has none is a total of nobody."""
    width = HEAD + len(boundary.keys)
    found = {repr(line[HEAD:width]): line for line in others if line[1]}
    return [
        (*total[:width], *_measured(total, found.get(repr(total[HEAD:width])), width)) if total[1] else total
        for total in totals
    ]


def _measured(total: Sequence[object], other: Sequence[object] | None, width: int) -> Sequence[object]:
    return other[width:] if other is not None else (0, *[None] * (len(total) - width - 1))


def hidden(boundary: Boundary, pack: RulePack, cleared: ClearedTable, remainders: Sequence[Sequence[object]]) -> Hidden:
    """The cells of totals that would give a remainder away."""
    width = len(boundary.keys)
    places: dict[tuple[object, ...], int] = {(): 0}
    if width:
        places = {key: row for row, key in enumerate(zip(*cleared.keys, strict=True))}
    found: Hidden = set()
    for line in remainders:
        persons = line[HEAD + width]
        if not line[1] or not isinstance(persons, int) or persons < pack.threshold.minimum:
            continue  # nobody, or few who are left out of the total
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
        if clear_cell(found, pack).decision is not Decision.RELEASE:
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
