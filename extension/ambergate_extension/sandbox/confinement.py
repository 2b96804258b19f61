"""What a process does to itself, for good: no new privileges, no dumps, a filter of system calls.

Plain ctypes over prctl(2) and seccomp(2), so that nothing must be installed and a start costs no more than the calls.
"""

from __future__ import annotations

import ctypes
import os
import platform

_PR_GET_DUMPABLE, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 3, 4, 38
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER, _ALL_THREADS = 1, 1


class ConfinementFailed(Exception):
    """The system did not do it; the process must not go on."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def hide() -> None:
    """No core dump, and no other process of the same user may look into this one."""
    _prctl(_PR_SET_DUMPABLE, 0)


def is_hidden() -> bool:
    return bool(_libc().prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0) == 0)


def filter_calls(program: bytes) -> None:
    """Put every thread of this process under a seccomp program. It cannot be taken off again."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    structure = _Program(len(program) // 8, program)
    number = _SECCOMP.get(platform.machine())
    if number is None or _libc().syscall(number, _SET_MODE_FILTER, _ALL_THREADS, ctypes.byref(structure)) != 0:
        raise ConfinementFailed("the system call filter cannot be set")


def _prctl(option: int, value: int) -> None:
    if _libc().prctl(option, value, 0, 0, 0) != 0:
        raise ConfinementFailed(f"prctl {option} failed ({os.strerror(ctypes.get_errno())})")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
