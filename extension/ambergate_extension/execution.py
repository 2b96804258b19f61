"""Executing a checked query: its steps one after the other, each cleared before the next may read it.

What comes out has the researcher's shape but has not been decided upon: recording and releasing are the pipeline's.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from ambergate_extension.engine.attachments import Attachment
from ambergate_policies import margins
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.algebra.relations import CLEARED
from ambergate_policies.certificates import UNCERTAIN, Certified
from ambergate_policies.clearing import ClearedTable
from ambergate_policies.cohorts import PreparedCohort
from ambergate_policies.errors import UserError
from ambergate_policies.postprocessing import measures_of
from ambergate_policies.prepared import Demand, Prepared, PreparedBoundary, PreparedPublic, PreparedStep
from ambergate_policies.statistics import MAX_GROUPS
from ambergate_policies.verdict import Decision, Finding, QueryRefused

Tables = Mapping[str, pa.Table]


class Engine(Protocol):
    """What the gate needs of an engine. `tables` are handed over beside the project's own, by name."""

    def plan(self, statement: str, tables: Tables = ...) -> str: ...
    def run(self, statement: str, tables: Tables = ...) -> pa.Table: ...
    def post(self, statement: str, tables: Tables) -> pa.Table: ...
    def attach(self, files: Sequence[Attachment], *, also: Collection[Attachment] = ...) -> None: ...
    def write(self, statement: str, place: str, tables: Tables, room: int) -> None: ...
    def close(self) -> None: ...


_HELD = Finding(
    "cohort", Decision.REFUSE, "a number that this table would be made with is held for output checking",
    hint="ask for the number by itself first; once it is released, write it into the query",
)  # fmt: skip


