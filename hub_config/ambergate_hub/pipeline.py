"""The red zone's steps in their order, each on record: land, remove objectors, link, remove objectors again, provision.

Each step is a package of `ambergate_datasets`; what is decided here is only the order and what a catalogue needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from ambergate_datasets.files import only_writer
from ambergate_datasets.keys import KeyStore
from ambergate_datasets.landing import LandingReport, land
from ambergate_datasets.landing.database import landing_path, open_red
from ambergate_datasets.linkage import LinkageReport, link
from ambergate_datasets.linkage_source import link_sources, source_person_column
from ambergate_datasets.optout import OptOutReport, read_objections, remove_after_linkage, remove_before_linkage
from ambergate_datasets.progress import Progress
from ambergate_datasets.provisioning import ProvisionReport, provision
from ambergate_datasets.state import StateFolder
from ambergate_extension.store import Store
from ambergate_policies.agreement import Agreement
from ambergate_policies.catalogue import Catalogue
from ambergate_policies.errors import UserError

REPOSITORY = Path(__file__).resolve().parents[2]
CATALOGUES = REPOSITORY / "datasets" / "catalogues"
AGREEMENTS = REPOSITORY / "policies" / "agreements"


@dataclass(frozen=True, slots=True)
class RedZone:
    """What landing and linking one catalogue did. Without linkage, persons are the source's own."""

    landing: LandingReport
    before: OptOutReport | None = None
    linkage: LinkageReport | None = None
    after: OptOutReport | None = None

    def lines(self) -> list[str]:
        """The same in words, for the console."""
        if self.before is None or self.after is None:
            return ["Persons are told apart by the source's own person key; nothing was linked, no objections apply."]
        removed = sum(sum(reasons.values()) for reasons in self.before.removed.values())
        persons = [f"{count:,} persons ({reason})" for reason, count in self.after.persons.items()]
        lines = [
            f"Opt-outs: {removed:,} records excluded by their own number; then {' and '.join(persons) or 'nobody'}."
        ]
        if self.linkage is not None:
            linked = sum(sum(table.linked.values()) for table in self.linkage.tables)
            unlinked = sum(table.unlinked for table in self.linkage.tables)
            persons_linked = f"{self.linkage.persons:,} persons"
            lines.append(f"Linkage: {linked:,} records of {persons_linked}; {unlinked:,} records belong to nobody.")
        return lines


def land_and_link(catalogue: Catalogue, folder: Path, state: StateFolder, progress: Progress) -> RedZone:
    """Land the extracts; where persons have to be found by identifiers or can object, apply objections and link.

    Files that were landed before are not landed again, but the newest objection lists are applied in any case. Raises
    UserError or OperatorError; then no project can be provisioned from what is incomplete.
    """
    with recording(state) as store:
        landing = land(catalogue, folder, state, record=store.append, progress=progress)
        if not needs_linkage(catalogue) and not objections_apply(catalogue):
            return RedZone(landing)
        with writing_red(state, catalogue) as connection:
            return _link(connection, catalogue, folder, store, progress, landing)


def _link(
    connection: duckdb.DuckDBPyConnection,
    catalogue: Catalogue,
    folder: Path,
    store: Store,
    progress: Progress,
    landing: LandingReport,
) -> RedZone:
    now = datetime.now(UTC)
    objections = read_objections(folder, catalogue, today=now.date())
    record = store.append
    before = remove_before_linkage(connection, catalogue, objections, at=now, record=record, progress=progress)
    linkage = None
    if needs_linkage(catalogue):
        linkage = link(connection, catalogue, at=now, record=record, progress=progress)
    link_sources(connection, catalogue)
    after = remove_after_linkage(connection, catalogue, objections, at=now, record=record, progress=progress)
    connection.execute("CHECKPOINT red")
    return RedZone(landing, before, linkage, after)


def needs_linkage(catalogue: Catalogue) -> bool:
    """Whether persons have to be found by identifiers: some person table has any, and no person key of its source."""
    return any(
        source_person_column(table) is None and any(column.identifier is not None for column in table.columns.values())
        for table in catalogue.tables.values()
        if table.kind == "person"
    )


def objections_apply(catalogue: Catalogue) -> bool:
    """Whether anybody in a person table can have objected, by the policy of its source."""
    policies = [catalogue.sources[t.source].opt_out for t in catalogue.tables.values() if t.kind == "person"]
    return any(policy.type_1 or policy.national for policy in policies)


def provision_project(
    agreement: Agreement, catalogue: Catalogue, state: StateFolder, progress: Progress
) -> ProvisionReport:
    """Make or renew the project's database, on record."""
    with recording(state) as store:
        return provision(agreement, catalogue, state, record=store.append, progress=progress)


def delivered_catalogue(name: str) -> Path:
    """The catalogue file of that name among those delivered with Ambergate. Raises UserError."""
    path = CATALOGUES / f"{name.replace('-', '_')}.yaml"
    if not path.is_file():
        raise UserError(f"no catalogue {name!r} is delivered with Ambergate: name its file with --catalogue")
    return path


@contextmanager
def recording(state: StateFolder) -> Iterator[Store]:
    """The store, open for as long as something is done that belongs on record."""
    store = Store.open(state.store_url, state.keys, state.log)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def writing_red(state: StateFolder, catalogue: Catalogue) -> Iterator[duckdb.DuckDBPyConnection]:
    """The landing database, open for writing by nobody else."""
    path = landing_path(state, catalogue.catalogue)
    key = KeyStore.ensure(state.keys).landing_key(catalogue.catalogue)
    what = f"the landing of {catalogue.catalogue}"
    with only_writer(path.parent, what), open_red(path, key, read_only=False) as connection:
        yield connection
