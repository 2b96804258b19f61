"""Which cohort tables a project has at this moment, and the files that the engine needs for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import cache
from typing import Any, Protocol

from ambergate_extension.cohorts.files import CohortFiles
from ambergate_extension.cohorts.record import KIND, Register
from ambergate_extension.engine.attachments import Attachment
from ambergate_policies.cohorts import Cohorts, CohortTable
from ambergate_policies.errors import OperatorError
from ambergate_policies.kernel import Kernel
from ambergate_policies.log import LogEntry
from ambergate_policies.lowering.cohort import KnownCohorts
from ambergate_policies.places import cohort_place


class LogOfCohorts(Protocol):
    """What is needed of the recorder: entries of one kind of one project after an index, proven by the log."""

    def proven(self, kind: str, *, project: str, after: int) -> list[tuple[int, LogEntry]]: ...


ROOM_BYTES = 20 * 1024**3
"""What a project's cohort tables may take together."""


class Shelf:
    """One project's cohort tables, read from its log. Safe for threads.

    key: the encryption key of a version; version: of the project's data as they are now, "" while they are being
    replaced."""

    def __init__(
        self,
        files: CohortFiles,
        *,
        key: Callable[[str], bytes],
        log: LogOfCohorts,
        project: str,
        version: Callable[[], str],
        room: int = ROOM_BYTES,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.files = files
        self._key = cache(key)
        self._log = log
        self._project = project
        self._version = version
        self._room = room
        self.close = close
        self._register = Register()
        self._known: tuple[Kernel, Cohorts] | None = None
        self._turn = threading.Lock()

    def cohorts(self, kernel: Kernel) -> Cohorts:
        """The cohort tables as the log has them now. What has been understood of them is kept for the next query, as
        long as agreement, data and log are the same."""
        with self._turn:
            version = self._version()
            changed = self._register.take(self._log.proven(KIND, project=self._project, after=self._register.read))
            if self._known is not None and not changed:
                known_to, cohorts = self._known
                if known_to is kernel and cohorts.data_version == version:
                    return cohorts
            cohorts = Cohorts(self._register.known.values(), self._register.current, version)
            self._known = (kernel, cohorts)
            return cohorts

    def require_unchanged(self, cohorts: Cohorts) -> None:
        """Raises OperatorError where the project's data are no longer those that the cohort tables were judged by: rows
        of one version must not meet those of another."""
        if not cohorts.data_version or self._version() != cohorts.data_version:
            raise OperatorError("the project's data are being renewed; try again when that has finished")

    def attachment(self, cohort: str) -> Attachment:
        """The file of a version, to be read."""
        return Attachment(cohort_place(cohort), self.files.path(cohort), self._key(cohort))

    def attachments(self, cohorts: Cohorts) -> list[Attachment]:
        """The files of every cohort table that can be read now."""
        return [self.attachment(cohort) for cohort in readable(cohorts)]

    def draft(self, cohort: str) -> Attachment:
        """The file of a version that is being made."""
        return Attachment(cohort_place(cohort), self.files.draft(cohort), self._key(cohort), writable=True)

    def room(self) -> int:
        """Bytes that another cohort table may have. Raises OperatorError when there are none."""
        left = self._room - self.files.used()
        if left <= 0:
            raise OperatorError("the project's cohort tables have no room left: drop those that are no longer needed")
        return left

    def sweep(self, kernel: Kernel) -> None:
        """Remove what no current table needs, rows of earlier data among it. Only under the files' lock."""
        self.files.sweep(readable(self.cohorts(kernel)))

    def tidy(self, kernel: Kernel) -> None:
        """Remove what a crash has left, unless another gate is writing right now."""
        if self.files.folder.exists():
            with suppress(OperatorError), self.files.locked(patience=0):
                self.sweep(kernel)

    def describe(self, kernel: Kernel) -> list[dict[str, Any]]:
        """For the catalogue: every table with its definition, author, day, lineage and columns."""
        cohorts = self.cohorts(kernel)
        names = KnownCohorts(cohorts, kernel.catalogue, kernel.agreement)
        return [_described(cohorts.known[found], names) for _, found in sorted(cohorts.current.items())]


def readable(cohorts: Cohorts) -> Collection[str]:
    """The versions whose files are of any use: current ones that were made from the data as they are."""
    return {found for found in cohorts.current.values() if cohorts.known[found].data_version == cohorts.data_version}


def _described(table: CohortTable, names: KnownCohorts) -> dict[str, Any]:
    about: dict[str, Any] = {
        "name": table.name,
        "title": f"made by {table.author} on {table.created:%Y-%m-%d}",
        "sql": table.sql,
        "author": table.author,
        "created": table.created.isoformat(),
        "stale": names.is_stale(table.id),
        "lineage": {},
        "columns": [],
    }
    if about["stale"]:
        return about
    definition = names.definition(table.id)
    if definition.owner and definition.owner_name is not None:
        key = {"name": definition.owner_name, "type": "person key", "title": "join on it, count it", "units": None}
        about["columns"].append(key)
    for column in (found for found in definition.columns if found.name is not None):
        whence = ", ".join(f"{origin}.{name}" for origin, name in column.origins)
        about["columns"].append({"name": column.name, "type": column.kind.value, "title": whence, "units": None})
    about["lineage"] = definition.lineage()
    return about
