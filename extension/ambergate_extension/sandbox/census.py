"""Counting what a kernel uses: its processes, their memory, open files and processor time, and its workspace.

Everything is read from /proc and from folders' entries; no file of a kernel is ever opened.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = os.sysconf("SC_CLK_TCK")
_STATE, _USER, _SYSTEM, _THREADS, _RESIDENT = 0, 11, 12, 17, 21  # fields of /proc/PID/stat after the command's name


@dataclass(frozen=True, slots=True)
class Use:
    """What the processes below one process use. Threads count as processes; memory and writing in bytes. Resident
    memory counts shared pages once for each process: `resident` is never too small."""

    processes: tuple[int, ...]
    threads: int
    resident: int
    seconds: float
    open_files: int
    written: int


def use_of(root: int, most: int) -> Use:
    """What the process and all below it use now. Once more than `most` processes have been found nothing else is
    counted: while a fork bomb is being counted it grows."""
    threads = resident = seconds = open_files = written = 0.0
    found = tuple(islice(descendants(root), most + 1))
    if len(found) > most:
        return Use(found, len(found), 0, 0.0, 0, 0)
    for pid in found:
        fields = _stat(pid)
        if not fields:
            continue
        threads += int(fields[_THREADS])
        resident += int(fields[_RESIDENT]) * _PAGE
        seconds += (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICK
        open_files += _open_files(pid)
        written += _written(pid)
    return Use(found, int(threads), int(resident), seconds, int(open_files), int(written))


def descendants(root: int) -> Iterator[int]:
    """The process and those below it. In a box, orphans go to its first process, so none is lost from the tree."""
    waiting, seen = [root], {root}
    while waiting:
        pid = waiting.pop()
        yield pid
        for child in _children(pid):
            if child not in seen:
                seen.add(child)
                waiting.append(child)


def exceeds(processes: Sequence[int], memory: int, seconds: float) -> bool | None:
    """Whether these processes use more memory than that many bytes, a shared page divided among those that share it;
    None if that could not be found out in time: a process that is forking can be slow to look at."""
    total, until = 0, time.monotonic() + seconds
    for pid in processes:
        if time.monotonic() > until:
            return None
        with suppress(OSError, ValueError, IndexError, StopIteration):
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in rollup if line.startswith("Pss:")) * 1024
        if total > memory:
            return True
    return False


def stored(folder: Path) -> tuple[int, int]:
    """Bytes on disk below the folder, and how many files and folders there are."""
    total = entries = 0
    with suppress(OSError):
        for _, folders, files, here in os.fwalk(folder, follow_symlinks=False):
            for name in (*folders, *files):
                entries += 1
                with suppress(OSError):
                    total += os.stat(name, dir_fd=here, follow_symlinks=False).st_blocks * 512
    return total, entries


def unlinked(processes: Sequence[int], device: int) -> int:
    """Bytes of files on a device that these processes have open and that no folder shows."""
    found: dict[int, int] = {}
    for pid in processes:
        with suppress(OSError):
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    status = descriptor.stat()
                    if status.st_dev == device and status.st_nlink == 0 and stat.S_ISREG(status.st_mode):
                        found[status.st_ino] = status.st_blocks * 512
    return sum(found.values())


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _children(pid: int) -> list[int]:
    children: list[int] = []
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                # No more than a page: what a process with thousands has is slow to list, and too many anyway.
                with (thread / "children").open("rb", buffering=0) as file:
                    listed = file.read(_PAGE)
                children += map(int, listed[: listed.rfind(b" ") + 1].split())
    return children


def _open_files(pid: int) -> int:
    folder = Path(f"/proc/{pid}/fd")
    with suppress(OSError):
        return folder.stat().st_size or len(list(folder.iterdir()))  # the size is their number since Linux 6.2
    return 0


def _written(pid: int) -> int:
    with suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/io").read_text().splitlines():
            if line.startswith("write_bytes:"):
                return int(line.split()[1])
    return 0
