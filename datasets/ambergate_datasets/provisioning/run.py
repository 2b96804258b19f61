"""Provisioning one project: build beside the version in use, scan, record, publish."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import yaml
from pydantic import BaseModel

from ambergate_datasets.engines.connection import Limits, attach
from ambergate_datasets.files import (
    building,
    document_digest,
    file_digest,
    only_writer,
    private_write,
    read_json,
    write_json,
)
from ambergate_datasets.keys import KeyStore, ProjectKeys
from ambergate_datasets.landing.database import DEFAULT_LIMITS, landing_path, open_red
from ambergate_datasets.linkage_source import link_sources, waiting_tables
from ambergate_datasets.progress import SILENT, Progress
from ambergate_datasets.provisioning.build import Built, build_tables
from ambergate_datasets.provisioning.grants import GrantedTable, resolve_grants
from ambergate_datasets.provisioning.person_index import Numbered, numbered
from ambergate_datasets.provisioning.report import ProvisionReport
from ambergate_datasets.provisioning.rows import require_ready
from ambergate_datasets.scanner import PublishedTable, refuse_identifiers
from ambergate_datasets.state import StateFolder, private_folder
from ambergate_policies.agreement import Agreement
from ambergate_policies.catalogue import Catalogue, PersonIndex, read_catalogue
from ambergate_policies.errors import OperatorError
from ambergate_policies.log import LogEntry

Record = Callable[[LogEntry], int]
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


def database_path(state: StateFolder, slug: str) -> Path:
    """A project's database; encrypted with `engines.project_key.database_key`."""
    return state.project(slug) / "project.duckdb"


def provision(
    agreement: Agreement,
    catalogue: Catalogue,
    state: StateFolder,
    *,
    record: Record,
    progress: Progress = SILENT,
    actor: str = "operator",
    clock: Clock = utc_now,
    limits: Limits = DEFAULT_LIMITS,
) -> ProvisionReport:
    """Make (or renew) the database of the agreement's project from the catalogue's landing.

    Whatever fails, the version in use stays. The same agreement over the same landing is not built again. Raises
    UserError (the agreement and the catalogue do not fit), OperatorError (a step before is missing),
    Refused (the scanner found identifiers in what would be published).
    """
    granted = resolve_grants(agreement, catalogue, on=clock().date())
    landing = landing_path(state, catalogue.catalogue)
    if not landing.exists():
        raise OperatorError(f"the catalogue {catalogue.catalogue!r} has not been landed yet")
    private_folder(state.root)
    folder = private_folder(state.projects) / agreement.project
    keys = KeyStore.ensure(state.keys)
    with only_writer(folder, f"project {agreement.project}"):
        project_keys = keys.ensure_project(agreement.project)
        if (before := _unchanged(agreement, catalogue, folder, landing)) is not None:
            return before
        landing_key = keys.landing_key(catalogue.catalogue)
        _link(landing, landing_key, catalogue, limits)
        landing_digest = file_digest(landing)
        with building(database_path(state, agreement.project)) as draft:
            with open_red(landing, landing_key, read_only=True, limits=limits) as connection:
                built = _build(connection, draft, project_keys, agreement, granted, folder, progress)
            draft.chmod(0o600)
            if file_digest(landing) != landing_digest:
                raise OperatorError("the landing was changed while the project was built from it; provision it again")
            report = _report(agreement, catalogue, landing_digest, draft, built)
            manifest = report.to_manifest()
            entry = LogEntry(kind="provision", at=clock(), actor=actor, project=agreement.project, body=manifest)
            manifest |= {"log_index": record(entry), "provisioned_at": clock().isoformat()}
            _publish(folder, draft, agreement, with_indexes(catalogue, built.indexes), manifest)
            discard_cohorts(state.cohorts(agreement.project))
    return ProvisionReport.from_manifest(manifest, unchanged=False)


