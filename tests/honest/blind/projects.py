"""The three projects that the blind corpus is written for: the small one, the demonstration's, and one in OMOP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from tests.small_project import gates, population

from ambergate_datasets.engines.project_key import database_key
from ambergate_datasets.landing import land
from ambergate_datasets.progress import Silent
from ambergate_datasets.provisioning import provision
from ambergate_datasets.state import StateFolder
from ambergate_extension.pipeline import Gate
from ambergate_extension.replay import NothingRecorded, passing_shelf
from ambergate_hub.demo import make_demo
from ambergate_policies.agreement import read_agreement
from ambergate_policies.catalogue import read_catalogue
from ambergate_policies.kernel import Kernel
from ambergate_policies.packs import RulePack, read_pack

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[2]
OMOP_DATA = REPOSITORY.parent / "shared" / "data" / "omop_gibleed"
DEMO_PERSONS = 8000
RESOURCES = {"memory_mb": 2048, "threads": 2, "temp_mb": 256}


@dataclass(frozen=True)
class Project:
    """A provisioned project: its documents, and the database with its key (None: a plain file)."""

    agreement: Path
    catalogue: Path
    database: Path
    key: bytes | None

    @contextmanager
    def gate(self, pack: RulePack | None = None) -> Iterator[Gate]:
        """A gate over the project, under its agreement's rule pack or another."""
        agreement = read_agreement(self.agreement)
        kernel = Kernel(read_catalogue(self.catalogue), agreement, pack or read_pack(agreement.terms.rule_pack))
        engine = gates.NearEngine(self.database, self.database.parent / "spill", self.key, RESOURCES)
        recorder = NothingRecorded()
        shelf = passing_shelf(recorder, agreement.project)
        gate = Gate(
            kernel=kernel,
            engine=engine,
            recorder=recorder,
            account="amara",
            now=lambda: gates.NOON,
            shelf=shelf,
            territory="GB-ENG",
        )
        try:
            yield gate
        finally:
            gate.close()


def small(folder: Path) -> Project:
    """The small project of all kernel tests."""
    population.write(folder / "small.duckdb")
    return Project(gates.HERE / "agreement.yaml", gates.HERE / "catalogue.yaml", folder / "small.duckdb", None)


def demo(folder: Path) -> Project:
    """The demonstration's cardio-outcomes, over a synthetic population."""
    state = StateFolder(folder / "demo")
    make_demo(state, DEMO_PERSONS, Silent())
    return _provisioned(state, "cardio-outcomes")


def omop(folder: Path) -> Project:
    """A public synthetic data set in the OMOP model; its files lie beside the repository, or the project is absent."""
    state = StateFolder(folder / "omop")
    catalogue = read_catalogue(REPOSITORY / "datasets" / "catalogues" / "omop.yaml")
    agreement = read_agreement(REPOSITORY / "policies" / "agreements" / "omop-gibleed.yaml")
    entries: list[object] = []

    def record(entry: object) -> int:
        entries.append(entry)
        return len(entries) - 1

    land(catalogue, OMOP_DATA, state, record=record)
    provision(agreement, catalogue, state, record=record)
    return _provisioned(state, "omop-gibleed")


def _provisioned(state: StateFolder, project: str) -> Project:
    folder = state.project(project)
    key = database_key(state.keys, project)
    return Project(folder / "agreement.yaml", folder / "catalogue.yaml", folder / "project.duckdb", key)


PROJECTS: dict[str, Callable[[Path], Project]] = {"small": small, "cardio-outcomes": demo, "omop-gibleed": omop}


def here(project: str) -> bool:
    """Whether the data of a project can be had on this machine."""
    return project != "omop-gibleed" or OMOP_DATA.is_dir()


@dataclass(frozen=True)
class Analysis:
    """One analysis: its id and its statements in order."""

    id: str
    project: str
    steps: tuple[str, ...]


def analyses() -> list[Analysis]:
    """The whole blind corpus. Raises ValueError for an id given twice."""
    found = []
    for path in sorted(HERE.glob("*.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        for case in document["cases"]:
            steps = tuple(case["steps"]) if "steps" in case else (case["sql"],)
            found.append(Analysis(f"{path.stem}/{case['id']}", document["project"], steps))
    if len({analysis.id for analysis in found}) != len(found):
        raise ValueError("an id is given twice")
    return found
