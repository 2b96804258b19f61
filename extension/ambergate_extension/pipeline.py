"""The way of one query: prepare, check the bound plan, execute, clear, record, release. Nothing else answers.

Who asks is given when the gate is opened, by the server that knows the socket; never by the query. Record before
release: the log entry is on disk before a table exists outside this module. Any failure ends in an answer without a
table, with an id and the step, and no text of the engine.
"""

from __future__ import annotations

import gc
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Protocol

import pyarrow as pa

from ambergate_datasets.deployment import read_deployment
from ambergate_datasets.engines.project_key import cohort_key, database_key
from ambergate_datasets.state import StateFolder
from ambergate_extension.cohorts import CohortFiles, DataVersion, Keeping, Shelf
from ambergate_extension.engine import EngineFailure, EngineProcess
from ambergate_extension.execution import Engine, Execution, Shaped
from ambergate_extension.sandbox.choice import builders
from ambergate_extension.store import HeldResult, HeldTable, State, Store
from ambergate_policies.advice import Shown
from ambergate_policies.agreement import Agreement, read_agreement
from ambergate_policies.authorisation import Session
from ambergate_policies.catalogue import Catalogue, read_catalogue
from ambergate_policies.cohorts import Cohorts, PreparedCohort, PreparedDrop
from ambergate_policies.errors import AmbergateError, IntegrityError, OperatorError, UserError
from ambergate_policies.fitting import require_fit
from ambergate_policies.kernel import Kernel
from ambergate_policies.log import LogEntry
from ambergate_policies.packs import read_pack
from ambergate_policies.prepared import Prepared
from ambergate_policies.verdict import Decision, Finding, QueryRefused

NOTHING: Mapping[str, Any] = MappingProxyType({})
Word = Literal["released", "held", "refused", "failed"]


