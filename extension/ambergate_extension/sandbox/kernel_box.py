"""The box of a kernel: the project's workspace, the notebook package, its run folder with the door, and no more.

The helper that reads the workspace for the trusted server lives in the same kind of box.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import ambergate_extension
from ambergate_extension.sandbox import seccomp
from ambergate_extension.sandbox.box import Backend, Box, Limits, Shared
from ambergate_extension.sandbox.run_folder import INSIDE, RunFolder

HOME = Path("/home/k")
WORK = HOME / "work"
PACKAGES = Path("/opt/ambergate")
DOOR, NOTICE = "AMBERGATE_DOOR", "AMBERGATE_NOTICE"
_SCRATCH = (Path("/dev/shm"), Path("/tmp"))  # noqa: S108 - inside the box, private and limited in size


@dataclass(frozen=True, slots=True)
class Rooms:
    """Where the processes of a kernel's box find things: their own names for them, or this host's."""

    home: Path
    temporary: Path
    work: Path
    packages: Path
    gate: Path
    kernel: Path

    @property
    def connection_file(self) -> Path:
        return self.kernel / "connection.json"

    def environment(self, door: str | None = None) -> dict[str, str]:
        """Everything a kernel finds in its environment. `door`: where the gate is asked, if not at a socket's path."""
        return {
            "HOME": str(self.home),
            "PATH": f"{Path(sys.prefix) / 'bin'}:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "TMPDIR": str(self.temporary),
            "PYTHONPATH": str(self.packages),
            "PYTHONNOUSERSITE": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            DOOR: door or str(self.gate / "door.sock"),
        }


def rooms(backend: Backend, workspace: Path, run: RunFolder) -> Rooms:
    """What the box will call its folders."""
    if backend.own_view:
        return Rooms(HOME, _SCRATCH[1], WORK, PACKAGES, INSIDE / "gate", INSIDE / "kernel")
    return Rooms(run.home, run.temporary, workspace, run.packages, run.gate, run.kernel)


def kernel_box(
    backend: Backend,
    workspace: Path,
    run: RunFolder,
    limits: Limits,
    *,
    processes: tuple[Path, ...] = (),
    more: Mapping[str, str] | None = None,
    door: str | None = None,
) -> Box:
    """`more`: what the environment holds besides the usual."""
    inside = rooms(backend, workspace, run)
    package = notebook_package()
    shared = [
        Shared(package, inside.packages / package.name),
        Shared(run.gate, inside.gate),
        Shared(run.kernel, inside.kernel, writable=True),
        Shared(workspace, inside.work, writable=True),
    ]
    if not backend.own_view:
        run.make_scratch(package)
        shared.append(Shared(run.packages, run.packages))
        shared += [Shared(folder, folder, writable=True) for folder in (run.home, run.temporary)]
    return Box(
        shared=tuple(shared),
        scratch=(*_SCRATCH, HOME) if backend.own_view else (),
        environment={**inside.environment(door), **(more or {})},
        folder=inside.work,
        filter=seccomp.program(shared_host=not backend.own_view),
        limits=limits,
        processes=processes,
    )


def notebook_package() -> Path:
    """Beside this package in both an editable and an installed environment; never imported here (import contract)."""
    return Path(ambergate_extension.__file__).resolve().parent.parent / "ambergate_notebook"
