"""Starting an engine worker in a box, and giving it its database and key once it has proved that the box holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ambergate_datasets.engines.connection import Limits
from ambergate_extension.engine.box import engine_box, rlimits
from ambergate_extension.engine.frames import BrokenFrame, read_frame, write_frame
from ambergate_extension.engine.proof import ELSEWHERE, faults
from ambergate_extension.sandbox.box import Backend, Box, SandboxUnavailable, python_folders
from ambergate_extension.sandbox.bubblewrap import Bubblewrap, candidates
from ambergate_extension.sandbox.canary import advice
from ambergate_extension.sandbox.unconfined import Unconfined
from ambergate_policies.errors import OperatorError

_MOST_PATHS = 100
# A box dies with the thread that started it, so it is a thread that lives as long as this process.
_STARTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine-starter")


@dataclass(frozen=True, slots=True)
class Premises:
    """What a worker is started over: the database, its temporary folder, and the folders of cohort tables, each with
    whether the worker writes there."""

    database: Path
    temp: Path
    folders: Mapping[Path, bool]
    limits: Limits


def default_backends() -> tuple[Backend, ...]:
    return tuple(Bubblewrap(binary) for binary in candidates())


def launch(premises: Premises, key: bytes | None, backends: Sequence[Backend]) -> subprocess.Popen[bytes]:
    """A worker that has the database open, from the first builder whose box holds. Raises SandboxUnavailable where
    none does, OperatorError when the database cannot be opened."""
    complaints = []
    for backend in backends:
        try:
            return _launch(premises, key, backend)
        except SandboxUnavailable as error:
            complaints.append(f"{backend.name}: {error}")
    raise SandboxUnavailable("no sandbox for the engine; " + ("; ".join(complaints) or "no bubblewrap is installed"))


def _launch(premises: Premises, key: bytes | None, backend: Backend) -> subprocess.Popen[bytes]:
    box = engine_box(backend, premises.database, premises.temp, premises.folders, premises.limits)
    reading, writing = os.pipe()
    try:
        process = _STARTER.submit(_start, box, premises.limits, backend, reading).result()
    except BaseException:
        os.close(writing)
        raise
    finally:
        os.close(reading)
    try:
        with os.fdopen(writing, "wb") as keys:
            _require_confinement(process, box, backend, premises)
            keys.write(key or b"")
        opening = {"database": str(premises.database), "temp": str(premises.temp), "limits": asdict(premises.limits)}
        answer = _exchange(process, opening)
        if "error" in answer:
            raise OperatorError(str(answer.get("message", "the engine could not start")))
    except BaseException:
        end(process)
        raise
    if process.stderr is not None:
        process.stderr.close()
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a worker, wait until all of its box is gone, and let go of its pipes."""
    if process.poll() is None:
        process.kill()
    with suppress(OSError, ValueError):
        while process.stdout is not None and process.stdout.read(1024 * 1024):
            pass  # the pipe ends when the last process that holds it does, which is not the one that was started
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with suppress(OSError):  # what was still to be written has nobody to read it
                stream.close()
    process.wait()


def _start(box: Box, limits: Limits, backend: Backend, keys: int) -> subprocess.Popen[bytes]:
    program = [sys.executable, "-P", "-s", "-m", "ambergate_extension.engine.worker"]
    return backend.start(
        box, [*program, str(keys), json.dumps(rlimits(box, limits))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=[keys],
    )  # fmt: skip


def _require_confinement(process: subprocess.Popen[bytes], box: Box, backend: Backend, premises: Premises) -> None:
    confined = not isinstance(backend, Unconfined)
    try:
        report = _exchange(process, {"secret": _secret(premises.database, box)})
    except (BrokenFrame, OSError):
        process.kill()
        complaint = process.stderr.read(4096).decode(errors="replace") if process.stderr is not None else ""
        raise SandboxUnavailable(advice(complaint)) from None
    found = list(faults(report, environment=box.environment, confined=confined, own_view=backend.own_view))
    if found:
        raise SandboxUnavailable(", ".join(found))


def _secret(database: Path, box: Box) -> list[str]:
    """Paths that must not be there for the worker: those of this host's system, and the database's neighbours."""
    mine = [*(shared.inside for shared in box.shared), *python_folders(), *box.scratch]
    try:
        neighbours = sorted(database.parent.iterdir())
    except OSError:
        neighbours = []
    wanted = [path for path in (*map(Path, ELSEWHERE), *neighbours) if not _holds(path, mine)]
    return [str(path) for path in wanted[:_MOST_PATHS]]


def _holds(path: Path, mine: Sequence[Path]) -> bool:
    """Whether it must exist in the box: as a part of what is shared, or as an empty folder on the way there."""
    return any(one.is_relative_to(path) or path.is_relative_to(one) for one in mine)


def _exchange(process: subprocess.Popen[bytes], request: dict[str, Any]) -> dict[str, Any]:
    if process.stdin is None or process.stdout is None:
        raise BrokenFrame("no pipes")
    write_frame(process.stdin, request)  # type: ignore[arg-type]
    header, _ = read_frame(process.stdout)  # type: ignore[arg-type]
    return header
