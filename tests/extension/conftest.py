"""A real sandboxed kernel with a real door; only the gate behind it is small: it answers from tables in memory."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ambergate_datasets.state import StateFolder
from ambergate_extension.door.answering import GateKept
from ambergate_extension.door.doors import Doors
from ambergate_extension.sandbox.box import Backend, Limits
from ambergate_extension.sandbox.bubblewrap import candidates
from ambergate_extension.sandbox.canary import prove
from ambergate_extension.sandbox.kernelspecs import SandboxedKernelSpecs
from ambergate_extension.sandbox.provisioner import KernelHousing
from ambergate_extension.server.configuration import config_file, server_environment
from ambergate_extension.server.kernels import SandboxedKernelManager
from ambergate_extension.settings import Settings
from ambergate_policies.names import Account, Slug

TOKEN = "test-token"


@dataclass(frozen=True)
class SmallAnswer:
    header: dict[str, Any]
    table: pa.Table | None = None
    mask: pa.Table | None = None

    def to_header(self) -> dict[str, Any]:
        return self.header


@dataclass
class SmallGate:
    """Knows a few queries, and answers everything else with a refusal that points into the text."""

    asked: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def answer(self, sql: str, *, purpose: str | None = None) -> SmallAnswer:
        self.asked.append(sql)
        if "slow" in sql:
            self.ended.wait(30)
        if "boom" in sql:
            raise RuntimeError(f"the driver quotes a value: canary-7731 in {sql}")
        if "sum(cost)" in sql:
            return SmallAnswer({"verdict": "held", "held_reference": "H-7F3K2M", "findings": [], "log_index": 18})
        if "count(*)" in sql and "postcode" not in sql:
            return SmallAnswer(RELEASED_HEADER, COUNTS, MASK)
        line = sql.splitlines()[0]
        finding = {
            "rule": "AG-003", "message": "column <postcode> is not in the agreement", "line": 1,
            "column": line.find("postcode") + 1, "hint": "ask for region", "fragment": "postcode", "clause": "3.2",
        }  # fmt: skip
        return SmallAnswer({"verdict": "refused", "findings": [finding], "log_index": 19})

    def fetch(self, reference: str) -> SmallAnswer:
        if reference == "H-REEASED":
            return SmallAnswer(RELEASED_HEADER, COUNTS, MASK)
        return SmallAnswer({"verdict": "held", "held_reference": reference, "findings": []})

    def catalogue(self) -> dict[str, Any]:
        column = {"name": "region", "type": "text", "title": "Region <of residence>", "clause": "3.1"}
        return {"project": "demo", "tables": [{"name": "person", "title": "Persons", "columns": [column]}]}

    def cancel(self) -> None:
        self.asked.append("cancelled")
        self.ended.set()

    def close(self) -> None:
        self.asked.append("closed")


COUNTS = pa.table({"sex": ["F", "M", "<b>X</b>"], "n": pa.array([120, 95, None], pa.int64())})
MASK = pa.table({"sex": [False, False, False], "n": [False, False, True]})
RELEASED_HEADER: dict[str, Any] = {
    "verdict": "released",
    "findings": [{"rule": "AG-020", "message": "counts rounded to 5"}],
    "suppressed_cells": 1,
    "withheld_groups": 2,
    "log_index": 17,
}


def _user_namespaces_obstacle() -> str:
    found = candidates()
    if not found:
        return "no bubblewrap is installed"
    done = subprocess.run(
        [
            str(found[0]),
            "--unshare-all",
            "--unshare-user",
            "--disable-userns",
            "--ro-bind",
            "/",
            "/",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "true",
        ],
        capture_output=True,
        check=False,
    )
    return "" if done.returncode == 0 else f"user namespaces are unavailable: {done.stderr.decode()[-200:]}"


@pytest.fixture(scope="session")
def short_folder() -> Iterator[Path]:
    """A folder whose path is short enough for unix sockets, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="ag-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def proved_backend(short_folder: Path) -> Backend:
    if obstacle := _user_namespaces_obstacle():
        pytest.skip(obstacle)
    return prove(short_folder / "run", [])


Run = Callable[[str], Awaitable["Outcome"]]


@dataclass
class Outcome:
    """What one cell gave."""

    status: str
    messages: list[dict[str, Any]]

    @property
    def text(self) -> str:
        parts = [m["content"].get("text") or m["content"].get("data", {}).get("text/plain", "") for m in self.messages]
        return "\n".join(parts)

    @property
    def html(self) -> str:
        return "\n".join(m["content"].get("data", {}).get("text/html", "") for m in self.messages)


