"""What the log says of cohort tables. An entry of kind `cohort` is the registration itself: what is not in the log does
not exist, and a file that no entry speaks of is litter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from ambergate_policies.cohorts import CohortTable, PreparedCohort, PreparedDrop
from ambergate_policies.errors import IntegrityError
from ambergate_policies.log import LogEntry

KIND = "cohort"


@dataclass(slots=True)
class Register:
    """The cohort tables of a project as far as its log has been read. `read`: the index of the last entry; `current`:
    lower-case name to the id of the version that it stands for."""

    read: int = -1
    known: dict[str, CohortTable] = field(default_factory=dict)
    current: dict[str, str] = field(default_factory=dict)

    def take(self, entries: Iterable[tuple[int, LogEntry]]) -> bool:
        """Go on with later entries; whether there were any. Raises IntegrityError for one that makes no sense."""
        before = self.read
        for index, entry in entries:
            try:
                self._take(entry)
            except (KeyError, TypeError, ValueError, AttributeError):
                raise IntegrityError(f"log entry {index} does not say which cohort table it is about") from None
            self.read = index
        return self.read != before

    def _take(self, entry: LogEntry) -> None:
        body = entry.body
        name = str(body["table"]).lower()
        if body["act"] == "drop":
            self.current.pop(name, None)
            return
        table = CohortTable(
            id=body["cohort"],
            name=body["table"],
            sql=body["sql"],
            on=date.fromisoformat(body["on"]),
            parents=tuple(sorted((str(one), str(found)) for one, found in body["parents"].items())),
            statement_sha256=body["statement_sha256"],
            data_version=body["data_version"],
            author=entry.actor,
            created=entry.at,
        )
        self.known[table.id] = table
        self.current[name] = table.id


def creation(prepared: PreparedCohort, *, cohort: str, on: date, data_version: str) -> dict[str, Any]:
    """What an entry about a new cohort table says beside the query itself. Nothing depends on a row."""
    definition = prepared.definition
    return {
        "act": "create",
        "table": prepared.name,
        "cohort": cohort,
        "replaces": prepared.replaces,
        "on": on.isoformat(),
        "parents": dict(definition.parents),
        "lineage": definition.lineage(),
        "statement_sha256": definition.sha256,
        "data_version": data_version,
    }


def removal(prepared: PreparedDrop) -> dict[str, Any]:
    return {"act": "drop", "table": prepared.name, "cohort": prepared.cohort}
