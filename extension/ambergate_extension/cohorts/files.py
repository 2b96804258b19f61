"""The files of cohort tables: one encrypted file for each version, complete from the moment it has its name.

A file is written under another name and renamed; it counts only once the log speaks of it. Whatever the log does not
speak of is removed by whoever opens the folder next, so a crash at any moment leaves nothing behind.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ambergate_policies.errors import OperatorError

PATIENCE_SECONDS = 30.0
_LOCK = ".lock"
_ENDING = ".duckdb"


@dataclass(frozen=True, slots=True)
class CohortFiles:
    """One project's folder. It is made when the first file is."""

    folder: Path

    def path(self, cohort: str) -> Path:
        return self.folder / f"{cohort}{_ENDING}"

    def draft(self, cohort: str) -> Path:
        return self.folder / f"{cohort}{_ENDING}.building"

    def publish(self, cohort: str) -> None:
        """Give a finished draft its name. Raises OperatorError, and then there is no file."""
        draft, path = self.draft(cohort), self.path(cohort)
        try:
            descriptor = os.open(draft, os.O_RDWR)
            try:
                os.fchmod(descriptor, 0o600)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            draft.replace(path)
            self._sync_folder()
        except OSError as error:
            raise OperatorError(f"the cohort table cannot be kept ({error.strerror})") from None

    def remove(self, cohort: str) -> None:
        """Remove a version and what was being made of it. What resists is removed by the next sweep."""
        for path in (self.path(cohort), self.draft(cohort), Path(f"{self.draft(cohort)}.wal")):
            with suppress(OSError):
                path.unlink()

    def sweep(self, keep: Collection[str]) -> None:
        """Remove everything but these versions. Only under the lock: a draft of another gate is in use."""
        kept = {self.path(cohort).name for cohort in keep} | {_LOCK}
        with suppress(OSError):
            for path in self.folder.iterdir():
                if path.name not in kept:
                    with suppress(OSError):
                        path.unlink()

    def used(self) -> int:
        """Bytes of all files."""
        try:
            return sum(path.stat().st_size for path in self.folder.iterdir())
        except OSError:
            return 0

    @contextmanager
    def locked(self, *, patience: float = PATIENCE_SECONDS) -> Iterator[None]:
        """Alone among all gates of the project. Raises OperatorError when another one is writing for too long."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise OperatorError(f"cohort tables cannot be kept here ({error.strerror})") from None
        with os.fdopen(descriptor, "r+b") as lock:
            _wait(lock.fileno(), time.monotonic() + patience)
            yield

    def _sync_folder(self) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _wait(descriptor: int, until: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError:
            if time.monotonic() >= until:
                raise OperatorError("another cohort table of this project is being written; try again") from None
            time.sleep(0.05)