@dataclass
class Kernel:
    """A running sandboxed kernel."""

    manager: Any
    client: Any
    run_folder: Path
    workspace: Path
    gate: SmallGate

    async def run(self, code: str) -> Outcome:
        messages: list[dict[str, Any]] = []
        shown = ("stream", "error", "execute_result", "display_data")
        reply = await self.client.execute_interactive(
            code, timeout=60, output_hook=lambda m: messages.append(m) if m["msg_type"] in shown else None
        )
        return Outcome(reply["content"]["status"], messages)


@asynccontextmanager
async def sandboxed_kernel(backend: Backend, folder: Path, limits: Limits | None = None) -> AsyncIterator[Kernel]:
    gate = SmallGate()
    doors = Doors(GateKept(lambda: gate), logging.getLogger("door-test"))
    place = Path(tempfile.mkdtemp(dir=folder))
    workspace = place / "work"
    workspace.mkdir()
    kernels = SandboxedKernelManager(
        root_dir=str(workspace), kernel_spec_manager=SandboxedKernelSpecs(), connection_dir=str(place)
    )
    kernels.housing = KernelHousing(backend, workspace, place / "run", doors, limits or Limits())
    kernel_id = await kernels.start_kernel()
    manager = kernels.get_kernel(kernel_id)
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=60)
        yield Kernel(manager, client, place / "run", workspace, gate)
    finally:
        client.stop_channels()
        await kernels.shutdown_kernel(kernel_id, now=True)
        await doors.close_all()


@pytest.fixture
def in_kernel(proved_backend: Backend, short_folder: Path) -> Callable[[Callable[[Kernel], Awaitable[None]]], None]:
    """Runs an async test body with a kernel of its own."""

    def run(body: Callable[[Kernel], Awaitable[None]]) -> None:
        async def whole() -> None:
            async with sandboxed_kernel(proved_backend, short_folder) as kernel:
                await body(kernel)

        asyncio.run(whole())

    return run


@pytest.fixture
def a_kernel(proved_backend: Backend, short_folder: Path) -> Callable[..., AbstractAsyncContextManager[Kernel]]:
    """Makes kernels, for tests that need more than one, or other limits."""
    return lambda limits=None: sandboxed_kernel(proved_backend, short_folder, limits)


@dataclass
class Server:
    """A running single-user server."""

    settings: Settings
    url: str
    token: str = TOKEN

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, str, dict[str, str]]:
        request = urllib.request.Request(  # noqa: S310 - loopback
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {TOKEN}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return answer.status, answer.read().decode(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), dict(error.headers)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def start_server(settings: Settings, port: int, **more: str) -> subprocess.Popen[bytes]:
    script = Path(sys.prefix) / "bin" / "jupyter-server"
    options = [f"--ServerApp.port={port}", "--ServerApp.ip=127.0.0.1", f"--IdentityProvider.token={TOKEN}"]
    environment = {**server_environment(settings), **more}
    return subprocess.Popen(
        [str(script), f"--config={config_file()}", *options], env=environment, cwd="/",
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.fixture(scope="session")
def server(proved_backend: Backend, short_folder: Path) -> Iterator[Server]:
    settings = Settings(StateFolder(short_folder / "state"), Slug("cardio-outcomes"), Account("amara"))
    _plant_configuration(settings)
    port = free_port()
    process = start_server(settings, port)
    running = Server(settings, f"http://127.0.0.1:{port}/")
    try:
        _await_ready(process, running)
        yield running
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0
        assert list(settings.run_parent.iterdir()) == []


def _plant_configuration(settings: Settings) -> None:
    """What a kernel may have left in its workspace before the server is started again."""
    settings.workspace.mkdir(parents=True)
    marker = settings.state.root / "planted-code-ran"
    for name in (
        "jupyter_server_config.py",
        "jupyter_config.py",
        "jupyter_server.py",
        "sitecustomize.py",
        "tornado.py",
    ):
        (settings.workspace / name).write_text(f"open({str(marker)!r}, 'w')")
    spec = settings.workspace / "kernels" / "evil"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text('{"argv": ["/bin/true"], "display_name": "Evil", "language": "python"}')


def _await_ready(process: subprocess.Popen[bytes], server: Server) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            if server.ask("GET", "api/status")[0] == 200:
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the server did not start")


@pytest.fixture
def failing_start() -> Callable[[Settings], int]:
    """Starts a server that is expected to give up; returns its exit code."""
    return lambda settings: start_server(settings, free_port()).wait(timeout=60)
