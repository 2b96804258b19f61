"""Where each row of a project came from and why others are not there, in counts and digests only."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TableLineage:
    """One table. For a person table, `landed` is the sum of all the counts after it but `persons`."""

    table: str
    landed: int
    opted_out_before_linkage: int = 0
    unlinked: int = 0
    opted_out_after_linkage: int = 0
    outside_period: int = 0
    outside_cohort: int = 0
    provisioned: int = 0
    persons: int = 0


@dataclass(frozen=True, slots=True)
class ProvisionReport:
    """A provisioned project. `persons` counts distinct persons over all its tables."""

    project: str
    agreement: str
    agreement_version: str
    agreement_digest: str
    catalogue: str
    catalogue_digest: str
    landing_digest: str
    database_digest: str
    persons: int
    tables: tuple[TableLineage, ...]
    unchanged: bool = False
    log_index: int | None = None

    def to_manifest(self) -> dict[str, Any]:
        """JSON for manifest.json and for the log entry."""
        manifest = {k: v for k, v in asdict(self).items() if k not in {"tables", "unchanged", "log_index"}}
        manifest["tables"] = {t.table: {k: v for k, v in asdict(t).items() if k != "table"} for t in self.tables}
        return manifest

    @classmethod
    def from_manifest(cls, manifest: dict[str, Any], *, unchanged: bool) -> ProvisionReport:
        """Read back what `to_manifest` wrote; other keys are the manifest's own."""
        simple = {k: manifest[k] for k in cls.__dataclass_fields__ if k in manifest and k != "tables"}
        tables = tuple(TableLineage(table=name, **entry) for name, entry in manifest["tables"].items())
        return cls(**{**simple, "tables": tables, "unchanged": unchanged})
