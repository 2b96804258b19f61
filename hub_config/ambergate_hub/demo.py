"""The demonstration: a synthetic population through the whole red zone into two projects, and people to use them.

It is made step by step and each finished step is remembered in the state folder, so that an interrupted demo goes on
where it stopped and a finished one is only started.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field

from ambergate_datasets.deployment import deployment_file
from ambergate_datasets.files import only_writer
from ambergate_datasets.keys import KeyStore
from ambergate_datasets.landing.database import landing_path, open_red
from ambergate_datasets.linkage import Score, score
from ambergate_datasets.progress import Progress
from ambergate_datasets.provisioning import ProvisionReport
from ambergate_datasets.state import StateFolder, private_folder
from ambergate_datasets.synth import make_population
from ambergate_hub.accounts import (
    AccountRole,
    account_file,
    make_accounts,
    password_file,
    read_passwords,
    write_private,
)
from ambergate_hub.admission import projects_of
from ambergate_hub.pipeline import AGREEMENTS, delivered_catalogue, land_and_link, provision_project
from ambergate_policies.agreement import read_agreement
from ambergate_policies.catalogue import Catalogue, read_catalogue
from ambergate_policies.documents import Document
from ambergate_policies.errors import UserError

CATALOGUE = "demo"
PROJECTS = ("cardio-outcomes", "cancer-pathways")
PEOPLE: dict[str, AccountRole] = {
    "amara": "researcher",
    "bilal": "researcher",
    "chen": "checker",
    "dora": "checker",
    "edith": "administrator",
}
DEFAULT_PERSONS = 20_000
SEED = 2026
TERRITORY = "GB-ENG"


class ProjectSummary(Document):
    title: str
    rule_pack: str
    persons: int
    rows: dict[str, int]


class Demo(Document):
    """What has been made so far. `done` names the finished steps; numbers are there once their step is."""

    persons: int
    done: tuple[str, ...] = ()
    records: int = 0
    objectors: int = 0
    objections: dict[str, int] = Field(default_factory=dict)
    records_removed: int = 0
    persons_linked: int = 0
    precision: float = 0.0
    recall: float = 0.0
    projects: dict[str, ProjectSummary] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DemoPerson:
    account: str
    role: AccountRole
    password: str
    projects: tuple[str, ...]


Step = Callable[[StateFolder, Demo, Progress], Demo]


def make_demo(state: StateFolder, persons: int | None, progress: Progress) -> Demo:
    """Make what is not there yet. Raises UserError when the folder holds something else or another population."""
    private_folder(state.root)
    with only_writer(state.root, "the demonstration"):
        demo = _begun(state, persons)
        _declare(state)
        for name, step in STEPS.items():
            if name not in demo.done:
                demo = step(state, demo, progress)
                demo = demo.model_copy(update={"done": (*demo.done, name)})
                _remember(state, demo)
    return demo


def remove_demo(state: StateFolder) -> None:
    """Throw a demo's state folder away. Raises UserError for a folder that is not one."""
    if not state.root.exists():
        return
    if not _memory(state).is_file() and any(state.root.iterdir()):
        raise UserError(f"{state.root} is not the state folder of a demo, and is not removed")
    shutil.rmtree(state.root)


def people_of(state: StateFolder) -> list[DemoPerson]:
    """Everybody who can log in, with their password and the projects that name them today."""
    passwords, today = read_passwords(password_file(state)), datetime.now(UTC).date()
    return [
        DemoPerson(
            account=account,
            role=role,
            password=passwords.get(account, "(not kept)"),
            projects=tuple(project.slug for project in projects_of(state, account, today)),
        )
        for account, role in PEOPLE.items()
    ]


def _begun(state: StateFolder, persons: int | None) -> Demo:
    path = _memory(state)
    if path.is_file():
        demo = _recall(path)
        if persons not in (None, demo.persons):
            raise UserError(f"{state.root} holds a demo of {demo.persons:,} persons: add --fresh to make another one")
        return demo
    if any(state.root.glob("store.db")):
        raise UserError(f"{state.root} holds something else than a demo: choose another folder with --state")
    demo = Demo(persons=persons or DEFAULT_PERSONS)
    _remember(state, demo)
    return demo


