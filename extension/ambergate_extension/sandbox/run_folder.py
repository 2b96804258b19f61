"""One private folder per kernel for its sockets, named by us, short enough for a unix socket's path.

`gate/` is mounted read-only in the box and holds the door's socket; `kernel/` is the one place, besides its workspace,
that both the kernel and the server can write: the kernel binds its sockets and keeps its connection file there.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SOCKET_PATH_LIMIT = 107  # bytes of sun_path, less the final NUL (unix(7))
_LONGEST_BELOW = len("/k-12345678/kernel/zmq-5")
INSIDE = Path("/run/ambergate")
KERNEL_PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one running kernel, seen from outside the box."""

    path: Path

    @property
    def gate(self) -> Path:
        return self.path / "gate"

    @property
    def kernel(self) -> Path:
        return self.path / "kernel"

    @property
    def door(self) -> Path:
        return self.gate / "door.sock"

    @property
    def connection_file(self) -> Path:
        """The box's own copy (ipykernel writes it again); the server keeps another where no kernel can write."""
        return self.kernel / "connection.json"

    @property
    def zmq_address(self) -> str:
        """What Jupyter calls `ip` when the transport is ipc: a path to which `-<port>` is added."""
        return str(self.kernel / "zmq")

    @property
    def home(self) -> Path:
        """The kernel's home and temporary folder, where its box cannot have its own."""
        return self.path / "home"

    @property
    def temporary(self) -> Path:
        return self.path / "tmp"

    @property
    def packages(self) -> Path:
        """Where Python finds a package of ours without seeing those beside it."""
        return self.path / "packages"

    def make_scratch(self, package: Path) -> None:
        """Make home, temporary folder and packages anew."""
        for folder in (self.home, self.temporary, self.packages):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
        (self.packages / package.name).symlink_to(package)

    def write_connection(self, connection: Mapping[str, Any], folder: Path = INSIDE / "kernel") -> None:
        """Write the kernel's connection file. `folder`: what the box calls the folder of its sockets."""
        plain = {key: value.decode() if isinstance(value, bytes) else value for key, value in connection.items()}
        inside = {**plain, "transport": "ipc", "ip": str(folder / "zmq")}
        # O_EXCL and O_NOFOLLOW: should anything of an earlier kernel still live, a link of its making stops us here.
        descriptor = os.open(self.connection_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(inside, file)

    def forget_sockets(self) -> None:
        """Empty what the last kernel left, so that a restarted one starts from nothing."""
        shutil.rmtree(self.kernel, ignore_errors=True)
        self.kernel.mkdir(mode=0o700)

    def remove(self) -> None:
        """Remove the folder. The path was made by `make_run_folder`, never from anything a client sent."""
        shutil.rmtree(self.path, ignore_errors=True)


def make_run_folder(parent: Path) -> RunFolder:
    """A fresh 0700 folder below `parent`, or below the system's temporary folder where `parent` is too long."""
    if len(bytes(parent)) + _LONGEST_BELOW > SOCKET_PATH_LIMIT:
        parent = Path(tempfile.gettempdir())
    else:
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder = RunFolder(Path(tempfile.mkdtemp(prefix="k-", dir=parent)))
    folder.gate.mkdir(mode=0o700)
    folder.kernel.mkdir(mode=0o700)
    return folder
