"""A whole landing: all tables of a catalogue, or none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from ambergate_datasets.engines.connection import Limits, attach
from ambergate_datasets.files import (
    building,
    document_digest,
    file_digest,
    only_writer,
    read_json,
    write_json,
)
from ambergate_datasets.keys import KeyStore
from ambergate_datasets.landing.database import DEFAULT_LIMITS, landing_path, manifest_path, open_red
from ambergate_datasets.landing.extracts import find_files
from ambergate_datasets.landing.report import LandingReport, TableReport
from ambergate_datasets.landing.tables import create_schemas, land_table, open_extracts, refuse_unusable_rules
from ambergate_datasets.linkage_source import carry_identities
from ambergate_datasets.progress import SILENT, Progress
from ambergate_datasets.state import StateFolder, private_folder
from ambergate_policies.catalogue import Catalogue, Files, Table
from ambergate_policies.errors import UserError
from ambergate_policies.log import LogEntry

Record = Callable[[LogEntry], int]
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


def land(
    catalogue: Catalogue,
    source_folder: Path,
    state: StateFolder,
    *,
    record: Record,
    progress: Progress = SILENT,
    actor: str = "operator",
    clock: Clock = utc_now,
    limits: Limits = DEFAULT_LIMITS,
) -> LandingReport:
    """Land every table of `catalogue` that has `files` from `source_folder`.

    All or nothing: the landing before stays in place until this one is complete and its log entry is written. The
    same files under the same catalogue are not landed again. Raises UserError (the folder or the catalogue must
    change) or OperatorError (a file must be delivered again); no message quotes a value.
    """
    tables = _tables(catalogue)
    private_folder(state.root)
    folder = private_folder(state.red) / catalogue.catalogue
    with only_writer(folder, f"the landing of {catalogue.catalogue}"):
        if (before := _unchanged(catalogue, tables, source_folder, state)) is not None:
            return before
        keys = KeyStore.ensure(state.keys)
        with building(landing_path(state, catalogue.catalogue)) as draft:
            key = keys.landing_key(catalogue.catalogue)
            with open_red(draft, key, read_only=False, limits=limits) as connection:
                reports = _land_all(connection, tables, source_folder, progress)
                _carry_over(connection, landing_path(state, catalogue.catalogue), key)
                connection.execute("CHECKPOINT red")
                connection.execute("DETACH red")
            report = LandingReport(catalogue.catalogue, document_digest(catalogue), tuple(reports))
            manifest = report.to_manifest()
            index = record(LogEntry(kind="landing", at=clock(), actor=actor, project=None, body=manifest))
            draft.chmod(0o600)
            draft.replace(landing_path(state, catalogue.catalogue))
            manifest |= {"log_index": index, "landed_at": clock().isoformat()}
            write_json(manifest_path(state, catalogue.catalogue), manifest)
    return LandingReport.from_manifest(manifest, unchanged=False)


def _tables(catalogue: Catalogue) -> dict[str, tuple[Table, Files]]:
    tables = {name: (table, table.files) for name, table in catalogue.tables.items() if table.files is not None}
    if not tables:
        raise UserError(f"catalogue {catalogue.catalogue}: no table says where its `files` are")
    return tables


def _unchanged(
    catalogue: Catalogue, tables: dict[str, tuple[Table, Files]], source_folder: Path, state: StateFolder
) -> LandingReport | None:
    """The report of the landing before, if it was made from the same files by the same catalogue."""
    manifest = read_json(manifest_path(state, catalogue.catalogue))
    if manifest is None or not landing_path(state, catalogue.catalogue).exists():
        return None
    if manifest.get("catalogue_sha256") != document_digest(catalogue):
        return None
    for name, (_, files) in tables.items():
        there = [
            {"name": path.relative_to(source_folder).as_posix(), "sha256": file_digest(path)}
            for path in find_files(source_folder, name, files)
        ]
        landed = manifest["tables"].get(name, {}).get("files", [])
        if there != [{"name": file["name"], "sha256": file["sha256"]} for file in landed]:
            return None
    return LandingReport.from_manifest(manifest, unchanged=True)


def _land_all(
    connection: duckdb.DuckDBPyConnection,
    tables: dict[str, tuple[Table, Files]],
    source_folder: Path,
    progress: Progress,
) -> list[TableReport]:
    """Every rule is tried and every header looked at before the first row is read: what is wrong is said in seconds."""
    for name, (table, _) in tables.items():
        refuse_unusable_rules(connection, name, table)
    extracts = {
        name: open_extracts(connection, source_folder, name, table, files) for name, (table, files) in tables.items()
    }
    create_schemas(connection)
    progress.stage("landing tables", len(tables))
    reports = []
    for name, (table, files) in tables.items():
        reports.append(land_table(connection, name, table, files, extracts[name]))
        progress.advance(1)
    progress.done()
    return reports


def _carry_over(connection: duckdb.DuckDBPyConnection, earlier: Path, key: bytes) -> None:
    """Persons keep the index that the earlier landing gave them."""
    if earlier.exists():
        attach(connection, earlier, key, alias="before", read_only=True)
        carry_identities(connection, before="before")
        connection.execute("DETACH before")
