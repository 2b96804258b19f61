"""The worker's main program, started in a box and spoken to over its pipes.

It limits and filters itself, tells what it sees, and only then is given the database's key, over a pipe that is closed
when it has been read: the key is in no argument, no variable of the environment and no file. What the engine has to say
about an error is never passed on: its texts quote data.
"""

from __future__ import annotations

import io
import json
import os
import resource
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ambergate_datasets.engines.connection import Limits, attach, connect, lock_down
from ambergate_extension.engine import attachments
from ambergate_extension.engine.attachments import KEY_BYTES, Attachment
from ambergate_extension.engine.calls import PERMITTED
from ambergate_extension.engine.frames import BrokenFrame, read_frame, write_frame
from ambergate_extension.engine.proof import report
from ambergate_extension.engine.tables import to_bytes, unpack
from ambergate_extension.sandbox import seccomp
from ambergate_extension.sandbox.confinement import ConfinementFailed, filter_calls, hide
from ambergate_policies.errors import AmbergateError, OperatorError
from ambergate_policies.places import DATABASE

_WARMING = pa.table({"g": [0]})


class Worker:
    """One open database and one empty scratch database for what is computed from cleared tables."""

    def __init__(self, opening: dict[str, Any], key: bytes | None) -> None:
        self._temp = temp = Path(opening["temp"])
        self._limits = Limits(**opening["limits"])
        self._database = Path(opening["database"])
        self._data = self._opened((), key)
        self._scratch = connect(Limits(memory_mb=512, temp_mb=64, threads=1), temp)
        lock_down(self._scratch)
        self.post("SELECT * FROM warming", {"warming": _WARMING})  # the first result loads what later ones need

    def attach(self, files: Sequence[Attachment], key: bytes | None) -> None:
        """Open the project again with these files beside it, and no others: nothing can be attached once a connection
        is locked. Raises OperatorError; the worker is of no use then."""
        self._data.close()
        self._data = self._opened(files, key)

    def _opened(self, files: Sequence[Attachment], key: bytes | None) -> duckdb.DuckDBPyConnection:
        connection = connect(self._limits, self._temp)
        attach(connection, self._database, key, alias=DATABASE, read_only=True)
        for file in files:
            attach(connection, file.path, file.key, alias=file.place, read_only=not file.writable)
        connection.execute(f"USE {DATABASE}")
        lock_down(connection)
        return connection

    def write(self, statement: str, place: str, tables: Mapping[str, pa.Table], room: int) -> None:
        """Run a checked statement that writes into the attached file `place`, which may grow to `room` bytes, and let
        go of the file."""
        with _registered(self._data, tables), _files_up_to(room):
            self._data.execute(statement)
            self._data.execute(f'CHECKPOINT "{place}"')
            self._data.execute(f'DETACH "{place}"')

    def plan(self, statement: str, tables: Mapping[str, pa.Table]) -> str:
        """The bound plan of a statement, as JSON. `tables` are handed over beside the project's own."""
        with _registered(self._data, tables):
            row = self._data.execute("SELECT json_serialize_plan(?)", [statement]).fetchone()
        return str(row[0]) if row else ""

    def run(self, statement: str, tables: Mapping[str, pa.Table]) -> pa.Table:
        """The rows of a checked statement over the project."""
        with _registered(self._data, tables):
            return self._data.execute(statement).to_arrow_table()

    def post(self, statement: str, tables: Mapping[str, pa.Table]) -> pa.Table:
        """The rows of a statement over cleared tables, in a database that holds nothing else."""
        with _registered(self._scratch, tables):
            return self._scratch.execute(statement).to_arrow_table()


@contextmanager
def _files_up_to(size: int) -> Iterator[None]:
    """No file of this process may grow beyond: a write past it fails like one on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def _registered(connection: duckdb.DuckDBPyConnection, tables: Mapping[str, pa.Table]) -> Iterator[None]:
    """Tables in the connection's temporary schema, for as long as one statement needs them."""
    for name, table in tables.items():
        connection.register(name, table)
    try:
        yield
    finally:
        for name in tables:
            connection.unregister(name)


def serve(requests: io.BufferedReader, replies: io.BufferedWriter, keys: int) -> None:
    """Prove the confinement, open the database, and answer frames until the gate goes away. `keys`: where the
    database's key is read from, once."""
    question, _ = read_frame(requests)
    write_frame(replies, report(question["secret"]))
    opening, _ = read_frame(requests)
    with os.fdopen(keys, "rb") as source:
        key = source.read(KEY_BYTES + 1)
    try:
        worker = Worker(opening, key or None)
    except AmbergateError as error:
        write_frame(replies, {"error": "open", "message": str(error)})
        return
    except Exception as error:
        write_frame(replies, {"error": "open", "message": f"the engine could not start ({type(error).__name__})"})
        return
    write_frame(replies, {"ok": True})
    while True:
        try:
            request, body = read_frame(requests)
        except BrokenFrame:
            return
        header, answer = _answer(worker, request, body)
        write_frame(replies, header, answer)


def _answer(worker: Worker, request: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        if request["do"] == "attach":
            worker.attach(*attachments.unpack(request, body))
            return {"ok": True}, b""
        statement, tables = request["statement"], unpack(request["tables"], body)
        if request["do"] == "plan":
            return {"ok": True}, worker.plan(statement, tables).encode("utf-8")
        if request["do"] == "run":
            return {"ok": True}, to_bytes(worker.run(statement, tables))
        if request["do"] == "post":
            return {"ok": True}, to_bytes(worker.post(statement, tables))
        if request["do"] == "write":
            worker.write(statement, request["place"], tables, int(request["room"]))
            return {"ok": True}, b""
    except (duckdb.OutOfMemoryException, MemoryError):
        return {"error": "memory"}, b""
    except OperatorError as error:
        return {"error": "open", "message": str(error)}, b""
    except duckdb.IOException as error:
        return {"error": "engine", "class": _no_room(str(error))}, b""
    except Exception as error:  # the class only: the text of an engine's error quotes data
        return {"error": "engine", "class": type(error).__name__}, b""
    return {"error": "engine", "class": "UnknownRequest"}, b""


def _no_room(text: str) -> str:
    """Why a file could not be written or read, in a word of ours."""
    return next((word for sign, word in _SIGNS.items() if sign in text), "IOException")


_SIGNS = {"File too large": "room", "No space left": "disk"}


def confine(limits: Mapping[str, int]) -> None:
    """Never to be undone: limits, no dumps, and no system call but those of an engine. Raises ConfinementFailed."""
    for name, value in limits.items():
        limit = getattr(resource, name)
        hard = resource.getrlimit(limit)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, value))
    hide()
    filter_calls(seccomp.only(PERMITTED))


def main() -> None:
    """`worker KEYS LIMITS`: the descriptor of the key's pipe, and limits as JSON."""
    keys, limits = int(sys.argv[1]), json.loads(sys.argv[2])
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    silence = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # nothing that a library prints may reach a log
        os.dup2(silence, descriptor)
    try:
        confine(limits)
    except (ConfinementFailed, OSError, ValueError, AmbergateError):
        sys.exit(3)
    serve(requests, replies, keys)


if __name__ == "__main__":
    main()
