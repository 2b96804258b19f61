"""The published data sets as projects: their catalogue, the folder of the shared data, and how to provision them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ambergate_datasets.landing import LandingReport, land
from ambergate_datasets.provisioning import ProvisionReport, provision
from ambergate_datasets.state import StateFolder
from ambergate_policies.agreement import read_agreement
from ambergate_policies.catalogue import Catalogue, read_catalogue
from ambergate_policies.log import LogEntry

PROJECTS = {
    "nafld": ("nafld", "nafld"),
    "omop-gibleed": ("omop", "omop_gibleed"),
    "hes-artificial": ("hes_artificial", "hes_artificial"),
}
REPOSITORY = Path(__file__).parents[2]
SHARED = REPOSITORY.parent / "shared" / "data"


@dataclass(frozen=True)
class RealProject:
    """One of the data sets, landed and provisioned."""

    catalogue: Catalogue
    landing: LandingReport
    provisioned: ProvisionReport


def provision_all(state: StateFolder) -> dict[str, RealProject]:
    """Land and provision the three data sets into an empty state folder."""
    return {project: provision_one(state, project, *names) for project, names in PROJECTS.items()}


def provision_one(state: StateFolder, project: str, catalogue_name: str, folder: str) -> RealProject:
    """Land one folder of the shared data by a catalogue, and provision the project over it."""
    catalogue = read_catalogue(REPOSITORY / "datasets" / "catalogues" / f"{catalogue_name}.yaml")
    agreement = read_agreement(REPOSITORY / "policies" / "agreements" / f"{project}.yaml")
    entries: list[LogEntry] = []

    def record(entry: LogEntry) -> int:
        entries.append(entry)
        return len(entries) - 1

    landing = land(catalogue, SHARED / folder, state, record=record)
    return RealProject(catalogue, landing, provision(agreement, catalogue, state, record=record))
