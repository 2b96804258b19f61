"""Boxes without name spaces: Landlock, a filter of system calls, no capabilities. For hosts that forbid name spaces.

Weaker than `bubblewrap`: a box sees the sizes and times of files whose path it knows, though it can open none that is
not shared with it. So it is only used where the operator says so
(docs/adr/0020-two-sandboxes.md). Needs Landlock ABI 6 (Linux 6.12), which keeps signals inside.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ambergate_extension
from ambergate_extension.sandbox.box import Box, SandboxUnavailable, memory_file, python_folders
from ambergate_extension.sandbox.cgroups import joining, limit_files
from ambergate_extension.sandbox.confinement import landlock_version

NEEDED = 6
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/fonts", "/etc/localtime")
_FACTS = ("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/version", "/proc/sys/vm/overcommit_memory",
          "/sys/devices/system/cpu")  # fmt: skip
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


class Group(subprocess.Popen[bytes]):
    """A box's first process, whose group is the whole box: nothing in it can leave its group."""

    def kill(self) -> None:
        if self.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Landlock:
    """The builder that uses nothing but the Linux kernel."""

    name: str = "landlock"
    own_view: bool = False

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
        if landlock_version() < NEEDED:
            raise SandboxUnavailable(f"Landlock ABI {NEEDED} (Linux 6.12 or newer) is needed, and not offered here")
        order = memory_file(json.dumps(_order(box, command, pass_fds)).encode())
        package = str(Path(ambergate_extension.__file__).resolve().parent.parent)
        launch = "import sys; sys.path.insert(0, sys.argv.pop(1)); from ambergate_extension.sandbox import launcher"
        try:
            return Group(
                [*joining(box.processes), sys.executable, "-I", "-S", "-c", f"{launch}; launcher.main()", package,
                 str(order)],
                stdin=stdin, stdout=stdout, stderr=stderr, pass_fds=[order, *pass_fds], cwd="/", env={},
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise SandboxUnavailable(f"a restricted process cannot be started ({error.strerror})") from None
        finally:
            os.close(order)


def _order(box: Box, command: Sequence[str], pass_fds: Sequence[int]) -> dict[str, object]:
    """What the launcher is to do, as JSON."""
    readable = [shared.outside for shared in box.shared if not shared.writable]
    return {
        "readable": [*_SYSTEM, *_FACTS, *map(str, (*python_folders(), *readable, *limit_files(box.processes)))],
        "writable": [*_DEVICES, *(str(shared.outside) for shared in box.shared if shared.writable)],
        "environment": dict(box.environment),
        "folder": str(box.folder),
        "filter": box.filter.hex(),
        "command": list(command),
        "pass": list(pass_fds),
    }
