"""The policy kernel's door: one query under one agreement. Text in; statements, reads and the way to clear out.

The order of things (policy-kernel, section 6): parse, resolve, authorise, type, instrument happen in `prepare`; the
caller executes the statement in the engine and hands the rows to what was prepared; then it records, then releases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlglot import exp

from ambergate_policies import certificates, margins, public, statistics
from ambergate_policies.advice import Accepts, Shown, advised, explained, remarks
from ambergate_policies.agreement import Agreement, Purpose
from ambergate_policies.algebra.relations import Program, PublicProgram, Relation, scans
from ambergate_policies.authorisation import Session, obstacle, pack_obstacle
from ambergate_policies.catalogue import Catalogue
from ambergate_policies.certificates import UNCERTAIN
from ambergate_policies.cohorts import Cohorts, PreparedCohort, PreparedDrop
from ambergate_policies.column_use import misuse
from ambergate_policies.errors import UserError
from ambergate_policies.fitting import mismatches
from ambergate_policies.granting import denial
from ambergate_policies.lowering.cohort import KnownCohorts, define
from ambergate_policies.lowering.creation import Creation, Removal, check_name, dropped, statement_of
from ambergate_policies.lowering.fanout import FanOut
from ambergate_policies.lowering.growth import require_bounded, require_bounded_rows
from ambergate_policies.lowering.lineage import Lineage
from ambergate_policies.lowering.query import Step, lower
from ambergate_policies.lowering.text import Reading
from ambergate_policies.metadata import described
from ambergate_policies.packs import RulePack
from ambergate_policies.prepared import Demand, Prepared, PreparedBoundary, PreparedPublic, PreparedStep
from ambergate_policies.strictness import effective
from ambergate_policies.verdict import Decision, Finding, QueryRefused


@dataclass(frozen=True, slots=True)
class Kernel:
    """One agreement's kernel. Raises UserError when agreement and catalogue do not fit each other."""

    catalogue: Catalogue
    agreement: Agreement
    pack: RulePack

    def __post_init__(self) -> None:
        if problems := list(mismatches(self.catalogue, self.agreement)):
            raise UserError("; ".join(problem.text for problem in problems))

    def prepare(
        self,
        text: str,
        *,
        account: str | None,
        on: date,
        purpose: str | None = None,
        territory: str | None = None,
        cohorts: Cohorts | None = None,
    ) -> Prepared:
        """Check one query of one person on one day. Raises QueryRefused with findings that say what to change.

        account, purpose, territory: see `authorisation.Session`. cohorts: the project's cohort tables."""
        found = self.understand(Session(account, purpose, territory), text, on, cohorts or Cohorts())
        if not isinstance(found, Prepared):
            finding = Finding("statement", Decision.REFUSE, "only SELECT is possible here", hint="ask a question")
            raise QueryRefused(finding)
        return found

    def understand(
        self, session: Session, text: str, on: date, cohorts: Cohorts
    ) -> Prepared | PreparedCohort | PreparedDrop:
        """Check one statement: a query, or the making or dropping of a cohort table. Raises QueryRefused."""
        purpose = self.authorise(session, on)
        try:
            reading = Reading(text, on)
            known = KnownCohorts(cohorts, self.catalogue, self.agreement)
            written = statement_of(reading)
            if isinstance(written, Removal):
                return PreparedDrop(written.name, dropped(reading, written, self.catalogue, cohorts))
            if written is not None:
                return self._creation(reading, written, known, purpose)
            if (answer := described(reading, self.catalogue, self.agreement, purpose, known.columns)) is not None:
                return Prepared((_prepared_public(Step("t1", answer, ()), answer, ()),), ())
            steps = lower(reading, self.catalogue, self.agreement, known)
            return Prepared(self._steps(reading, steps, known, purpose), tuple(known.used.values()))
        except RecursionError:
            finding = Finding("size", Decision.REFUSE, "the query is nested too deeply", hint="use WITH, or IN (...)")
            raise QueryRefused(finding) from None

    def advised(self, refusal: QueryRefused, session: Session, text: str, on: date, cohorts: Cohorts) -> QueryRefused:
        """The same refusal, with what is known of how to ask instead: a place for each finding, and for the first a
        rewrite that `understand` accepts."""

        judge = self._judge(session, on, cohorts)
        return QueryRefused(*advised(text, refusal.findings, self.catalogue, self.agreement, judge))

    def commented(
        self, findings: tuple[Finding, ...], shown: Shown, session: Session, text: str, on: date, cohorts: Cohorts
    ) -> tuple[Finding, ...]:
        """The findings on a result, with what would pass where something was suppressed, and remarks on the text."""
        judge = self._judge(session, on, cohorts)
        found = explained(text, findings, shown, self.catalogue, self.agreement, judge)
        return (*found, *remarks(text, on, self.pack.threshold.minimum))

    def _judge(self, session: Session, on: date, cohorts: Cohorts) -> Accepts:
        """What a rewrite must pass: `understand`, as the session itself would."""

        def judge(candidate: str) -> Finding | None:
            try:
                self.understand(session, candidate, on, cohorts)
            except QueryRefused as refused:
                return refused.findings[0]
            return None

        return judge

    def _creation(self, reading: Reading, written: Creation, known: KnownCohorts, purpose: Purpose) -> PreparedCohort:
        check_name(written, reading, self.catalogue, known.cohorts)
        definition, body = define(reading, written.body, self.catalogue, self.agreement, known)
        self._require_granted(reading, body.relation, known, purpose)
        require_bounded_rows(reading, body.relation)
        self._require_used_as_granted(reading, body.relation, known)
        here = known.cohorts.named(written.name)
        return PreparedCohort(
            written.name,
            definition,
            self._steps(reading, body.steps, known, purpose),
            tuple(_demand(fan_out) for fan_out in body.fan_outs),
            exists=here is not None and written.if_absent,
            replaces=here.id if here is not None else None,
        )

    def _steps(
        self, reading: Reading, steps: Sequence[Step], known: KnownCohorts, purpose: Purpose
    ) -> tuple[PreparedStep, ...]:
        for step in steps:
            program = step.program
            relation = program.relation if isinstance(program, PublicProgram) else program.boundary.relation
            self._require_granted(reading, relation, known, purpose)
            require_bounded(reading, program)
            self._require_used_as_granted(reading, program, known)
        return tuple(self._prepared(step, known) for step in steps)

    def _prepared(self, step: Step, known: KnownCohorts) -> PreparedStep:
        demands = tuple(_demand(fan_out) for fan_out in step.fan_outs)
        if isinstance(step.program, PublicProgram):
            return _prepared_public(step, step.program, demands)
        boundary = step.program.boundary
        reads = statistics.reads(boundary.relation, statistics.all_expressions(margins.every_key(boundary)))
        pack = effective(self.pack, self.catalogue, known.granted(reads))
        minimum = pack.threshold.minimum
        certificate = certificates.statement(boundary, minimum)
        material = pack.rounding.base / 2 if pack.rounding.method != "none" else 0
        return PreparedBoundary(
            step.table,
            step.program,
            pack,
            statement=statistics.statement(boundary, minimum, material=material),
            certificate=certificate,
            recount=None if certificate is None else statistics.statement(boundary, minimum, only=UNCERTAIN),
            reads=reads,
            demands=demands,
            single=step.single,
            remainders=tuple(margins.statement(boundary, margin, minimum) for margin in boundary.margins),
            rest=margins.rest(boundary, minimum) if boundary.margins else None,
        )

    def _require_used_as_granted(
        self, reading: Reading, program: Program | PublicProgram | Relation, known: KnownCohorts
    ) -> None:
        """Raises QueryRefused where a column is grouped by, compared or measured that is not granted for it."""
        if not any(grant.uses for grant in self.agreement.data.tables):
            return
        if isinstance(program, Program):
            boundary = program.boundary
            lineage = Lineage(boundary.relation, known.definition)
            conditions = statistics.all_expressions(boundary)
            found = misuse(self.agreement, lineage, conditions, boundary.keys, boundary.aggregates)
        else:
            relation = program.relation if isinstance(program, PublicProgram) else program
            found = misuse(self.agreement, Lineage(relation, known.definition), statistics.within(relation))
        if found is not None:
            named = (node for node in reading.tree.find_all(exp.Column) if node.name.lower() == found.column.lower())
            raise reading.refuse("column-use", found.message, next(named, None), hint=found.hint, clause=found.clause)

    def authorise(self, session: Session, on: date) -> Purpose:
        """The purpose that a session asks for. Raises QueryRefused unless the agreement lets it ask on this day."""
        finding = obstacle(self.agreement, session, on) or pack_obstacle(self.agreement, self.pack)
        if finding is not None:
            raise QueryRefused(finding)
        return self.agreement.purpose_of(session.purpose) or self.agreement.purpose

    def _require_granted(self, reading: Reading, relation: Relation, known: KnownCohorts, purpose: Purpose) -> None:
        """Raises QueryRefused unless what a relation reads is granted for the purpose, and to be linked."""
        uses = [use for scan in scans(relation) for use in known.uses(scan)]
        if found := denial(self.agreement, purpose, uses):
            node = reading.scanned.get(found.source)
            raise reading.refuse(found.rule, found.message, node, hint=found.hint, clause=found.clause)


def _demand(fan_out: FanOut) -> Demand:
    if any(scan.owner is not None for scan in scans(fan_out.public)):
        raise QueryRefused(fan_out.finding)
    return Demand(fan_out.statement(), statistics.reads(fan_out.public, fan_out.expressions()), fan_out.finding)


def _prepared_public(step: Step, program: PublicProgram, demands: tuple[Demand, ...]) -> PreparedPublic:
    if any(scan.owner is not None for scan in scans(program.relation)):
        raise _refused("row-level", "a table about persons cannot be read as a reference table", "data")
    reads = statistics.reads(program.relation, statistics.within(program.relation))
    return PreparedPublic(step.table, program, public.statement(program), reads, demands, step.single)


def _refused(rule: str, message: str, clause: str) -> QueryRefused:
    return QueryRefused(Finding(rule, Decision.REFUSE, message, hint="ask the data centre", clause=clause))
