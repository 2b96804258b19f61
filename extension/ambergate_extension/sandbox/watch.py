"""A watch over kernels: whichever uses more than it is allowed as a whole is ended, and its user told why.

Limits of single processes hold by themselves (`box.Limits`); what many processes use together, and what lies in the
workspace, is counted here twice a second. Ending a kernel ends every process of its box at once.
"""

from __future__ import annotations

import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from ambergate_extension.sandbox.box import Allowance
from ambergate_extension.sandbox.census import Use, descendants, exceeds, stored, unlinked, use_of

SECONDS = 0.5
_MEBIBYTE = 1024 * 1024
_NOTEWORTHY = 4 * _MEBIBYTE  # written since the last look: less than this fills no disk
_HARMLESS = _MEBIBYTE
_LOOK_SECONDS = 60.0
_BUSY_SECONDS = 10.0
_LOWEST_PRIORITY = 19
_SECONDS_FOR_ONE = 0.2  # the others wait meanwhile
_MOST_UNDECIDED = 10


@dataclass(slots=True)
class Watched:
    """One running kernel. `ended` is called once, from the watch's thread, with what to tell its user."""

    process: subprocess.Popen[bytes]
    workspace: Path
    allowance: Allowance
    ended: Callable[[str], None]
    written: int = 0
    stored: int = 0
    looked: float = 0.0
    busy_since: tuple[float, float] = (0.0, 0.0)
    last: int = 0
    undecided: int = 0


@dataclass(slots=True)
class Watch:
    """Watches the kernels of one server in a thread of its own, which runs as long as there are any."""

    log: logging.Logger = field(default_factory=lambda: logging.getLogger(__name__))
    seconds: float = SECONDS
    _watched: dict[str, Watched] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _thread: threading.Thread | None = None

    def add(self, kernel_id: str, watched: Watched) -> None:
        with self._lock:
            self._watched[kernel_id] = watched
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="kernel-watch", daemon=True)
                self._thread.start()

    def remove(self, kernel_id: str) -> None:
        with self._lock:
            self._watched.pop(kernel_id, None)

    def _run(self) -> None:
        with suppress(OSError):  # root alone may, and for root alone the system limits no processes
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        while True:
            time.sleep(self.seconds)
            with self._lock:
                if not self._watched:
                    self._thread = None
                    return
                now = list(self._watched.items())
            # A fork bomb leaves this thread little time: processes are counted first, for all, and nothing else.
            bombs = [(kernel_id, watched) for kernel_id, watched in now if _too_many(watched)]
            for kernel_id, watched in bombs or now:
                try:
                    self._look(kernel_id, watched)
                except Exception as error:  # one kernel's oddities must not leave the others unwatched
                    self.log.error("watch: kernel %s cannot be counted (%s)", kernel_id, type(error).__name__)
                    self._end(kernel_id, watched, "what it uses could not be counted")

    def _look(self, kernel_id: str, watched: Watched) -> None:
        if watched.process.poll() is not None:
            self.remove(kernel_id)
            return
        use = use_of(watched.process.pid, watched.allowance.processes)
        reason = _excess(use, watched) or _disk(use, watched)
        if reason:
            self._end(kernel_id, watched, reason)
        else:
            _share(use, watched)

    def _end(self, kernel_id: str, watched: Watched, reason: str) -> None:
        self.remove(kernel_id)
        message = f"This kernel was ended: {reason}."
        watched.ended(message)
        with suppress(OSError):
            watched.process.kill()
        self.log.warning("watch: kernel %s ended: %s", kernel_id, reason)


def _too_many(watched: Watched) -> bool:
    most = watched.allowance.processes
    return len(list(islice(descendants(watched.process.pid), most + 1))) > most


def _excess(use: Use, watched: Watched) -> str:
    """What the processes use too much of, or ""."""
    allowance = watched.allowance
    if use.threads > allowance.processes:
        return f"it ran more than {allowance.processes} processes and threads"
    if use.open_files > allowance.open_files:
        return f"it had more than {allowance.open_files} files open"
    memory = allowance.memory_mb * _MEBIBYTE
    over = exceeds(use.processes, memory, _SECONDS_FOR_ONE) if use.resident > memory else False
    watched.undecided = watched.undecided + 1 if over is None else 0
    if over or watched.undecided > _MOST_UNDECIDED:
        return f"it used more than {allowance.memory_mb} MiB of memory"
    return ""


def _disk(use: Use, watched: Watched) -> str:
    """Whether it writes more than there is room for, or "". The workspace is counted when enough has been written."""
    allowance, now = watched.allowance, time.monotonic()
    quota = allowance.workspace_mb * _MEBIBYTE
    since, recently = use.written - watched.written, use.written - watched.last
    watched.last = use.written
    if recently > _NOTEWORTHY and _free(watched.workspace) < allowance.free_mb * _MEBIBYTE:
        return "the disk is almost full and it was writing"
    room = max(quota - watched.stored, 0)
    if watched.looked and now - watched.looked < _LOOK_SECONDS and since < max(room // 4, _NOTEWORTHY):
        return ""
    bytes_stored, entries = stored(watched.workspace)
    watched.stored = bytes_stored + unlinked(use.processes, watched.workspace.stat().st_dev)
    watched.looked = now
    if since < _HARMLESS:
        return ""  # who hardly writes may read, and delete
    watched.written = use.written
    if watched.stored > quota:
        return f"the workspace holds more than {allowance.workspace_mb} MiB; delete files in the file browser"
    if entries > allowance.files:
        return f"the workspace holds more than {allowance.files} files; delete some in the file browser"
    return ""


def _share(use: Use, watched: Watched) -> None:
    """Whoever keeps more processors busy than it may goes behind everybody else from then on."""
    now = time.monotonic()
    began, seconds = watched.busy_since
    if not began or use.seconds < seconds:
        watched.busy_since = (now, use.seconds)
    elif now - began >= _BUSY_SECONDS:
        if (use.seconds - seconds) / (now - began) > watched.allowance.processors:
            _behind(use)
        watched.busy_since = (now, use.seconds)


def _behind(use: Use) -> None:
    for pid in use.processes:
        with suppress(OSError):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                with suppress(OSError):
                    os.setpriority(os.PRIO_PROCESS, int(thread.name), _LOWEST_PRIORITY)


def _free(folder: Path) -> int:
    room = os.statvfs(folder)
    return room.f_bavail * room.f_frsize
