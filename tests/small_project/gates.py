"""Gates over the small project: the real pipeline, with the engine in this process or in a worker of its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from ambergate_extension.engine import EngineProcess
from ambergate_extension.engine.attachments import Attachment
from ambergate_extension.engine.process import NO_TABLES
from ambergate_extension.engine.worker import Worker
from ambergate_extension.execution import Engine, Tables
from ambergate_extension.pipeline import Answer, Gate
from ambergate_extension.replay import NothingRecorded, passing_shelf, record
from ambergate_policies.agreement import Agreement, read_agreement
from ambergate_policies.catalogue import Catalogue, read_catalogue
from ambergate_policies.kernel import Kernel
from ambergate_policies.packs import RulePack, read_pack

HERE = Path(__file__).parent
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ACCOUNT = "amara"


def catalogue() -> Catalogue:
    return read_catalogue(HERE / "catalogue.yaml")


def agreement() -> Agreement:
    return read_agreement(HERE / "agreement.yaml")


def kernel(pack: str = "nhse-sde") -> Kernel:
    return Kernel(catalogue(), under(agreement(), pack), read_pack(pack))


def under(agreement: Agreement, pack: str) -> Agreement:
    """The agreement with another rule pack in its terms."""
    return agreement.model_copy(update={"terms": agreement.terms.model_copy(update={"rule_pack": pack})})


FEW_RESOURCES = {"memory_mb": 512, "threads": 1, "temp_mb": 64}


class NearEngine:
    """The worker's own engine without a process around it: for many small queries."""

    def __init__(
        self, database: Path, temp: Path, key: bytes | None = None, limits: Mapping[str, int] = FEW_RESOURCES
    ) -> None:
        opening = {"database": str(database), "temp": str(temp), "limits": dict(limits)}
        self._key = key
        self._worker: Worker | None = Worker(opening, key)
        self._attached: set[Attachment] = set()

    def plan(self, statement: str, tables: Tables = NO_TABLES) -> str:
        return self._open().plan(statement, tables)

    def run(self, statement: str, tables: Tables = NO_TABLES) -> pa.Table:
        return self._open().run(statement, tables)

    def post(self, statement: str, tables: Tables) -> pa.Table:
        return self._open().post(statement, tables)

    def attach(self, files: Sequence[Attachment], *, also: Collection[Attachment] = ()) -> None:
        if not set(files) <= self._attached <= {*files, *also}:
            self._open().attach(files, self._key)
            self._attached = set(files)

    def write(self, statement: str, place: str, tables: Tables, room: int) -> None:
        self._open().write(statement, place, tables, room)
        self._attached = {file for file in self._attached if file.place != place}

    def close(self) -> None:
        self._worker = None

    def _open(self) -> Worker:
        assert self._worker is not None
        return self._worker


def near_gate(database: Path, temp: Path, with_kernel: Kernel | None = None) -> Gate:
    return _gate(NearEngine(database, temp), with_kernel)


def far_gate(database: Path, with_kernel: Kernel | None = None, seconds: float = 20) -> Gate:
    engine = EngineProcess(database, None, seconds=seconds)
    engine.start()
    return _gate(engine, with_kernel)


def _gate(engine: Engine, with_kernel: Kernel | None) -> Gate:
    the_kernel, recorder = with_kernel or kernel(), NothingRecorded()
    shelf = passing_shelf(recorder, the_kernel.agreement.project)
    return Gate(kernel=the_kernel, engine=engine, recorder=recorder, account=ACCOUNT, now=lambda: NOON, shelf=shelf)


def everything_shown(answer: Answer) -> str:
    """All that a researcher could read of an answer, as one text."""
    return repr(record("q", 0, answer)) + repr(answer.to_header())


def rows_of(answer: Answer) -> list[tuple[Any, ...]]:
    columns: Sequence[Any] = [] if answer.table is None else [column.to_pylist() for column in answer.table.columns]
    return list(zip(*columns, strict=True))


def pack(name: str) -> RulePack:
    return read_pack(name)
