"""No box at all: for an administrator who replays queries over plain files on a host that has no sandbox to offer.

Never a server's: nothing chooses this by itself. An engine worker still limits and filters itself.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from ambergate_extension.sandbox.box import Box


@dataclass(frozen=True, slots=True)
class Unconfined:
    """Starts the command as it is, in the box's environment."""

    name: str = "none"
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
        return subprocess.Popen(
            list(command), stdin=stdin, stdout=stdout, stderr=stderr, pass_fds=list(pass_fds),
            cwd=box.folder, env=dict(box.environment), start_new_session=True,
        )  # fmt: skip
