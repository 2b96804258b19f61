"""Twenty kernels at once, one of which misbehaves in every way in turn: how long the others' cells take meanwhile.

    python bench/many_kernels.py [KERNELS] [groups]

`groups`: with cgroups, where the system itself may hold a kernel back before the watch has to end it.

Fails if a neighbour's cell is not answered within ten seconds, or a misbehaving kernel is neither ended nor held back.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.attacks.system import test_misbehaving_kernels as attacks
from tests.attacks.system.kernels import Boxed, Kernels, Running

from ambergate_extension.sandbox import cgroups
from ambergate_extension.sandbox.box import Limits
from ambergate_extension.sandbox.canary import prove

LONGEST_SECONDS = 10.0
ENDING = {
    "memory of many processes": attacks.MEMORY,
    "fork bomb": attacks.FORK_BOMB,
    "open files": attacks.OPEN_FILES,
    "full workspace": attacks.FILLING,
    "deleted files": attacks.FILLING_UNSEEN,
    "many files": attacks.MANY_FILES,
}
BUSY = "import os\nfor _ in range(24):\n    if os.fork() == 0:\n        while True: pass"


async def cell(kernel: Running) -> float:
    began = time.perf_counter()
    assert await kernel.run("sum(range(10))", seconds=60) == "45"
    return time.perf_counter() - began


async def meanwhile(neighbours: list[Running], attack: asyncio.Future[bool]) -> list[float]:
    """How long the neighbours' cells take, one after the other, until the attack is over."""
    taken: list[float] = []
    while not attack.done() or len(taken) < len(neighbours):
        for kernel in neighbours:
            taken.append(await cell(kernel))
    return taken


def told(what: str, taken: list[float], outcome: str) -> None:
    worst = max(taken)
    print(f"{what:<26}{statistics.median(taken) * 1000:>9.0f}{worst * 1000:>9.0f}   {outcome}", flush=True)
    assert worst < LONGEST_SECONDS


async def attacked(kernels: Kernels, neighbours: list[Running], what: str, code: str, *, groups: bool) -> None:
    culprit = await kernels.start()
    ending = asyncio.ensure_future(culprit.ends(code, seconds=25))
    taken = await meanwhile(neighbours, ending)
    if await ending:
        await culprit.started_again()
        told(what, taken, (await culprit.run("None")).strip())
    else:
        assert groups, f"{what}: the kernel was not ended"
        told(what, taken, "held back by the system")
    for path in kernels.workspace.iterdir():
        path.unlink()
    await kernels.stop(culprit)


async def busy(kernels: Kernels, neighbours: list[Running]) -> None:
    culprit = await kernels.start()
    await culprit.run(BUSY)
    waiting = asyncio.ensure_future(asyncio.sleep(15, True))
    told("busy loops", await meanwhile(neighbours, waiting), "goes on behind the others")
    await kernels.stop(culprit)


async def main(number: int, with_groups: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="ag-", ignore_cleanup_errors=True) as name:
        backend = prove(Path(name) / "run", [])
        groups = cgroups.available() if with_groups else None
        print(f"{number} kernels, {backend.name}, {'with' if groups else 'without'} groups of processes")
        allowance = attacks.TIGHT
        async with Boxed(backend, Path(name)).kernels(
            allowance=allowance, groups=groups, limits=Limits(processes=4000)
        ) as kernels:
            began = time.perf_counter()
            neighbours = [await kernels.start() for _ in range(number - 1)]
            print(f"started one by one in {time.perf_counter() - began:.1f} s")
            print(f"{'milliseconds per cell':<26}{'median':>9}{'worst':>9}")
            told("nobody misbehaves", [await cell(kernel) for kernel in neighbours * 3], "")
            for what, code in ENDING.items():
                await attacked(kernels, neighbours, what, code, groups=groups is not None)
            await busy(kernels, neighbours)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20, "groups" in sys.argv))
