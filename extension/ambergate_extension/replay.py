"""Replay: a file of queries through the very gate that researchers use, without a hub, a kernel or a store.

For administrators who try an agreement before it goes live, and for the corpora of the tests. Nothing is recorded in
the project's log: the answers go to whoever runs the command, who has the data anyway.
"""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ambergate_datasets.engines.project_key import derive
from ambergate_extension.cohorts import CohortFiles, Shelf
from ambergate_extension.cohorts.shelf import LogOfCohorts
from ambergate_extension.engine import EngineProcess
from ambergate_extension.pipeline import Answer, Gate, read_kernel
from ambergate_extension.sandbox.choice import builders_for_replay
from ambergate_extension.store import HeldResult, HeldTable
from ambergate_policies.errors import OperatorError, UserError
from ambergate_policies.log import LogEntry


@dataclass(slots=True)
class NothingRecorded:
    """A recorder that only numbers what it is given."""

    entries: list[LogEntry] = field(default_factory=list)

    def append(self, entry: LogEntry) -> int:
        self.entries.append(entry)
        return len(self.entries) - 1

    def hold(self, entry: LogEntry, held: HeldTable) -> str:
        return f"H-REPLAY-{self.append(entry)}"

    def proven(self, kind: str, *, project: str, after: int) -> list[tuple[int, LogEntry]]:
        return [
            (index, entry)
            for index, entry in enumerate(self.entries)
            if index > after and (entry.kind, entry.project) == (kind, project)
        ]

    def fetch(self, reference: str, *, account: str, project: str) -> HeldResult:
        raise UserError("a replay keeps no held results")

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True)
class Request:
    """One line of the input: an id and its steps."""

    id: Any
    steps: tuple[str, ...]


def open_gate(agreement: Path, catalogue: Path, database: Path, key: bytes | None, *, confined: bool = True) -> Gate:
    """A gate over a database file: a plain one without a key, a project's with it. Raises OperatorError, UserError.

    confined: whether the engine must be in a sandbox; where there is none, it does not start."""
    kernel = read_kernel(agreement, catalogue)
    if not database.is_file():
        raise UserError(f"{database}: there is no such database file")
    database = database.resolve()  # the worker has a working folder of its own
    boxes = builders_for_replay(confined=confined)
    engine = EngineProcess(database, None, backends=boxes)
    try:
        engine.start()
    except OperatorError:
        if key is None:
            raise
        engine = EngineProcess(database, key, backends=boxes)
        engine.start()
    recorder = NothingRecorded()
    shelf = passing_shelf(recorder, kernel.agreement.project)
    return Gate(kernel=kernel, engine=engine, recorder=recorder, account=None, shelf=shelf)


def passing_shelf(log: LogOfCohorts, project: str) -> Shelf:
    """A shelf for cohort tables that are gone when the gate is closed, under keys that nobody has afterwards."""
    folder = tempfile.TemporaryDirectory(prefix="ambergate-cohorts-")
    secret = secrets.token_bytes(32)
    return Shelf(
        CohortFiles(Path(folder.name)),
        key=lambda cohort: derive(secret, "cohort", project, cohort),
        log=log,
        project=project,
        version=lambda: "replay",
        close=folder.cleanup,
    )


def read_requests(path: Path) -> Iterator[Request]:
    """The requests of a JSON lines file. Raises UserError with the line number of one that is not well formed."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _request(f"{path.name}:{number}", line)


def _request(where: str, line: str) -> Request:
    try:
        item = json.loads(line)
    except ValueError:
        raise UserError(f"{where}: this is not a JSON object") from None
    if not isinstance(item, dict) or "id" not in item or ("sql" in item) == ("steps" in item):
        raise UserError(f'{where}: a line needs "id" and either "sql" or "steps"')
    steps = [item["sql"]] if "sql" in item else item["steps"]
    if not isinstance(steps, list) or not steps or not all(isinstance(step, str) for step in steps):
        raise UserError(f"{where}: queries are texts")
    return Request(item["id"], tuple(steps))


def answers(gate: Gate, request: Request, purpose: str | None = None) -> Iterator[dict[str, Any]]:
    """One output record per step, in the format that docs/reference/replay.md promises. Cohort tables that the steps
    leave behind are dropped: the next request begins as this one did."""
    for number, sql in enumerate(request.steps):
        yield record(request.id, number, gate.answer(sql, purpose=purpose))
    drop_cohorts(gate, purpose)


def drop_cohorts(gate: Gate, purpose: str | None = None) -> None:
    """Leave no cohort table behind."""
    for cohort in gate.catalogue()["cohorts"]:
        gate.answer(f"DROP TABLE {cohort['name']}", purpose=purpose)


def record(request_id: Any, step: int, answer: Answer) -> dict[str, Any]:
    """An answer as a JSON record. Findings keep rule, message, line and column first; hint and clause are extra."""
    table = answer.table
    return {
        "id": request_id,
        "step": step,
        "verdict": answer.verdict,
        "findings": [finding.to_json() for finding in answer.findings],
        "columns": None if table is None else table.column_names,
        "rows": None if table is None else [list(row) for row in zip(*_columns(answer), strict=True)],
        "suppressed_cells": answer.suppressed_cells,
        "withheld_groups": answer.withheld_groups,
        "ms": answer.ms or {"check": None, "execute": None, "clear": None},
    }


def _columns(answer: Answer) -> list[list[Any]]:
    columns = answer.table.columns if answer.table is not None else []
    return [[_plain(value) for value in column.to_pylist()] for column in columns]


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str | None) else str(value)
