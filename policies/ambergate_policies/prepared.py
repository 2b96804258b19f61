"""What the kernel hands to whoever executes a query: texts for the engine, and what to do with their results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ambergate_policies import boundplan, certificates, clearing, postprocessing
from ambergate_policies.algebra.relations import Program, PublicProgram
from ambergate_policies.certificates import Certified
from ambergate_policies.clearing import ClearedTable
from ambergate_policies.packs import RulePack
from ambergate_policies.verdict import Finding, QueryRefused


@dataclass(frozen=True, slots=True)
class Demand:
    """What must hold of public data alone, earlier steps among it.

    `statement` gives one number; `require` refuses unless it is 0."""

    statement: str
    reads: dict[str, set[str]]
    finding: Finding

    def check_plan(self, plan_json: str, *, handed_over: bool = False) -> None:
        """Raises IntegrityError unless the engine understood the statement as the kernel did."""
        boundplan.check(plan_json, self.reads, handed_over=handed_over)

    def require(self, rows: Sequence[Sequence[object]]) -> None:
        """Raises QueryRefused with the demand's finding."""
        if [tuple(row) for row in rows] != [(0,)]:
            raise QueryRefused(self.finding)


@dataclass(frozen=True, slots=True)
class PreparedPublic:
    """A step over reference tables and earlier steps: one statement, nothing to clear. Its result has `o0`.. and the
    flags `s0`.. of suppressed cells that went into them. `single`: the refusal if it has more than one row."""

    table: str
    program: PublicProgram
    statement: str
    reads: dict[str, set[str]]
    demands: tuple[Demand, ...] = ()
    single: Finding | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the result's columns, as the researcher wrote them."""
        return self.program.names

    def check_plan(self, plan_json: str, *, handed_over: bool = False) -> None:
        """Raises IntegrityError unless the engine understood the statement as the kernel did."""
        boundplan.check(plan_json, self.reads, handed_over=handed_over)


@dataclass(frozen=True, slots=True)
class PreparedBoundary:
    """A step that clears, as texts for the engine: `certificate` first where there is one, then `recount` for the
    groups it could not prove (over a table `u` of their keys), or `statement` for everything. `reads`: what their
    plans may touch. `demands` are asked of public data before any of them; `single` is the refusal if the result has
    more than one row."""

    table: str
    program: Program
    pack: RulePack
    statement: str
    certificate: str | None
    recount: str | None
    reads: dict[str, set[str]]
    demands: tuple[Demand, ...] = ()
    single: Finding | None = None
    remainders: tuple[str, ...] = ()
    """For each of the boundary's margins, the statement of what it could give away, over a table `u` of shown keys."""
    rest: str | None = None
    """The statement of the totals without remainders of few persons, over the same table; None without margins."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the result's columns, as the researcher wrote them."""
        return tuple(output.name for output in self.program.outputs)

    def check_plan(self, plan_json: str, *, handed_over: bool = False) -> None:
        """Raises IntegrityError unless the engine understood the statement as the kernel did."""
        boundplan.check(plan_json, self.reads, handed_over=handed_over)

    def certify(self, rows: Sequence[Sequence[object]]) -> Certified:
        """Which groups the certificate's rows prove to be safe."""
        return certificates.certify(self.program.boundary, self.pack, rows)

    def clear(self, rows: Sequence[Sequence[object]]) -> ClearedTable:
        """The cleared table for the rows that the statement gave."""
        return clearing.clear(self.program.boundary, self.pack, rows)

    @property
    def post_statement(self) -> str:
        """The statement over the cleared table `c` that makes the researcher's columns."""
        return postprocessing.statement(self.program)


PreparedStep = PreparedBoundary | PreparedPublic


@dataclass(frozen=True, slots=True)
class Prepared:
    """A query that may run: its steps in order. Each may read the cleared tables of those before it, which the engine
    is given under the steps' names; the last one is the result."""

    steps: tuple[PreparedStep, ...]
    cohorts: tuple[str, ...] = ()
    """The ids of the cohort tables that are read."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the result's columns, as the researcher wrote them."""
        return self.steps[-1].columns