def _declare(state: StateFolder) -> None:
    """The demonstration is made for agreements of England and Wales: it declares that it stands in England."""
    if not deployment_file(state).is_file():
        write_private(deployment_file(state), f"territory: {TERRITORY}\n")


def _recall(path: Path) -> Demo:
    try:
        return Demo.model_validate_json(path.read_text(encoding="utf-8"))
    except ValueError:
        raise UserError(f"{path} is not readable: add --fresh to start over") from None


def _remember(state: StateFolder, demo: Demo) -> None:
    write_private(_memory(state), demo.model_dump_json(indent=2))


def _memory(state: StateFolder) -> Path:
    return state.root / "demo.json"


def _password_file(state: StateFolder) -> Path:
    return state.hub / "demo-passwords.json"


def _population(state: StateFolder, demo: Demo, progress: Progress) -> Demo:
    for folder in (state.raw / CATALOGUE, state.truth / CATALOGUE):
        shutil.rmtree(folder, ignore_errors=True)  # half a population from an interrupted run
        private_folder(folder.parent)
    made = make_population(
        state.raw / CATALOGUE,
        state.truth / CATALOGUE,
        persons=demo.persons,
        seed=SEED,
        today=datetime.now(UTC).date(),
        progress=progress,
    )
    return demo.model_copy(update={"records": sum(made.rows.values())})


def _red_zone(state: StateFolder, demo: Demo, progress: Progress) -> Demo:
    catalogue = _catalogue()
    shutil.rmtree(state.red / CATALOGUE, ignore_errors=True)
    red = land_and_link(catalogue, state.raw / CATALOGUE, state, progress)
    scores, objectors = _assess(state, catalogue)
    right = sum(each.right for each in scores)
    passes = [report for report in (red.before, red.after) if report is not None]
    return demo.model_copy(
        update={
            "objectors": objectors,
            "objections": red.after.persons if red.after else {},
            "records_removed": sum(sum(r.values()) for each in passes for r in each.removed.values()),
            "persons_linked": red.linkage.persons if red.linkage else 0,
            "precision": right / max(1, sum(each.linked for each in scores)),
            "recall": sum(each.found for each in scores) / max(1, sum(each.rows for each in scores)),
        }
    )


def _assess(state: StateFolder, catalogue: Catalogue) -> tuple[tuple[Score, ...], int]:
    """How good the linkage is against the truth, and how many persons of the spine objected."""
    key = KeyStore.ensure(state.keys).landing_key(CATALOGUE)
    with open_red(landing_path(state, CATALOGUE), key, read_only=True) as connection:
        scores = score(connection, catalogue, state.truth / CATALOGUE)
        row = connection.execute("SELECT count(DISTINCT person) FROM red.optout.persons").fetchone()
    return scores, int(row[0]) if row else 0


def _projects(state: StateFolder, demo: Demo, progress: Progress) -> Demo:
    catalogue = _catalogue()
    summaries = {}
    for slug in PROJECTS:
        agreement = read_agreement(AGREEMENTS / f"{slug}.yaml")
        report = provision_project(agreement, catalogue, state, progress)
        summaries[slug] = _summary(agreement.title, agreement.terms.rule_pack, report)
    return demo.model_copy(update={"projects": summaries})


def _summary(title: str, rule_pack: str, report: ProvisionReport) -> ProjectSummary:
    rows = {table.table: table.provisioned for table in report.tables}
    return ProjectSummary(title=title, rule_pack=rule_pack, persons=report.persons, rows=rows)


def _accounts(state: StateFolder, demo: Demo, progress: Progress) -> Demo:
    private_folder(state.hub)
    passwords = make_accounts(account_file(state), PEOPLE)
    lines = ",\n".join(f'  "{name}": "{password}"' for name, password in passwords.items())
    write_private(password_file(state), f"{{\n{lines}\n}}")
    return demo


def _catalogue() -> Catalogue:
    return read_catalogue(delivered_catalogue(CATALOGUE))


STEPS: dict[str, Step] = {
    "population": _population,
    "red zone": _red_zone,
    "projects": _projects,
    "accounts": _accounts,
}
"""In their order. Each starts over cleanly when it was interrupted."""