class Recorder(Protocol):
    """What the pipeline needs of the store: each call is one transaction, on disk when it returns."""

    def append(self, entry: LogEntry) -> int: ...
    def hold(self, entry: LogEntry, held: HeldTable) -> str: ...
    def fetch(self, reference: str, *, account: str, project: str) -> HeldResult: ...
    def proven(self, kind: str, *, project: str, after: int) -> list[tuple[int, LogEntry]]: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What a researcher gets. `table` and `mask` (same shape, true where suppressed) only when released."""

    verdict: Word
    findings: tuple[Finding, ...] = ()
    table: pa.Table | None = None
    mask: pa.Table | None = None
    held_reference: str | None = None
    log_index: int | None = None
    suppressed_cells: int = 0
    withheld_groups: int = 0
    comment: str | None = None
    ms: dict[str, float] = field(default_factory=dict)

    def to_header(self) -> dict[str, Any]:
        """Everything but the table, as JSON."""
        return {
            "verdict": self.verdict,
            "findings": [finding.to_json() for finding in self.findings],
            "held_reference": self.held_reference,
            "log_index": self.log_index,
            "suppressed_cells": self.suppressed_cells,
            "withheld_groups": self.withheld_groups,
            "comment": self.comment,
            "mask": None if self.mask is None else [column.to_pylist() for column in self.mask.columns],
            "ms": self.ms,
        }


class Gate:
    """One researcher's way to one project. Thread-safe: one query at a time."""

    def __init__(
        self,
        *,
        kernel: Kernel,
        engine: Engine,
        recorder: Recorder,
        account: str | None,
        territory: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        reload: Callable[[], Kernel] | None = None,
        shelf: Shelf | None = None,
    ) -> None:
        self._kernel = kernel
        self._engine = engine
        self._recorder = recorder
        self._account = account
        self._territory = territory
        self._now = now
        self._reload = reload
        self._shelf = shelf
        self._lock = threading.Lock()
        self._purpose: str | None = None

    @classmethod
    def open(cls, state: StateFolder, project: str, account: str) -> Gate:
        """Open a provisioned project for an account. Raises OperatorError, UserError or IntegrityError."""
        folder = state.project(project)
        documents = KernelFiles(folder / "agreement.yaml", folder / "catalogue.yaml")
        kernel = documents()
        boxes = builders(read_deployment(state).sandbox)
        engine = EngineProcess(folder / "project.duckdb", database_key(state.keys, project), backends=boxes)
        engine.start()
        recorder = Store.open(state.store_url, state.keys, state.log)
        shelf = Shelf(
            CohortFiles(state.cohorts(project)),
            key=lambda cohort: cohort_key(state.keys, project, cohort),
            log=recorder,
            project=project,
            version=DataVersion(folder / "manifest.json"),
        )
        shelf.tidy(kernel)
        return cls(
            kernel=kernel,
            engine=engine,
            recorder=recorder,
            account=account,
            territory=read_deployment(state).territory,
            reload=documents,
            shelf=shelf,
        )

    def answer(self, sql: str, *, purpose: str | None = None) -> Answer:
        """One query from text to answer. Never raises: a failure is an answer that releases nothing.

        purpose: the id of the agreement's purpose that it is asked for; may be left out where there is only one."""
        with self._lock:
            self._purpose = purpose
            incident = secrets.token_hex(4)
            try:
                return self._answer(sql)
            except QueryRefused as refusal:
                return self._refuse(sql, refusal)
            except AmbergateError as error:
                return self._fail(sql, _step_finding(error, incident), incident)
            except Exception:
                message = f"something failed inside the gate (incident {incident}); nothing was released"
                return self._fail(sql, Finding("internal", Decision.REFUSE, message), incident)

    def fetch(self, reference: str) -> Answer:
        """A held result of this project: its state and comment, and its table once released."""
        try:
            kernel = self._current()
            agreement = kernel.agreement
            kernel.authorise(Session(self._account, agreement.purpose.id, self._territory), self._now().date())
            held = self._recorder.fetch(reference, account=self._account or "", project=agreement.project)
            answer = _held_answer(held)
            if answer.table is None:
                return answer
            body = {"reference": held.reference, "result_sha256": digest(answer.table)}
            entry = LogEntry("fetch", self._now(), self._account or "", agreement.project, body)
            return replace(answer, log_index=self._recorder.append(entry))
        except QueryRefused as refusal:
            return Answer("refused", refusal.findings)
        except AmbergateError as error:
            return Answer("failed", (Finding("held", Decision.REFUSE, str(error)),))

    def catalogue(self) -> dict[str, Any]:
        """What the agreement grants: tables, columns, rules and dates; and the project's cohort tables."""
        kernel = self._kernel
        return describe(kernel) | {"cohorts": self._shelf.describe(kernel) if self._shelf is not None else []}

    def cancel(self) -> None:
        """End the running query."""
        if isinstance(self._engine, EngineProcess):
            self._engine.cancel()

    def close(self) -> None:
        """End the engine and let go of the store."""
        self._engine.close()
        self._recorder.close()
        if self._shelf is not None:
            self._shelf.close()

    # -- steps

    def _current(self) -> Kernel:
        """The agreement as it stands now: suspension and expiry count from the next query on."""
        if self._reload is not None:
            self._kernel = self._reload()
        return self._kernel

    def _answer(self, sql: str) -> Answer:
        began = time.perf_counter()
        kernel = self._current()
        cohorts = self._cohorts(kernel)
        prepared = kernel.understand(self._session(), sql, self._now().date(), cohorts)
        if not isinstance(prepared, Prepared):
            return self._keep(sql, prepared)
        self._attach(prepared, cohorts)
        execution = Execution(self._engine)
        execution.ms["check"] = (time.perf_counter() - began) * 1000
        shaped = execution.result(prepared)
        shaped = replace(shaped, findings=self._commented(sql, shaped, cohorts))
        ms = {part: round(spent, 2) for part, spent in execution.ms.items()}
        return self._hold(sql, shaped, ms) if shaped.hold else self._release(sql, shaped, ms)

    def _session(self) -> Session:
        return Session(self._account, self._purpose, self._territory)

    def _cohorts(self, kernel: Kernel) -> Cohorts:
        return self._shelf.cohorts(kernel) if self._shelf is not None else Cohorts()

    def _attach(self, prepared: Prepared, cohorts: Cohorts) -> None:
        """Have the files of the cohort tables open that a query reads, and none that has been dropped."""
        if self._shelf is None:
            return
        needed = [self._shelf.attachment(cohort) for cohort in prepared.cohorts]
        self._engine.attach(needed, also=self._shelf.attachments(cohorts))
        if needed:
            self._shelf.require_unchanged(cohorts)

    def _keep(self, sql: str, prepared: PreparedCohort | PreparedDrop) -> Answer:
        """Make or drop a cohort table. The answer is an empty table and what may be said about it: no number."""
        if self._shelf is None:
            raise UserError("cohort tables are not kept here")
        finding = Finding("cohort", Decision.RELEASE, prepared.message)
        answer = Answer("released", (finding,), pa.table({}), pa.table({}))

        def append(about: Mapping[str, Any]) -> int:
            return self._recorder.append(self._entry(sql, answer, None, kind="cohort", about=about))

        if prepared.changes_nothing:
            return replace(answer, log_index=self._recorder.append(self._entry(sql, answer, None)))
        keeping = Keeping(self._shelf, self._engine, self._kernel)
        if isinstance(prepared, PreparedDrop):
            return replace(answer, log_index=keeping.drop(prepared, append=append))
        return replace(answer, log_index=keeping.create(prepared, on=self._now().date(), append=append))

    def _release(self, sql: str, shaped: Shaped, ms: dict[str, float]) -> Answer:
        answer = Answer(
            "released",
            shaped.findings,
            shaped.table,
            shaped.mask,
            suppressed_cells=_count_true(shaped.mask),
            withheld_groups=shaped.withheld_groups,
            ms=ms,
        )
        index = self._recorder.append(self._entry(sql, answer, digest(shaped.table)))
        return replace(answer, log_index=index)

    def _hold(self, sql: str, shaped: Shaped, ms: dict[str, float]) -> Answer:
        agreement = self._kernel.agreement
        answer = Answer(
            "held",
            shaped.findings,
            suppressed_cells=_count_true(shaped.mask),
            withheld_groups=shaped.withheld_groups,
            ms=ms,
        )
        columns = [column.to_pylist() for column in shaped.table.columns]
        held = HeldTable(
            project=agreement.project,
            account=self._account or "",
            agreement=agreement.agreement,
            sql=sql,
            columns=tuple(shaped.table.column_names),
            rows=tuple(tuple(_plain(value) for value in row) for row in zip(*columns, strict=True)),
            flagged=shaped.flagged,
            findings=(*(finding.to_json() for finding in shaped.findings), *shaped.evidence),
            checkers_required=agreement.terms.checkers_required,
            column_types=tuple(_type_word(field.type) for field in shaped.table.schema),
        )
        return replace(answer, held_reference=self._recorder.hold(self._entry(sql, answer, None, kind="hold"), held))

    def _refuse(self, sql: str, refusal: QueryRefused) -> Answer:
        return self._recorded(sql, Answer("refused", self._advised(sql, refusal).findings))

    def _advised(self, sql: str, refusal: QueryRefused) -> QueryRefused:
        """The refusal with a rewrite where one is known. That none can be looked for changes nothing about it."""
        try:
            cohorts = self._cohorts(self._kernel)
            return self._kernel.advised(refusal, self._session(), sql, self._now().date(), cohorts)
        except Exception:
            return refusal

    def _commented(self, sql: str, shaped: Shaped, cohorts: Cohorts) -> tuple[Finding, ...]:
        """The findings on a result with what would pass instead. Of a held result nothing has been shown."""
        try:
            shown = Shown() if shaped.hold else _shown(shaped)
            today = self._now().date()
            return self._kernel.commented(shaped.findings, shown, self._session(), sql, today, cohorts)
        except Exception:
            return shaped.findings

    def _fail(self, sql: str, finding: Finding, incident: str) -> Answer:
        return self._recorded(sql, Answer("failed", (finding,)), incident)

    def _recorded(self, sql: str, answer: Answer, incident: str | None = None) -> Answer:
        """A refusal is recorded too; that it cannot be changes nothing about it."""
        try:
            index = self._recorder.append(self._entry(sql, answer, None, incident=incident))
        except AmbergateError:
            return answer
        return replace(answer, log_index=index)

    def _entry(
        self,
        sql: str,
        answer: Answer,
        result: str | None,
        *,
        kind: str = "query",
        incident: str | None = None,
        about: Mapping[str, Any] = NOTHING,
    ) -> LogEntry:
        agreement = self._kernel.agreement
        body: dict[str, Any] = {
            "sql": sql[:65536].encode("utf-8", "replace").decode("utf-8"),  # half a character is no text
            "verdict": answer.verdict,
            "rules": sorted({finding.rule for finding in answer.findings}),
            "agreement": agreement.agreement,
            "agreement_version": agreement.version,
            "purpose": self._purpose_named(),
            "rule_pack": self._kernel.pack.reference,
            "result_sha256": result,
        }
        if incident:
            body["incident"] = incident
        body |= about
        return LogEntry(kind, self._now(), self._account or "administrator", agreement.project, body)

    def _purpose_named(self) -> str | None:
        """The purpose of the query as the agreement knows it; None where it knows none of that name."""
        purpose = self._kernel.agreement.purpose_of(self._purpose)
        return purpose.id if purpose is not None else None


