"""What the sandbox costs: kernel start against a plain ipykernel, and round trips through the door.

    python bench/kernel_start.py [ROUNDS] [bubblewrap|landlock]

Starts both kinds in turn, so that a busy machine disturbs both alike; prints medians and their ratio.
"""

from __future__ import annotations

import asyncio
import json
import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
from jupyter_client.manager import start_new_async_kernel

from ambergate_datasets.deployment import SandboxKind
from ambergate_extension.door.answering import GateKept
from ambergate_extension.door.doors import Doors
from ambergate_extension.sandbox.canary import prove
from ambergate_extension.sandbox.choice import builders
from ambergate_extension.sandbox.kernelspecs import SandboxedKernelSpecs
from ambergate_extension.sandbox.provisioner import KernelHousing
from ambergate_extension.server.kernels import SandboxedKernelManager

_ROUND_TRIPS = """
import json, statistics, time
from ambergate_notebook import door
def timed():
    began = time.perf_counter(); door.ask_query("SELECT count(*)"); return (time.perf_counter() - began) * 1000
def large():
    began = time.perf_counter(); reply = door.ask_query("SELECT large"); taken = (time.perf_counter() - began) * 1000
    assert len(reply.table) > 10_000_000
    return taken
times = [timed() for _ in range(300)]
large()
larges = [large() for _ in range(15)]
print(json.dumps({"median": statistics.median(times), "p95": sorted(times)[int(len(times) * .95)],
                  "large": statistics.median(larges), "large worst": max(larges)}))
"""


class OneRow:
    """An answer of one row: what is measured is the way, not the query."""

    table = pa.table({"n": [1]})
    mask = pa.table({"n": [False]})

    def to_header(self) -> dict[str, Any]:
        return {"verdict": "released", "findings": []}


class TenMegabytes(OneRow):
    """As much as a cleared table ever has."""

    table = pa.table({"n": pa.array(range(1_300_000), pa.int64())})
    mask = pa.table({"n": pa.array([False] * 1_300_000)})


class SmallGate:
    def answer(self, sql: str, *, purpose: str | None = None) -> OneRow:
        return TenMegabytes() if "large" in sql else OneRow()

    fetch = answer

    def catalogue(self) -> dict[str, Any]:
        return {}

    def cancel(self) -> None:
        """Nothing runs long."""

    def close(self) -> None:
        """Nothing is open."""


async def plain_start() -> float:
    began = time.perf_counter()
    manager, client = await start_new_async_kernel(startup_timeout=60)
    seconds = time.perf_counter() - began
    client.stop_channels()
    await manager.shutdown_kernel(now=True)
    return seconds


async def boxed_start(kernels: SandboxedKernelManager, code: str = "") -> tuple[float, str]:
    began = time.perf_counter()
    kernel_id = await kernels.start_kernel()
    client = kernels.get_kernel(kernel_id).client()
    client.start_channels()
    await client.wait_for_ready(timeout=60)
    seconds = time.perf_counter() - began
    said: list[str] = []
    if code:
        await client.execute_interactive(code, output_hook=lambda m: said.append(m["content"].get("text", "")))
    client.stop_channels()
    await kernels.shutdown_kernel(kernel_id, now=True)
    return seconds, "".join(said)


async def main(rounds: int, kind: SandboxKind) -> None:
    with tempfile.TemporaryDirectory(prefix="ag-") as name:
        folder = Path(name)
        (folder / "work").mkdir()
        doors = Doors(GateKept(SmallGate), logging.getLogger("bench"))
        kernels = SandboxedKernelManager(root_dir=name, kernel_spec_manager=SandboxedKernelSpecs(), connection_dir=name)
        began = time.perf_counter()
        backend = prove(folder / "run", [], backends=builders(kind))
        canary = time.perf_counter() - began
        kernels.housing = KernelHousing(backend, folder / "work", folder / "run", doors)
        plain, boxed = [], []
        for _ in range(rounds):
            plain.append(await plain_start())
            boxed.append((await boxed_start(kernels))[0])
        trips = json.loads((await boxed_start(kernels, _ROUND_TRIPS))[1])
        await doors.close_all()
    ratio = statistics.median(boxed) / statistics.median(plain)
    print(f"canary                 {canary * 1000:8.0f} ms")
    print(f"plain ipykernel        {statistics.median(plain):8.3f} s   (fastest {min(plain):.3f})")
    print(f"sandboxed kernel       {statistics.median(boxed):8.3f} s   (fastest {min(boxed):.3f})")
    print(f"ratio                  {ratio:8.2f}     (of the fastest {min(boxed) / min(plain):.2f}, n={rounds})")
    print(f"door round trip        {trips['median']:8.2f} ms  (p95 {trips['p95']:.2f})")
    print(f"10 MB through the door {trips['large']:8.1f} ms  (worst {trips['large worst']:.1f})")


if __name__ == "__main__":
    wanted: SandboxKind = "landlock" if "landlock" in sys.argv else "bubblewrap"
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 7, wanted))