def _unchanged(agreement: Agreement, catalogue: Catalogue, folder: Path, landing: Path) -> ProvisionReport | None:
    """The report of the version in use, if the same agreement, catalogue and landing made it."""
    manifest = read_json(folder / "manifest.json")
    database = folder / "project.duckdb"
    if manifest is None or not database.exists():
        return None
    made_from = (agreement, catalogue)
    same = (
        [manifest.get("agreement_digest"), manifest.get("catalogue_digest")] == [document_digest(d) for d in made_from]
        and manifest.get("landing_digest") == file_digest(landing)
        and manifest.get("database_digest") == file_digest(database)
    )
    return ProvisionReport.from_manifest(manifest, unchanged=True) if same else None


def _link(landing: Path, key: bytes, catalogue: Catalogue, limits: Limits) -> None:
    """Tables that carry their source's own person key need no other linkage: do it here if nothing else has."""
    with open_red(landing, key, read_only=True, limits=limits) as connection:
        if not waiting_tables(connection, catalogue):
            return
    with (
        only_writer(landing.parent, f"the landing of {catalogue.catalogue}"),
        open_red(landing, key, read_only=False, limits=limits) as connection,
    ):
        link_sources(connection, catalogue)
        connection.execute("CHECKPOINT red")


def _build(
    connection: duckdb.DuckDBPyConnection,
    draft: Path,
    keys: ProjectKeys,
    agreement: Agreement,
    granted: tuple[GrantedTable, ...],
    folder: Path,
    progress: Progress,
) -> Built:
    require_ready(connection, granted)
    before = _attach_before(connection, folder, keys)
    attach(connection, draft, keys.database, alias="project", read_only=False)
    result = build_tables(connection, granted, keys, linked=agreement.data.linkage, before=before, progress=progress)
    published = tuple(PublishedTable(table.name, table.columns, table.table) for table in granted)
    refuse_identifiers(connection, published, progress=progress)
    connection.execute("CHECKPOINT project")
    connection.execute("DETACH project")
    return result


def _report(
    agreement: Agreement,
    catalogue: Catalogue,
    landing_digest: str,
    draft: Path,
    built: Built,
) -> ProvisionReport:
    return ProvisionReport(
        project=agreement.project,
        agreement=agreement.agreement,
        agreement_version=agreement.version,
        agreement_digest=document_digest(agreement),
        catalogue=catalogue.catalogue,
        catalogue_digest=document_digest(catalogue),
        landing_digest=landing_digest,
        database_digest=file_digest(draft),
        persons=built.persons,
        tables=built.lineage,
    )


def _attach_before(connection: duckdb.DuckDBPyConnection, folder: Path, keys: ProjectKeys) -> Numbered | None:
    """Attach the version in use as `before`, for the numbers that its persons have."""
    database, catalogue = folder / "project.duckdb", folder / "catalogue.yaml"
    if not (database.exists() and catalogue.exists()):
        return None
    before = numbered(read_catalogue(catalogue))
    if before is not None:
        attach(connection, database, keys.database, alias="before", read_only=True)
    return before


def with_indexes(catalogue: Catalogue, indexes: dict[str, PersonIndex]) -> Catalogue:
    """The catalogue as a project's own copy: with what provisioning made beside the columns that it declares."""
    tables = {name: table.model_copy(update={"index": indexes.get(name)}) for name, table in catalogue.tables.items()}
    return catalogue.model_copy(update={"tables": tables})


def _publish(folder: Path, draft: Path, agreement: Agreement, catalogue: Catalogue, manifest: dict[str, Any]) -> None:
    """Replace the version in use, each file whole; the manifest comes last and carries the others' digests. Between
    the database and its manifest there is none, so that nothing takes new rows for those it speaks of."""
    private_write(folder / "agreement.yaml", _as_yaml(agreement))
    private_write(folder / "catalogue.yaml", _as_yaml(catalogue))
    (folder / "manifest.json").unlink(missing_ok=True)
    draft.replace(folder / "project.duckdb")
    write_json(folder / "manifest.json", manifest)


def discard_cohorts(folder: Path) -> None:
    """Remove the rows that a project's members derived from an earlier version of the data: somebody in them may have
    objected since. Their definitions are in the log."""
    for path in folder.glob("*.duckdb*"):
        path.unlink(missing_ok=True)


def _as_yaml(document: BaseModel) -> bytes:
    text = yaml.safe_dump(document.model_dump(mode="json", exclude_defaults=True), sort_keys=False, allow_unicode=True)
    return text.encode("utf-8")
