"""The first process of a box that Landlock holds: starts the restricted one, and ends all of the box when it ends.

Run with the standard library alone, by `landlock`; it must import nothing that takes time.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from typing import Any

from ambergate_extension.sandbox.confinement import (
    ConfinementFailed,
    drop_capabilities,
    filter_calls,
    restrict_files,
)

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def main() -> None:
    with os.fdopen(int(sys.argv[1]), "rb") as source:
        order = json.load(source)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)  # orphans stay below this process, where they are counted
    signal.signal(signal.SIGTERM, lambda *_: _end())
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    child = os.fork()
    if child == 0:
        _become(order)
    for descriptor in order["pass"]:
        os.close(descriptor)
    while True:
        try:
            ended, _ = os.wait()
        except ChildProcessError:
            break
        if ended == child:
            break
    _end()


def _become(order: dict[str, Any]) -> None:
    """Put the restrictions on and turn into the command. Never returns."""
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        os.chdir(order["folder"])
        drop_capabilities()
        restrict_files([*order["readable"], f"/proc/{os.getpid()}"], order["writable"])
        filter_calls(bytes.fromhex(order["filter"]))
        for descriptor in order["pass"]:
            os.set_inheritable(descriptor, True)
        os.execve(order["command"][0], order["command"], order["environment"])  # noqa: S606 - that is its purpose
    except (ConfinementFailed, OSError) as error:
        os.write(2, f"{error}\n".encode())
    finally:
        os._exit(98)


def _end() -> None:
    """Every process of the group at once, this one too: none of the box can have left it."""
    os.killpg(0, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
