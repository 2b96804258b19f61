"""The door over a real unix socket, without a kernel."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ambergate_extension.door.answering import Answering, Enquiry, GateKept
from ambergate_extension.door.doors import Doors
from ambergate_extension.door.wire import encode_answer
from ambergate_policies.errors import OperatorError

KERNEL = "597d5609-cdfc-4062-8533-7edca82acdb6"


class Counts:
    """A released answer of one small table."""

    table = pa.table({"n": [120, 95]})
    mask = pa.table({"n": [False, False]})

    def to_header(self) -> dict[str, Any]:
        return {"verdict": "released", "findings": [], "mask": [[False, False]]}


class Gate:
    """Answers with counts, or fails with a message that quotes data."""

    def __init__(self, before: Callable[[], None] = lambda: None) -> None:
        self._before = before
        self.purposes: list[str | None] = []
        self.cancelled = threading.Event()

    def answer(self, sql: str, *, purpose: str | None = None) -> Counts:
        self.purposes.append(purpose)
        self._before()
        if "boom" in sql:
            raise ValueError("canary-5512")
        return Counts()

    def fetch(self, reference: str) -> Counts:
        return Counts()

    def catalogue(self) -> dict[str, Any]:
        return {"tables": []}

    def cancel(self) -> None:
        self.cancelled.set()

    def close(self) -> None:
        """Nothing is open."""


def _ask(path: Path, method: str, url: str, body: bytes | None = None) -> tuple[int, dict[str, Any], bytes]:
    connection = http.client.HTTPConnection("door", timeout=30)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(path))
    connection.request(method, url, body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    (length,) = struct.unpack_from(">I", content)
    return answer.status, json.loads(content[4 : 4 + length]), content[4 + length :]


async def _asked(path: Path, method: str, url: str, body: bytes | None = None) -> tuple[int, dict[str, Any], bytes]:
    return await asyncio.get_running_loop().run_in_executor(None, _ask, path, method, url, body)


def _query(sql: str) -> bytes:
    return json.dumps({"sql": sql}).encode()


def test_a_query_comes_back_as_header_table_and_mask(short_folder: Path) -> None:
    async def body() -> None:
        doors = Doors(GateKept(Gate), logging.getLogger("door"))
        path = short_folder / "a.sock"
        await doors.open(KERNEL, path)
        assert path.stat().st_mode & 0o777 == 0o600
        status, header, rest = await _asked(path, "POST", "/query", _query("SELECT count(*)"))
        assert (status, header["verdict"]) == (200, "released")
        assert "mask" not in header
        table, mask = rest[: header["table_bytes"]], rest[header["table_bytes"] :]
        assert pa.ipc.open_stream(table).read_all().to_pydict() == {"n": [120, 95]}
        assert pa.ipc.open_stream(mask).read_all().to_pydict() == {"n": [False, False]}
        await doors.close_all()
        with pytest.raises(OSError, match=r"refused|No such file"):
            await _asked(path, "GET", "/catalogue")

    asyncio.run(body())


def test_a_query_carries_the_purpose_that_the_kernel_has_chosen(short_folder: Path) -> None:
    gate = Gate()

    async def body() -> None:
        doors = Doors(GateKept(lambda: gate), logging.getLogger("door"))
        await doors.open(KERNEL, short_folder / "a.sock")
        for message in ({"sql": "x"}, {"sql": "x", "purpose": "audit"}):
            await _asked(short_folder / "a.sock", "POST", "/query", json.dumps(message).encode())
        await doors.close_all()

    asyncio.run(body())
    assert gate.purposes == [None, "audit"]


@pytest.mark.parametrize(
    ("method", "url", "sent", "status"),
    [
        ("POST", "/query", b"not json", 400),
        ("POST", "/query", b'{"sql": 1}', 400),
        ("POST", "/query", b'{"sql": "x", "account": "bilal"}', 400),
        ("POST", "/query", b'{"sql": "x", "purpose": 1}', 400),
        ("POST", "/query", b'{"purpose": "audit"}', 400),
        ("POST", "/query", b'["sql"]', 400),
        ("POST", "/query", b"[" * 100_000, 400),
        ("POST", "/query", b'{"sql": "' + b"x" * (1024 * 1024) + b'"}', 413),
        ("GET", "/query", None, 405),
        ("GET", "/held/../keys", None, 404),
        ("GET", "/held/H-%2e%2e", None, 404),
        ("GET", "/elsewhere", None, 404),
    ],
)
def test_a_malformed_request_fails_in_the_doors_own_format(
    short_folder: Path, method: str, url: str, sent: bytes | None, status: int
) -> None:
    async def body() -> None:
        doors = Doors(GateKept(Gate), logging.getLogger("door"))
        await doors.open(KERNEL, short_folder / "b.sock")
        answered, header, rest = await _asked(short_folder / "b.sock", method, url, sent)
        assert (answered, header["verdict"], rest) == (status, "failed", b"")
        await doors.close_all()

    asyncio.run(body())


def test_a_failure_is_known_by_its_number_and_quotes_nothing(
    short_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def body() -> None:
        doors = Doors(GateKept(Gate), logging.getLogger("door"))
        await doors.open(KERNEL, short_folder / "c.sock")
        status, header, _ = await _asked(short_folder / "c.sock", "POST", "/query", _query("boom canary-5512"))
        assert status == 500
        assert "canary-5512" not in json.dumps(header)
        assert header["failure_id"] in caplog.text
        assert "canary-5512" not in caplog.text
        await doors.close_all()

    asyncio.run(body())


def test_too_many_waiting_queries_are_turned_away_and_the_loop_stays_free() -> None:
    release = threading.Event()

    async def body() -> None:
        doors = Doors(GateKept(lambda: Gate(before=lambda: _wait(release))), logging.getLogger("door"))
        asked = [asyncio.ensure_future(doors.ask(Enquiry(KERNEL, _one_query))) for _ in range(16)]
        await asyncio.sleep(0.2)
        try:
            assert (await doors.ask(Enquiry(KERNEL, _one_query)))[0] == 429
        finally:
            release.set()
        assert {(await task)[0] for task in asked} == {200}
        await doors.close_all()

    asyncio.run(body())


def test_an_interrupted_kernel_ends_its_own_running_query_and_no_other(short_folder: Path) -> None:
    started = threading.Event()

    async def body() -> None:
        gate = Gate()
        gate._before = lambda: started.set() or _wait(gate.cancelled)
        doors = Doors(GateKept(lambda: gate), logging.getLogger("door"))
        await doors.open(KERNEL, short_folder / "e.sock")
        first, second = (_unanswered(short_folder / "e.sock") for _ in "12")
        first.request("POST", "/query", _query("first"))
        await asyncio.get_running_loop().run_in_executor(None, started.wait, 10)
        second.request("POST", "/query", _query("second"))
        await asyncio.sleep(0.2)
        second.close()
        await asyncio.sleep(0.2)
        assert not gate.cancelled.is_set()
        first.close()
        assert await asyncio.get_running_loop().run_in_executor(None, gate.cancelled.wait, 10)
        await doors.close_all()

    asyncio.run(body())


def _unanswered(path: Path) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("door", timeout=30)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(path))
    return connection


def _wait(release: threading.Event) -> None:
    assert release.wait(30)


def _one_query(gate: Answering) -> bytes:
    return encode_answer(gate.answer("SELECT count(*)"))


def test_a_gate_that_cannot_start_says_why_and_is_tried_again_later() -> None:
    now = [100.0]
    tries: list[float] = []

    def opener() -> Gate:
        tries.append(now[0])
        if len(tries) == 1:
            raise OperatorError("the project has not been provisioned")
        return Gate()

    kept = GateKept(opener, clock=lambda: now[0])
    for _ in range(2):
        with pytest.raises(OperatorError, match="the gate could not start: the project has not been provisioned"):
            kept.get()
    assert len(tries) == 1
    now[0] += 60
    assert kept.get() is kept.get()
    assert len(tries) == 2


def test_a_foreign_error_at_the_start_is_not_quoted() -> None:
    def opener() -> Gate:
        raise RuntimeError("canary-5512")

    with pytest.raises(OperatorError) as raised:
        GateKept(opener).get()
    assert "canary-5512" not in str(raised.value)
