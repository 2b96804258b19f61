"""One kernel takes all it can get: it is ended or held back, told why, and its neighbour goes on working."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.attacks.system.kernels import Boxed, Kernels, Running, run

from ambergate_extension.sandbox import cgroups
from ambergate_extension.sandbox.box import Allowance, Limits

LOAD = pytest.mark.skipif("AMBERGATE_TEST_LOAD" not in os.environ, reason="AMBERGATE_TEST_LOAD is not set")
TIGHT = Allowance(memory_mb=700, processes=120, open_files=2000, workspace_mb=64, files=300)
MEMORY = """
import subprocess, sys
hog = "x = bytearray(200 << 20); import time; time.sleep(60)"
many = [subprocess.Popen([sys.executable, "-c", hog]) for _ in range(10)]
import time; time.sleep(60)
"""
FORK_BOMB = """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
"""
FORKS = """
import os, signal, time
children = []
try:
    while len(children) < 500:
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        children.append(child)
except OSError:
    pass
for child in children:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
print(10 < len(children) < 100)
"""
OPEN_FILES = """
import os, time
kept = []
for _ in range(8):
    if os.fork() == 0:
        kept = [os.pipe() for _ in range(480)]
        time.sleep(60)
time.sleep(60)
"""
FILLING = """
import os, time
for number in range(100):
    with open(f'fill-{number}', 'wb') as file:
        file.write(os.urandom(8 << 20)); file.flush(); os.fsync(file.fileno())
    time.sleep(0.05)
time.sleep(60)
"""
FILLING_UNSEEN = """
import os, time
kept = []
for number in range(100):
    file = open(f'fill-{number}', 'wb'); os.remove(f'fill-{number}'); kept.append(file)
    file.write(os.urandom(8 << 20)); file.flush(); os.fsync(file.fileno())
    time.sleep(0.05)
time.sleep(60)
"""
MANY_FILES = """
import time
for number in range(2000):
    with open(f'file-{number}', 'wb') as file:
        file.write(bytes(8192))
    time.sleep(0.002)
time.sleep(60)
"""


async def _works(kernel: Running) -> bool:
    """Whether a cell is answered in a time in which a person still waits."""
    began = time.monotonic()
    return await kernel.run("sum(range(10))", seconds=30) == "45" and time.monotonic() - began < 20


async def _ended_with(kernels: Kernels, code: str, words: str) -> None:
    """The kernel that runs `code` is ended and its successor says why; a neighbour works before, during and after."""
    neighbour, culprit = await kernels.start(), await kernels.start()
    ending = asyncio.ensure_future(culprit.ends(code, seconds=60))
    while not ending.done():
        assert await _works(neighbour)
        await asyncio.sleep(0.3)
    assert await ending
    await culprit.started_again()
    told = await culprit.run("2 + 2")
    assert words in told
    assert told.endswith("4")
    assert words not in await culprit.run("2 + 3")
    assert await _works(neighbour)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        pytest.param(MEMORY, "700 MiB of memory", marks=LOAD),
        pytest.param(OPEN_FILES, "2000 files open", marks=LOAD),
        (FILLING, "more than 64 MiB"),
        pytest.param(FILLING_UNSEEN, "more than 64 MiB", marks=LOAD),
        pytest.param(MANY_FILES, "more than 300 files", marks=LOAD),
    ],
    ids=["memory of many", "open files", "full workspace", "deleted files", "many files"],
)
def test_a_kernel_that_takes_too_much_is_ended_and_told_why(boxed: Boxed, code: str, words: str) -> None:
    async def body() -> None:
        async with boxed.kernels(allowance=TIGHT) as kernels:
            await _ended_with(kernels, code, words)

    run(body())


@LOAD
def test_a_fork_bomb_ends_with_its_own_kernel(boxed: Boxed) -> None:
    """A command of its own, for a machine that nobody else uses. The system's own limit on processes is set aside: it
    does not count for root."""

    async def body() -> None:
        async with boxed.kernels(allowance=replace(TIGHT, open_files=10**6), limits=Limits(processes=4000)) as kernels:
            await _ended_with(kernels, FORK_BOMB, "120 processes")

    run(body())


def test_groups_of_processes_hold_where_the_system_counts(boxed: Boxed) -> None:
    groups = cgroups.available()
    if groups is None:
        pytest.skip("this host delegates no groups of processes (cgroups)")

    async def body() -> None:
        generous = replace(TIGHT, memory_mb=2000, processes=100, open_files=20000)
        async with boxed.kernels(allowance=generous, groups=groups) as kernels:
            kernel = await kernels.start()
            made = kernel.manager.provisioner._groups
            assert made
            assert "True" in await kernel.run(FORKS)
            await kernels.stop(kernel)
            assert not any(group.exists() for group in made)

    run(body())


@LOAD
def test_a_busy_kernel_goes_behind_the_others(boxed: Boxed) -> None:
    spinning = "import os\nfor _ in range(12):\n    if os.fork() == 0:\n        while True: pass\n'started'"

    async def body() -> None:
        async with boxed.kernels(allowance=replace(TIGHT, processors=0.5)) as kernels:
            neighbour, culprit = await kernels.start(), await kernels.start()
            assert "started" in await culprit.run(spinning)
            for _ in range(120):
                await asyncio.sleep(0.25)
                if (await culprit.run("os.getpriority(os.PRIO_PROCESS, 0)", seconds=60)) == "19":
                    break
            assert await culprit.run("os.getpriority(os.PRIO_PROCESS, 0)", seconds=60) == "19"
            assert await _works(neighbour)

    run(body())


def test_memory_that_belongs_to_no_process_cannot_be_had(boxed: Boxed, stock: Callable[[str], str]) -> None:
    code = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def had(call):
    return call() >= 0
def anonymous_file():
    try:
        return os.memfd_create("x")
    except OSError:
        return -1
print(had(anonymous_file), had(lambda: libc.shmget(0, 1 << 20, 0o1600)), had(lambda: libc.msgget(0, 0o1600)))
"""
    assert stock(code) == "True True True"
    assert boxed.output(code) == "False False False"