class KernelFiles:
    """The kernel of two files, read again when either has changed: suspension counts from the next query on."""

    def __init__(self, agreement: Path, catalogue: Path) -> None:
        self._paths = (agreement, catalogue)
        self._seen: tuple[tuple[int, int, int], ...] = ()
        self._kernel: Kernel | None = None

    def __call__(self) -> Kernel:
        """The kernel as the files stand now. Raises UserError, or OperatorError when a file is gone."""
        try:
            stats = [path.stat() for path in self._paths]
        except OSError:
            raise OperatorError("the project's agreement or catalogue is missing") from None
        seen = tuple((stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in stats)
        if self._kernel is None or seen != self._seen:
            self._kernel = read_kernel(*self._paths)
            self._seen = seen
            # What is loaded by now stays: walking a large catalogue at every full collection takes 70 ms of some query.
            gc.collect()
            gc.freeze()
        return self._kernel


def read_kernel(agreement: Path, catalogue: Path) -> Kernel:
    """The kernel for an agreement file and a catalogue file. Raises UserError with line numbers."""
    terms, data = read_agreement(agreement), read_catalogue(catalogue)
    return Kernel(data, terms, require_fit(agreement, data, terms))


def kernel_for(agreement: Agreement, catalogue: Catalogue) -> Kernel:
    return Kernel(catalogue, agreement, read_pack(agreement.terms.rule_pack))


def describe(kernel: Kernel) -> dict[str, Any]:
    """The granted tables with their columns, as the notebook's `%tables` shows them."""
    agreement, tables = kernel.agreement, []
    for grant in agreement.data.tables:
        table = kernel.catalogue.tables[grant.table]
        columns = [
            {
                "name": name,
                "type": table.columns[name].type.value,
                "title": table.columns[name].title,
                "units": table.columns[name].units,
            }
            for name in grant.columns
        ]
        owner = [{"name": table.owner, "type": "person key", "title": "join on it, count it", "units": None}]
        period = grant.period
        tables.append(
            {
                "name": grant.table,
                "title": table.title,
                "clause": grant.clause,
                "period": f"{period.first} to {period.last}" if period else None,
                "columns": (owner if table.owner else []) + columns,
            }
        )
    terms = agreement.terms
    return {
        "project": agreement.project,
        "agreement": agreement.agreement,
        "title": agreement.title,
        "rule_pack": kernel.pack.reference,
        "minimum_persons": kernel.pack.threshold.minimum,
        "purposes": [{"id": each.id, "objective": each.objective} for each in agreement.purposes],
        "start": terms.start.isoformat(),
        "end": terms.end.isoformat(),
        "tables": tables,
    }


def digest(table: pa.Table) -> str:
    """SHA-256 of a released table: what ties a log entry to what was given out."""
    rows = [[_plain(value) for value in row.values()] for row in table.to_pylist()]
    text = json.dumps([table.column_names, rows], separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _shown(shaped: Shaped) -> Shown:
    """What is about to be released of a result, as counts: its rows, and how many different values each column has."""
    if all(finding.action is Decision.RELEASE for finding in shaped.findings):
        return Shown()
    different = {index: len(column.unique()) for index, column in enumerate(shaped.table.columns)}
    return Shown(shaped.table.num_rows, different, shaped.withheld_groups)


def _count_true(mask: pa.Table) -> int:
    return sum(sum(column.to_pylist()) for column in mask.columns)


def _plain(value: object) -> Any:
    """A value as JSON has it: numbers, texts, booleans, null; everything else as its text."""
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def _held_answer(held: HeldResult) -> Answer:
    """What a researcher sees of a held result: its state and comment, and the table once a checker released it."""
    reference, comment = held.reference, held.comment
    released = held.released_table()
    if released is None:
        word: Word = "refused" if held.state in (State.REJECTED, State.RETURNED) else "held"
        message = f"the held result {reference} is {held.state.value}"
        finding = Finding("held", Decision.HOLD if word == "held" else Decision.REFUSE, message)
        return Answer(word, (finding,), held_reference=reference, comment=comment, log_index=held.log_index)
    types = released.column_types or ("string",) * len(released.columns)
    columns = [_column_of(released.rows, index, word) for index, word in enumerate(types)]
    table = pa.table(columns, names=list(released.columns))
    mask = pa.table([column.is_null() for column in columns], names=list(released.columns))
    return Answer("released", (), table, mask, held_reference=reference, comment=comment, log_index=held.log_index)


def _column_of(rows: tuple[tuple[Any, ...], ...], index: int, word: str) -> pa.Array:
    """A stored column in its own type again. Texts of dates and decimals are cast back."""
    values = [row[index] for row in rows]
    kind = pa.type_for_alias(word) if word in _ALIASES else pa.string()
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return pa.array(values, kind)
    return pa.array([None if value is None else str(value) for value in values], pa.string()).cast(kind)


_ALIASES = frozenset({"int32", "int64", "double", "bool", "string", "date32"})
_WORDS = {pa.date32(): "date32", pa.string(): "string", pa.bool_(): "bool", pa.float64(): "double"}


def _type_word(kind: pa.DataType) -> str:
    if pa.types.is_integer(kind):
        return "int64"
    return _WORDS.get(kind, "string")


def _step_finding(error: AmbergateError, incident: str) -> Finding:
    """What a researcher may know of a failure: whose turn it is, the step, an id. Never the engine's words."""
    if isinstance(error, EngineFailure):
        hints = {
            "time limit": "narrow the period or the tables, and try again",
            "memory": "group by something coarser, or narrow the period",
            "room": "keep fewer columns or rows, or drop cohort tables that are no longer needed",
            "disk": "the data centre's disk is full: tell them",
        }
        message = f"the query could not be executed ({error.code}; incident {incident}); nothing was released"
        return Finding("engine", Decision.REFUSE, message, hint=hints.get(error.code, "tell the data centre the id"))
    if isinstance(error, IntegrityError):
        message = f"the engine and the kernel read this query differently (incident {incident}); it was not run"
        return Finding("bound-plan", Decision.REFUSE, message, hint="write it another way, or tell the data centre")
    if isinstance(error, UserError):
        return Finding("request", Decision.REFUSE, str(error))
    if isinstance(error, OperatorError):
        message = f"the data centre must act before this can run (incident {incident}): {error}"
        return Finding("operator", Decision.REFUSE, message)
    return Finding("internal", Decision.REFUSE, f"nothing was released (incident {incident})")
