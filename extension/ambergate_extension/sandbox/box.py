"""What a box is, whoever builds it: what it sees of this host, what it may use, and how one is asked for.

Two builders keep this contract: `bubblewrap` (name spaces) and `landlock` (a restricted process in this host's own
view). What each really builds is proved from the inside by `canary` for kernels and by the engine's worker for itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from ambergate_policies.errors import OperatorError

_MEBIBYTE = 1024 * 1024
_ALL_PROCESSES = 4_000_000


class SandboxUnavailable(OperatorError):
    """No box, no kernel and no engine. The text says what the operator must do."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one process of a box may use. Sizes in mebibytes; memory is address space (RLIMIT_AS)."""

    memory_mb: int = 4096
    processes: int = 512  # threads count too: numerical libraries start one per processor
    open_files: int = 1024
    file_mb: int = 1024
    scratch_mb: int = 512

    def on(self, backend: Backend) -> Limits:
        """The same, for a box of this builder. Where processes are counted for the whole account they are not limited
        here: other kernels' would count too. The watch limits them."""
        return self if backend.own_view else replace(self, processes=_ALL_PROCESSES)

    def rlimits(self) -> dict[str, int]:
        """The limits as names and values of the `resource` module, for the process inside."""
        return {
            "RLIMIT_AS": self.memory_mb * _MEBIBYTE,
            "RLIMIT_NPROC": self.processes,
            "RLIMIT_NOFILE": self.open_files,
            "RLIMIT_FSIZE": self.file_mb * _MEBIBYTE,
            "RLIMIT_CORE": 0,
        }


@dataclass(frozen=True, slots=True)
class Allowance:
    """What all processes of a kernel may use together. Sizes in mebibytes.

    open_files: what is in a socket's or pipe's buffers is memory that no process shows. free_mb: a kernel that writes
    while less than this is free on the workspace's disk is ended."""

    memory_mb: int = 6144
    processes: int = 480  # fewer than one process may start where that is counted, so that a fork bomb is seen
    processors: float = field(default_factory=lambda: max(1.0, (os.cpu_count() or 1) * 0.75))
    open_files: int = 8192
    workspace_mb: int = 20 * 1024
    files: int = 200_000
    free_mb: int = 1024


@dataclass(frozen=True, slots=True)
class Shared:
    """A file or folder of this host that a box sees, and where it sees it."""

    outside: Path
    inside: Path
    writable: bool = False


@dataclass(frozen=True, slots=True)
class Box:
    """A sandbox to be. Besides `/usr` and the Python environment it sees `shared` and nothing else of this host.

    `scratch`: folders of its own, empty and limited in size where the builder can. `folder`: where it starts.
    `filter`: the system calls that it may not make, as a seccomp program. `processes`: groups of processes (cgroups)
    that it joins before anything of it runs."""

    shared: tuple[Shared, ...]
    scratch: tuple[Path, ...]
    environment: Mapping[str, str]
    folder: Path
    filter: bytes = field(repr=False)
    limits: Limits = field(default_factory=Limits)
    processes: tuple[Path, ...] = ()


class Backend(Protocol):
    """A builder of boxes."""

    @property
    def name(self) -> str: ...

    @property
    def own_view(self) -> bool:
        """Whether a box has a file system, processes and a network of its own. If not, `inside` is `outside`."""

    def start(
        self,
        box: Box,
        command: Sequence[str],
        *,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.DEVNULL,
        stderr: int = subprocess.DEVNULL,
        pass_fds: Sequence[int] = (),
    ) -> subprocess.Popen[bytes]:
        """Start `command` inside; killing what is returned ends the box. It dies with the calling thread: call this
        from a thread that stays. Raises SandboxUnavailable."""


def limited(limits: Limits, statement: str) -> list[str]:
    """A command that lowers its own hard limits first and then runs one Python statement.

    The limits are set inside because RLIMIT_NPROC must count the processes of the box, not those of the account.
    """
    code = (
        "import json, resource, sys\n"
        "for name, value in json.loads(sys.argv.pop(1)).items():\n"
        "    limit = getattr(resource, name); hard = resource.getrlimit(limit)[1]\n"
        "    value = value if hard == resource.RLIM_INFINITY else min(value, hard)\n"
        "    resource.setrlimit(limit, (value, value))\n"
        f"{statement}\n"
    )
    return [sys.executable, "-P", "-s", "-c", code, json.dumps(limits.rlimits())]


def python_folders() -> list[Path]:
    """The folders this Python needs, without those inside `/usr` or inside one another."""
    wanted = {Path(sys.prefix), Path(sys.base_prefix), Path(os.path.realpath(sys.executable)).parent.parent}
    wanted |= {Path(os.path.realpath(folder)) for folder in wanted}
    kept: list[Path] = []
    for folder in sorted(wanted, key=lambda path: len(path.parts)):
        if folder == Path("/"):
            raise SandboxUnavailable("the Python environment is installed at `/`; install Ambergate in its own folder")
        if not any(folder.is_relative_to(other) for other in (Path("/usr"), *kept)):
            kept.append(folder)
    return kept


def memory_file(content: bytes) -> int:
    """A descriptor at the start of an anonymous file: nothing on a command line, nothing on disk."""
    descriptor = os.memfd_create("ambergate", os.MFD_CLOEXEC)
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