_HELD_STEP = Finding(
    "held", Decision.REFUSE, "a table that this query would be made of is held for output checking",
    hint="ask for that table by itself first",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shaped:
    """A result in the researcher's shape, before anybody has decided to release it.

    table, mask: same shape, true where suppressed. flagged: (row, column) of the cells that are held. evidence: for the
    checker, which rule holds what. hold: something on the way is held, so that nothing may leave yet."""

    table: pa.Table
    mask: pa.Table
    flagged: tuple[tuple[int, int], ...]
    evidence: tuple[dict[str, Any], ...]
    findings: tuple[Finding, ...]
    withheld_groups: int
    hold: bool


@dataclass(frozen=True, slots=True)
class _Outcome:
    """One step's result: columns `o0`.. with flags `s0`.., and what the rules had to say."""

    table: pa.Table
    held: tuple[tuple[int, int], ...] = ()
    evidence: tuple[dict[str, Any], ...] = ()
    findings: tuple[Finding, ...] = ()
    withheld_groups: int = 0
    hold: bool = False


class Execution:
    """One query's way through the engine. `ms`: time spent on checking plans, executing and clearing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._tables: dict[str, pa.Table] = {}
        self._cleared: dict[str, ClearedTable] = {}
        self.ms = {"check": 0.0, "execute": 0.0, "clear": 0.0}

    def result(self, prepared: Prepared) -> Shaped:
        """The result of the last step. Raises QueryRefused for an unmet demand and where an earlier step is held (what
        comes after would tell of the held values by refusing or not), EngineFailure, IntegrityError."""
        outcomes: list[_Outcome] = []
        for step in prepared.steps:
            if outcomes and outcomes[-1].hold:
                raise QueryRefused(_HELD_STEP)
            outcomes.append(self._outcome(step))
            self._tables[step.table] = outcomes[-1].table
            if step.single is not None and not outcomes[-1].hold and outcomes[-1].table.num_rows > 1:
                raise QueryRefused(step.single)
        return _shaped(prepared, outcomes)

    def before(self, prepared: PreparedCohort) -> Tables:
        """The cleared tables that a cohort table is made with. Raises QueryRefused where one of them is held."""
        for step in prepared.steps:
            outcome = self._outcome(step)
            if outcome.hold:
                raise QueryRefused(_HELD)
            self._tables[step.table] = outcome.table
        self._require(prepared.demands)
        return dict(self._tables)

    def _require(self, demands: Sequence[Demand]) -> None:
        for demand in demands:
            demand.require(rows(self._run(demand, demand.statement)))

    def _outcome(self, step: PreparedStep) -> _Outcome:
        self._require(step.demands)
        if isinstance(step, PreparedPublic):
            return _Outcome(_without_values(_bounded(self._run(step, step.statement)), len(step.columns)))
        statistics = self._statistics(step)
        cleared = self._without_margins(step, step.clear(rows(statistics)), statistics)
        self._cleared[step.table] = cleared
        with self._timed("clear"):
            return self._clear(step, statistics, cleared)

    def _run(self, step: PreparedStep | Demand, statement: str, more: Tables | None = None) -> pa.Table:
        """The rows of a statement whose bound plan reads what the kernel decided on."""
        tables = self._tables | dict(more or {})
        with self._timed("check"):
            step.check_plan(self._engine.plan(statement, tables), handed_over=bool(tables))
        with self._timed("execute"):
            return self._engine.run(statement, tables)

    def _statistics(self, step: PreparedBoundary) -> pa.Table:
        """The statistics to clear: proven where that is cheap, else counted exactly."""
        if step.certificate is None or step.recount is None:
            return self._run(step, step.statement)
        found = self._run(step, step.certificate)
        certified = step.certify(rows(found))
        if certified.uncertain is None:
            return self._run(step, step.statement)
        if not certified.uncertain:
            return found
        keys = {UNCERTAIN: _keys_arrow(certified.uncertain, found)}
        return _merged(found, certified, self._run(step, step.recount, keys))

    def _clear(self, step: PreparedBoundary, statistics: pa.Table, cleared: ClearedTable) -> _Outcome:
        tables = self._tables | {CLEARED: _cleared_arrow(step, statistics, cleared)}
        posted = self._engine.post(step.post_statement, tables)
        held = [_flags(posted, f"h{index}") for index in range(len(step.columns))]
        flagged = tuple((row, column) for column, flags in enumerate(held) for row, flag in enumerate(flags) if flag)
        evidence = _evidence(step, cleared, posted.column("g").to_pylist(), flagged)
        hold = bool(flagged) or any(finding.action is Decision.HOLD for finding in cleared.findings)
        table = _without_values(posted, len(step.columns))
        return _Outcome(table, flagged, evidence, cleared.findings, cleared.withheld_groups, hold)

    def _without_margins(self, step: PreparedBoundary, cleared: ClearedTable, statistics: pa.Table) -> ClearedTable:
        """The cleared table without totals that would give away what the finer tables beside it do not show."""
        boundary = step.program.boundary
        if not boundary.margins or (boundary.keys and not cleared.groups):
            return cleared
        keys = list(zip(*cleared.keys, strict=True))
        shown = {margins.SHOWN: _keys_arrow(keys, statistics)} if boundary.keys else {}
        remainders = [rows(self._run(step, statement, shown)) for statement in step.remainders]
        if step.rest is not None and any(margins.are_few(boundary, step.pack, lines) for lines in remainders):
            rest = rows(self._run(step, step.rest, shown))
            cleared = step.clear(margins.replaced(boundary, rows(statistics), rest))
        hidden: margins.Hidden = set()
        for margin, lines in zip(boundary.margins, remainders, strict=True):
            hidden |= margins.hidden_by_parts(margin, cleared, self._cleared[margin.table])
            hidden |= margins.hidden(boundary, step.pack, cleared, lines)
        return margins.without(cleared, hidden, step.pack)

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.ms[part] += (time.perf_counter() - began) * 1000


def _shaped(prepared: Prepared, outcomes: Sequence[_Outcome]) -> Shaped:
    """The last step's table under the researcher's names, with what the rules had to say of every step."""
    last, names = outcomes[-1], list(prepared.columns)
    table = pa.table([last.table.column(f"o{index}") for index in range(len(names))], names=names)
    mask = pa.table([last.table.column(f"s{index}") for index in range(len(names))], names=names)
    return Shaped(
        table,
        mask,
        last.held,
        last.evidence,
        tuple(dict.fromkeys(finding for outcome in outcomes for finding in outcome.findings)),
        sum(outcome.withheld_groups for outcome in outcomes),
        last.hold,
    )


def _bounded(table: pa.Table) -> pa.Table:
    if table.num_rows > MAX_GROUPS:
        raise UserError(f"the result has more than {MAX_GROUPS} rows; ask for fewer")
    return table


def rows(table: pa.Table) -> list[tuple[Any, ...]]:
    """The rows of a table as plain values."""
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


_ARROW = {Kind.INT: pa.int64(), Kind.NUM: pa.float64(), Kind.DATE: pa.date32()}


def _keys_arrow(keys: list[tuple[object, ...]], found: pa.Table) -> pa.Table:
    """The keys of the groups to recount, in the engine's own types."""
    width = len(keys[0])
    columns = {
        f"k{index}": pa.array([key[index] for key in keys], found.column(f"k{index}").type) for index in range(width)
    }
    return pa.table(columns)


def _merged(found: pa.Table, certified: Certified, recounted: pa.Table) -> pa.Table:
    """The proven groups and the recounted ones in one table, with all withheld groups counted."""
    exact = [row for row in rows(recounted) if row[1]]
    again = recounted.column("withheld")[0].as_py() if recounted.num_rows else 0
    withheld = certified.withheld + int(again or 0)
    merged = [(withheld, *row[1:]) for row in (*certified.rows, *exact)] or [
        (withheld, *[None] * (found.num_columns - 1))
    ]
    columns = [pa.array([row[index] for row in merged], field.type) for index, field in enumerate(found.schema)]
    return pa.table(columns, names=found.column_names)


def _cleared_arrow(step: PreparedBoundary, statistics: pa.Table, cleared: ClearedTable) -> pa.Table:
    """The cleared table as the scratch engine reads it: keys in their own types, measures and flags."""
    boundary = step.program.boundary
    columns: dict[str, pa.Array] = {"g": pa.array(range(cleared.groups), pa.int64())}
    for index, values in enumerate(cleared.keys):
        columns[f"k{index}"] = pa.array(values, statistics.column(f"k{index}").type)
    for index, aggregate in enumerate(boundary.aggregates):
        columns[f"m{index}"] = pa.array(cleared.measures[index], _ARROW[aggregate.kind])
        columns[f"s{index}"] = pa.array(cleared.suppressed[index], pa.bool_())
        columns[f"h{index}"] = pa.array(cleared.held[index], pa.bool_())
    return pa.table(columns)


def _evidence(
    step: PreparedBoundary, cleared: ClearedTable, groups: list[int], flagged: tuple[tuple[int, int], ...]
) -> tuple[dict[str, Any], ...]:
    """For the checker: which rule holds each flagged cell, and why."""
    found = []
    for row, column in flagged:
        for index in measures_of(step.program, step.program.outputs[column].expression):
            for finding in cleared.evidence[index][groups[row]]:
                found.append(finding.to_json() | {"cell": [row, column]})
    return tuple(found)


def _flags(table: pa.Table, name: str) -> list[bool]:
    return [bool(value) for value in table.column(name).to_pylist()]


def _without_values(table: pa.Table, width: int) -> pa.Table:
    """A step's outputs and flags, every suppressed cell NULL whatever the expression made of it (coalesce, CASE)."""
    flags = [_flags(table, f"s{index}") for index in range(width)]
    columns = {f"o{index}": _masked(table.column(f"o{index}"), flags[index]) for index in range(width)}
    return pa.table(columns | {f"s{index}": pa.array(flags[index], pa.bool_()) for index in range(width)})


def _masked(column: pa.ChunkedArray, suppressed: list[bool]) -> pa.Array:
    values = column.to_pylist()
    return pa.array([None if hide else value for value, hide in zip(values, suppressed, strict=True)], column.type)
