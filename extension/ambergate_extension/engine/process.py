"""The gate's side of the engine worker: starts it, hands over the key, asks, and ends it at the deadline.

A worker that is late, dead or out of memory is killed and started again for the next query; the gate lives on.
"""

from __future__ import annotations

import subprocess
import tempfile
import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from ambergate_datasets.engines.connection import Limits
from ambergate_extension.engine import attachments
from ambergate_extension.engine.attachments import Attachment
from ambergate_extension.engine.frames import BrokenFrame, read_frame, write_frame
from ambergate_extension.engine.launch import Premises, default_backends, end, launch
from ambergate_extension.engine.tables import from_bytes, pack
from ambergate_extension.sandbox.box import Backend
from ambergate_policies.errors import AmbergateError, OperatorError

_SECONDS_TO_DIE = 5.0
NO_TABLES: Mapping[str, pa.Table] = MappingProxyType({})
NOTHING_MORE: Mapping[str, Any] = MappingProxyType({})


class EngineFailure(AmbergateError):
    """The engine could not do it. `code` is from a fixed list; there is no engine text."""

    def __init__(self, code: str) -> None:
        super().__init__(f"the engine stopped: {code}")
        self.code = code


class EngineStopped(EngineFailure):
    """The worker was ended: time limit, crash, or cancelled."""


@dataclass(slots=True)
class EngineProcess:
    """One worker over one database file. Not thread-safe except for `cancel`: one question at a time.

    key: None for a plain file (`ambergate replay`). seconds: wall-clock limit of one question. backends: who may build
    the worker's box, best first."""

    database: Path
    key: bytes | None = field(repr=False)
    limits: Limits = field(default_factory=Limits)
    seconds: float = 120.0
    backends: Sequence[Backend] = field(default_factory=default_backends, repr=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _temp: tempfile.TemporaryDirectory[str] | None = field(default=None, repr=False)
    _cancelled: bool = False
    _attached: tuple[Attachment, ...] = ()
    _opened: tuple[int, int] = (0, 0)
    _folders: dict[Path, bool] = field(default_factory=dict)

    def start(self) -> None:
        """Start the worker if it is not running. Raises OperatorError when it cannot open the database, or when there
        is no sandbox for it."""
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        self._temp = tempfile.TemporaryDirectory(prefix="ambergate-engine-", ignore_cleanup_errors=True)
        self._attached, self._opened = (), self._file()
        premises = Premises(self.database, Path(self._temp.name), dict(self._folders), self.limits)
        try:
            self._process = launch(premises, self.key, self.backends)
        except (BrokenFrame, OSError):
            self.close()
            raise OperatorError("the engine could not start") from None
        except BaseException:
            self.close()
            raise

    def attach(self, files: Sequence[Attachment], *, also: Collection[Attachment] = ()) -> None:
        """Have these files open beside the project's database; those of `also` may stay open, no others. A database
        that was replaced since it was opened is opened again. Raises OperatorError when one cannot be opened."""
        if self._file() != self._opened or not self._reachable(files):
            self.close()
        self.start()
        if set(files) <= set(self._attached) <= {*files, *also}:
            return
        header, body = attachments.pack(files, self.key)
        answer, _ = self._exchange({"do": "attach", **header}, body)
        if "error" in answer:
            self.close()
            raise OperatorError("a cohort table's file cannot be opened")
        self._attached = tuple(files)

    def _reachable(self, files: Sequence[Attachment]) -> bool:
        """Whether the worker's box has the folders of these files. What it lacks is noted for the next start."""
        before = dict(self._folders)
        for file in files:
            folder = file.path.parent
            self._folders[folder] = file.writable or self._folders.get(folder, False)
        return self._folders == before

    def write(self, statement: str, place: str, tables: Mapping[str, pa.Table], room: int) -> None:
        """Run a checked statement that writes into the attached file `place`, which may grow to `room` bytes. The file
        is complete and closed when it returns."""
        self._ask("write", statement, tables, {"place": place, "room": room})
        self._attached = tuple(file for file in self._attached if file.place != place)

    def _file(self) -> tuple[int, int]:
        """Which file the database is now."""
        try:
            found = self.database.stat()
        except OSError:
            return (0, 0)
        return (found.st_dev, found.st_ino)

    def plan(self, statement: str, tables: Mapping[str, pa.Table] = NO_TABLES) -> str:
        """The bound plan (JSON) of a statement; `tables` are those that it may read beside the project's."""
        return self._ask("plan", statement, tables).decode("utf-8")

    def run(self, statement: str, tables: Mapping[str, pa.Table] = NO_TABLES) -> pa.Table:
        """The rows of a checked statement."""
        return from_bytes(self._ask("run", statement, tables))

    def post(self, statement: str, tables: Mapping[str, pa.Table]) -> pa.Table:
        """The rows of a statement over cleared tables, computed apart from the project's data."""
        return from_bytes(self._ask("post", statement, tables))

    def cancel(self) -> None:
        """End the running question from another thread. The next one starts a new worker."""
        self._cancelled = True
        self._kill()

    def close(self) -> None:
        """End the worker and remove its temporary files."""
        if self._process is not None:
            end(self._process)
            self._process = None
        if self._temp is not None:
            self._temp.cleanup()
            self._temp = None

    def _ask(
        self, what: str, statement: str, tables: Mapping[str, pa.Table], more: Mapping[str, Any] = NOTHING_MORE
    ) -> bytes:
        self.start()
        sizes, body = pack(tables)
        header, answer = self._exchange({"do": what, "statement": statement, "tables": sizes, **more}, body)
        if header.get("error") == "memory":
            self.close()
            raise EngineFailure("memory")
        if "error" in header:
            raise EngineFailure(f"{header.get('class', 'error')}")
        return answer

    def _exchange(self, request: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise EngineStopped("not running")
        self._cancelled = False
        late = threading.Event()

        def end() -> None:
            late.set()
            self._kill()

        timer = threading.Timer(self.seconds, end)
        timer.daemon = True
        timer.start()
        try:
            write_frame(process.stdin, request, body)  # type: ignore[arg-type]
            return read_frame(process.stdout)  # type: ignore[arg-type]
        except (BrokenFrame, OSError):
            self.close()
            reason = "time limit" if late.is_set() else "cancelled" if self._cancelled else "worker died"
            raise EngineStopped(reason) from None
        finally:
            timer.cancel()

    def _kill(self) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            process.kill()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_SECONDS_TO_DIE)  # or the next question would still find it running
