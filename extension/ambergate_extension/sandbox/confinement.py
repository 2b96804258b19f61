"""What a process does to itself, for good: no new privileges, no dumps, a filter of system calls, Landlock.

Plain ctypes over prctl(2), capset(2), seccomp(2) and landlock(7), so that nothing must be installed and a start costs
no more than the calls.
"""

from __future__ import annotations

import ctypes
import os
import platform
import stat
from collections.abc import Sequence

_PR_GET_DUMPABLE, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 3, 4, 38
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER, _ALL_THREADS = 1, 1
_PR_CAPBSET_DROP, _PR_CAP_AMBIENT, _CLEAR_ALL = 24, 47, 4
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITIES_V3 = 0x20080522
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on all machines
_VERSION, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14
_MAKE_CHAR, _MAKE_BLOCK, _IOCTL_DEV = 1 << 6, 1 << 11, 1 << 15
_ALL_FILES = (1 << 16) - 1
_READING = _EXECUTE | _READ_FILE | _READ_DIR
_WRITING = _ALL_FILES & ~(_MAKE_CHAR | _MAKE_BLOCK | _IOCTL_DEV)
_OF_A_FILE = _EXECUTE | _READ_FILE | _WRITE_FILE | _TRUNCATE
_ALL_TCP, _ALL_SCOPES = 0b11, 0b11  # bind and connect; abstract sockets and signals


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


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("tcp", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def landlock_version() -> int:
    """The Landlock ABI of this system; 0 where there is none."""
    return max(int(_libc().syscall(_CREATE_RULESET, None, 0, _VERSION)), 0)


def drop_capabilities() -> None:
    """No capability now or later. The bounding set can be emptied by root only, and matters to nobody else."""
    libc = _libc()
    for capability in range(64):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    libc.prctl(_PR_CAP_AMBIENT, _CLEAR_ALL, 0, 0, 0)
    header, nothing = _CapabilityHeader(_CAPABILITIES_V3, 0), (ctypes.c_uint32 * 6)()
    number = _CAPSET.get(platform.machine())
    if number is None or libc.syscall(number, ctypes.byref(header), ctypes.byref(nothing)) != 0:
        raise ConfinementFailed("capabilities cannot be dropped")
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def restrict_files(readable: Sequence[str], writable: Sequence[str]) -> None:
    """Only these files and folders, and what is below them; no TCP; signals and abstract sockets among one another."""
    ruleset = _Ruleset(_ALL_FILES, _ALL_TCP, _ALL_SCOPES)
    libc = _libc()
    descriptor = libc.syscall(_CREATE_RULESET, ctypes.byref(ruleset), ctypes.sizeof(ruleset), 0)
    if descriptor < 0:
        raise ConfinementFailed("Landlock cannot be used here")
    for paths, rights in ((readable, _READING), (writable, _WRITING)):
        for path in paths:
            _permit(libc, descriptor, path, rights)
    if libc.syscall(_RESTRICT_SELF, descriptor, 0) != 0:
        raise ConfinementFailed("Landlock cannot be put in force")
    os.close(descriptor)


def _permit(libc: ctypes.CDLL, ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(os.fstat(place).st_mode):
        rights &= _OF_A_FILE
    rule = _PathBeneath(rights, place)
    if libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0) != 0:
        raise ConfinementFailed("a Landlock rule cannot be made")
    os.close(place)


def _prctl(option: int, value: int) -> None:
    if _libc().prctl(option, value, 0, 0, 0) != 0:
        raise ConfinementFailed(f"prctl {option} failed ({os.strerror(ctypes.get_errno())})")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
