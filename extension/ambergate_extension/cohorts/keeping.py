"""Making and dropping cohort tables: the order in which rows, name and log entry come into being.

Under the folder's lock: litter out, rows into a draft by a statement whose bound plan has been checked, the file
renamed, the log entry appended. The entry is what makes the table exist; until then nothing can name it, and whatever
fails before leaves nothing. A drop is the entry first, then the file.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from typing import Any

from ambergate_extension.cohorts import record
from ambergate_extension.cohorts.shelf import Shelf
from ambergate_extension.execution import Engine, Execution
from ambergate_policies.cohorts import PreparedCohort, PreparedDrop
from ambergate_policies.errors import AmbergateError, OperatorError, UserError
from ambergate_policies.kernel import Kernel

Append = Callable[[dict[str, Any]], int]
"""Records an entry of kind `cohort` with this beside the query itself; returns its index."""


class Keeping:
    """Carries out one CREATE or DROP for one gate."""

    def __init__(self, shelf: Shelf, engine: Engine, kernel: Kernel) -> None:
        self._shelf = shelf
        self._engine = engine
        self._kernel = kernel

    def create(self, prepared: PreparedCohort, *, on: date, append: Append) -> int:
        """Make a cohort table; returns the index of its entry. Raises QueryRefused, OperatorError, UserError,
        EngineFailure or IntegrityError, and then there is none."""
        files, cohort = self._shelf.files, secrets.token_hex(8)
        with files.locked():
            self._shelf.sweep(self._kernel)
            version = self._require_as_prepared(prepared.name, prepared.replaces)
            try:
                self._write(prepared, cohort)
                self._require_as_prepared(prepared.name, prepared.replaces, version)
                files.publish(cohort)
                index = append(record.creation(prepared, cohort=cohort, on=on, data_version=version))
            except BaseException:
                files.remove(cohort)
                raise
            if prepared.replaces is not None:
                files.remove(prepared.replaces)
        self._let_go()
        return index

    def drop(self, prepared: PreparedDrop, *, append: Append) -> int:
        """Drop a cohort table; returns the index of its entry."""
        if prepared.cohort is None:
            raise UserError("there is nothing to drop")
        with self._shelf.files.locked():
            self._require_as_prepared(prepared.name, prepared.cohort)
            index = append(record.removal(prepared))
            self._shelf.files.remove(prepared.cohort)
        self._let_go()
        return index

    def _write(self, prepared: PreparedCohort, cohort: str) -> None:
        """The rows, into a draft that nothing else has open afterwards, whatever happens."""
        room = self._shelf.room()
        parents = [self._shelf.attachment(parent) for parent in prepared.parents]
        draft = self._shelf.draft(cohort)
        try:
            self._engine.attach([*parents, draft])
            tables = Execution(self._engine).before(prepared)
            prepared.check_plan(self._engine.plan(prepared.select, tables), handed_over=bool(tables))
            self._engine.write(prepared.statement(cohort), draft.place, tables, room)
        except BaseException:
            with suppress(AmbergateError):
                self._engine.attach(())  # nothing may still hold the draft when it is removed
            raise

    def _let_go(self) -> None:
        """Close what is no longer a table: a file that is open somewhere stays on the disk. The answer stands."""
        with suppress(AmbergateError):
            self._engine.attach((), also=self._shelf.attachments(self._shelf.cohorts(self._kernel)))

    def _require_as_prepared(self, name: str, stands_for: str | None, version: str | None = None) -> str:
        """The version of the data, which with the name's meaning must be what the query was prepared for."""
        cohorts = self._shelf.cohorts(self._kernel)
        if cohorts.current.get(name.lower()) != stands_for:
            raise UserError(f"somebody else has just changed the cohort table {name}: look at it, and ask again")
        if not cohorts.data_version or version not in (None, cohorts.data_version):
            raise OperatorError("the project's data are being renewed; try again when that has finished")
        return cohorts.data_version
