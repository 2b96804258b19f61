"""Processes that end when the one that started them does, however that one ended.

Linux only (`PR_SET_PDEATHSIG`, prctl(2)); elsewhere this does nothing, and an orderly stop still ends everything.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Sequence

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def end_with_parent(sig: signal.Signals = signal.SIGTERM) -> Callable[[], None]:
    """A `preexec_fn`: the new process gets `sig` when its parent ends. Survives exec.

    It also makes Ctrl-C work again below a shell that had it ignored (`ambergate hub &` in a script).
    """
    parent = os.getpid()

    def before_exec() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if _LIBC is None:
            return
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(sig), 0, 0, 0)
        if os.getppid() != parent:  # it ended between fork and prctl
            os.kill(os.getpid(), sig)

    return before_exec


def tethered(command: Sequence[str]) -> list[str]:
    """The command line under which `command` ends with its parent, for starters that take no `preexec_fn`."""
    return [sys.executable, "-P", "-m", "ambergate_hub.tether", *command]


def main() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
