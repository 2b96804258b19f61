"""Real kernels for attacks: in the sandbox, and as a stock Jupyter server would start them.

`Boxed` runs a researcher's code where Ambergate runs it. `stock_output` runs the same code in a plain ipykernel: an
attack that does not even work there proves nothing.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from jupyter_client.manager import start_new_async_kernel

from ambergate_extension.door.answering import GateKept
from ambergate_extension.door.doors import Doors
from ambergate_extension.sandbox.box import Allowance, Backend, Limits
from ambergate_extension.sandbox.cgroups import Groups
from ambergate_extension.sandbox.kernelspecs import SandboxedKernelSpecs
from ambergate_extension.sandbox.provisioner import KernelHousing
from ambergate_extension.sandbox.watch import Watch
from ambergate_extension.server.kernels import SandboxedKernelManager

T = TypeVar("T")
_SHOWN = ("stream", "error", "execute_result", "display_data")
PATIENCE_SECONDS = 120


@dataclass
class Running:
    """One kernel and its client."""

    kernel_id: str
    manager: Any
    client: Any
    messages: list[dict[str, Any]] = field(default_factory=list)

    async def run(self, code: str, seconds: float = PATIENCE_SECONDS) -> str:
        """Everything that a cell shows, as text; an error as its name and message."""
        shown: list[str] = []

        def take(message: dict[str, Any]) -> None:
            if message["msg_type"] in _SHOWN:
                self.messages.append(message)
                shown.append(_text(message))

        await self.client.execute_interactive(code, timeout=seconds, output_hook=take)
        return "".join(shown).strip()

    async def ends(self, code: str, seconds: float = PATIENCE_SECONDS) -> bool:
        """Send a cell that is expected to end this kernel; whether its box was ended in time."""
        process = self.manager.provisioner.process
        self.client.execute(code)
        for _ in range(int(seconds * 10)):
            await asyncio.sleep(0.1)
            if process.poll() is not None:
                return True
        return False

    async def ready(self) -> None:
        await self.client.wait_for_ready(timeout=PATIENCE_SECONDS)

    async def started_again(self) -> None:
        """Wait until the server has started another kernel in the place of one that ended."""
        for _ in range(PATIENCE_SECONDS * 5):
            await asyncio.sleep(0.2)
            process = self.manager.provisioner.process
            if process is not None and process.poll() is None and self.manager.ready.done():
                return await self.ready()
        raise AssertionError("no kernel was started in the place of the one that ended")


@dataclass
class Kernels:
    """A server's kernels, in boxes. `gate` answers their doors, if there is one."""

    manager: SandboxedKernelManager
    workspace: Path
    run_parent: Path
    doors: Doors

    async def start(self) -> Running:
        kernel_id = await self.manager.start_kernel()
        manager = self.manager.get_kernel(kernel_id)
        client = manager.client()
        client.start_channels()
        running = Running(kernel_id, manager, client)
        await running.ready()
        return running

    async def stop(self, kernel: Running) -> None:
        kernel.client.stop_channels()
        await self.manager.shutdown_kernel(kernel.kernel_id, now=True)


@dataclass(frozen=True)
class Boxed:
    """Makes servers' kernels with one backend below one short folder."""

    backend: Backend
    folder: Path

    @asynccontextmanager
    async def kernels(
        self,
        *,
        limits: Limits | None = None,
        allowance: Allowance | None = None,
        groups: Groups | None = None,
        gate: Any = None,
    ) -> AsyncIterator[Kernels]:
        place = Path(tempfile.mkdtemp(dir=self.folder))
        workspace = place / "work"
        workspace.mkdir()
        doors = Doors(GateKept(lambda: gate), logging.getLogger("attacks"))
        kind: Any = SandboxedKernelManager  # untyped, as its base classes are
        manager = kind(root_dir=str(workspace), kernel_spec_manager=SandboxedKernelSpecs(), connection_dir=str(place))
        manager.housing = KernelHousing(
            self.backend, workspace, place / "run", doors, limits or Limits(), allowance or Allowance(), groups,
            Watch(seconds=0.2),
        )  # fmt: skip
        try:
            yield Kernels(manager, workspace, place / "run", doors)
        finally:
            await manager.shutdown_all(now=True)
            await doors.close_all()

    def output(self, code: str, **settings: Any) -> str:
        """What one cell shows in a kernel of its own."""

        async def body() -> str:
            async with self.kernels(**settings) as kernels:
                return await (await kernels.start()).run(code)

        return run(body())


def stock_output(code: str) -> str:
    """What one cell shows in a plain ipykernel, started as a stock server does."""

    async def body() -> str:
        manager, client = await start_new_async_kernel(startup_timeout=PATIENCE_SECONDS)
        try:
            return await Running("", manager, client).run(code)
        finally:
            client.stop_channels()
            await manager.shutdown_kernel(now=True)

    return run(body())


def run(body: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(body)


def _text(message: dict[str, Any]) -> str:
    content = message["content"]
    if message["msg_type"] == "error":
        return f"{content['ename']}: {content['evalue']}\n"
    return str(content.get("text") or content.get("data", {}).get("text/plain", ""))
