"""What a landing did, in counts and digests only: no value of a row is ever part of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class FileReport:
    """One raw extract: its name below the landing folder, the SHA-256 of its bytes, and the records in it."""

    name: str
    sha256: str
    records: int = 0


@dataclass(frozen=True, slots=True)
class TableReport:
    """One landed table. `records == landed + rejected`; one rejected row may break several rules."""

    table: str
    files: tuple[FileReport, ...]
    records: int
    landed: int
    rejected: int
    rejects_by_rule: dict[str, int] = field(default_factory=dict)  # "column: rule" -> rows
    blanked: dict[str, int] = field(default_factory=dict)  # identifier column -> values that were not of its type
    undeclared_columns: int = 0
    absent: bool = False  # an optional file that was not there


@dataclass(frozen=True, slots=True)
class LandingReport:
    """A whole landing. `unchanged`: the same files and catalogue were landed before, and nothing was done."""

    catalogue: str
    catalogue_digest: str
    tables: tuple[TableReport, ...]
    unchanged: bool = False
    log_index: int | None = None

    def to_manifest(self) -> dict[str, Any]:
        """JSON for manifest.json and for the log entry."""
        return {
            "catalogue": self.catalogue,
            "catalogue_sha256": self.catalogue_digest,
            "tables": {table.table: {k: v for k, v in asdict(table).items() if k != "table"} for table in self.tables},
        }

    @classmethod
    def from_manifest(cls, manifest: dict[str, Any], *, unchanged: bool) -> LandingReport:
        """Read back what `to_manifest` wrote."""
        tables = [
            TableReport(table=name, **{**entry, "files": tuple(FileReport(**file) for file in entry["files"])})
            for name, entry in manifest["tables"].items()
        ]
        return cls(
            manifest["catalogue"],
            manifest["catalogue_sha256"],
            tuple(tables),
            unchanged=unchanged,
            log_index=manifest.get("log_index"),
        )
