"""The policy kernel's door: one query under one agreement. Text in; statements, reads and the way to clear out.

The order of things (policy-kernel, section 6): parse, resolve, authorise, type, instrument happen in `prepare`; the
caller executes the statement in the engine and hands the rows to `Prepared.clear`; then it records, then releases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from ambergate_policies import boundplan, certificates, clearing, postprocessing, public, statistics
from ambergate_policies.agreement import Agreement
from ambergate_policies.algebra.relations import Program, PublicProgram, scans
from ambergate_policies.catalogue import Catalogue, Role
from ambergate_policies.certificates import UNCERTAIN, Certified
from ambergate_policies.clearing import ClearedTable
from ambergate_policies.errors import UserError
from ambergate_policies.lowering.fanout import FanOut
from ambergate_policies.lowering.query import lower
from ambergate_policies.lowering.text import Reading
from ambergate_policies.packs import RulePack
from ambergate_policies.verdict import Decision, Finding, QueryRefused


@dataclass(frozen=True, slots=True)
class PreparedPublic:
    """A query over reference tables: one statement, nothing to clear."""

    columns: tuple[str, ...]
    statement: str
    reads: dict[str, set[str]]

    def check_plan(self, plan_json: str) -> None:
        """Raises IntegrityError unless the engine understood the statement as the kernel did."""
        boundplan.check(plan_json, self.reads)


@dataclass(frozen=True, slots=True)
class Demand:
    """What must hold of public data alone. `statement` gives one number; `require` refuses unless it is 0."""

    statement: str
    reads: dict[str, set[str]]
    finding: Finding

    def check_plan(self, plan_json: str) -> None:
        """Raises IntegrityError unless the engine understood the statement as the kernel did."""
        boundplan.check(plan_json, self.reads)

    def require(self, rows: Sequence[Sequence[object]]) -> None:
        """Raises QueryRefused with the demand's finding."""
        if [tuple(row) for row in rows] != [(0,)]:
            raise QueryRefused(self.finding)


def _demand(fan_out: FanOut) -> Demand:
    if any(scan.owner is not None for scan in scans(fan_out.public)):
        raise QueryRefused(fan_out.finding)
    return Demand(fan_out.statement(), statistics.reads(fan_out.public, fan_out.expressions()), fan_out.finding)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A query that may run, as texts for the engine: `certificate` first where there is one, then `recount` for the
    groups it could not prove (over a table `u` of their keys), or `statement` for everything. `reads`: what their
    plans may touch. `demands` are asked of public data before any of them."""

    program: Program
    pack: RulePack
    statement: str
    certificate: str | None
    recount: str
    reads: dict[str, set[str]]
    demands: tuple[Demand, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the result's columns, as the researcher wrote them."""
        return tuple(output.name for output in self.program.outputs)

    def check_plan(self, plan_json: str, *, recount: bool = False) -> None:
        """Raises IntegrityError unless the engine understood the statement as the kernel did."""
        boundplan.check(plan_json, self.reads, keys=recount)

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


@dataclass(frozen=True, slots=True)
class Kernel:
    """One agreement's kernel. Raises UserError when agreement and catalogue do not fit each other."""

    catalogue: Catalogue
    agreement: Agreement
    pack: RulePack

    def __post_init__(self) -> None:
        problems = list(mismatches(self.catalogue, self.agreement))
        if problems:
            raise UserError("; ".join(problems))

    def prepare(self, text: str, *, account: str | None, on: date) -> Prepared | PreparedPublic:
        """Check one query of one person on one day. Raises QueryRefused with findings that say what to change.

        account: None for an administrator's trial of the agreement (`ambergate replay`)."""
        self.authorise(account, on)
        try:
            lowered = lower(Reading(text, on), self.catalogue, self.agreement)
            if isinstance(lowered.program, PublicProgram):
                return _prepared_public(lowered.program)
            return self._prepared(lowered.program, lowered.fan_outs)
        except RecursionError:
            finding = Finding("size", Decision.REFUSE, "the query is nested too deeply", hint="use WITH, or IN (...)")
            raise QueryRefused(finding) from None

    def _prepared(self, program: Program, fan_outs: tuple[FanOut, ...]) -> Prepared:
        boundary, minimum = program.boundary, self.pack.threshold.minimum
        return Prepared(
            program,
            self.pack,
            statement=statistics.statement(boundary, minimum),
            certificate=certificates.statement(boundary, minimum),
            recount=statistics.statement(boundary, minimum, only=UNCERTAIN),
            reads=statistics.reads(boundary.relation, statistics.all_expressions(boundary)),
            demands=tuple(_demand(fan_out) for fan_out in fan_outs),
        )

    def authorise(self, account: str | None, on: date) -> None:
        """Raises QueryRefused unless the agreement lets this account in on this day."""
        agreement, terms = self.agreement, self.agreement.terms
        if agreement.suspended:
            raise _refused("suspended", f"agreement {agreement.agreement} is suspended", terms.clause)
        if not terms.in_force(on):
            message = f"agreement {agreement.agreement} is in force from {terms.start} to {terms.end} only"
            raise _refused("not-in-force", message, terms.clause)
        if account is not None and agreement.person(account) is None:
            raise _refused("not-named", f"this account is not named on agreement {agreement.agreement}", "parties")


def _prepared_public(program: PublicProgram) -> PreparedPublic:
    if any(scan.owner is not None for scan in scans(program.relation)):
        raise _refused("row-level", "a table about persons cannot be read as a reference table", "data")
    reads = statistics.reads(program.relation, statistics.within(program.relation))
    return PreparedPublic(program.names, public.statement(program), reads)


def _refused(rule: str, message: str, clause: str) -> QueryRefused:
    return QueryRefused(Finding(rule, Decision.REFUSE, message, hint="ask the data centre", clause=clause))


def mismatches(catalogue: Catalogue, agreement: Agreement) -> Sequence[str]:
    """What an agreement grants that its catalogue does not have, one line each."""
    problems = []
    if agreement.data.catalogue != catalogue.catalogue:
        problems.append(f"the agreement is over catalogue {agreement.data.catalogue!r}, not {catalogue.catalogue!r}")
    for grant in agreement.data.tables:
        table = catalogue.tables.get(grant.table)
        if table is None:
            problems.append(f"clause {grant.clause}: the catalogue has no table {grant.table!r}")
            continue
        extra = [grant.period.column] if grant.period else []
        extra += [grant.cohort.column] if grant.cohort else []
        for name in (*grant.columns, *extra):
            column = table.columns.get(name)
            if column is None:
                problems.append(f"clause {grant.clause}: {grant.table} has no column {name!r}")
            elif column.role is Role.IDENTIFIER:
                problems.append(f"clause {grant.clause}: {grant.table}.{name} identifies people and cannot be granted")
    return problems
