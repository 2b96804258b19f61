"""Who may start which project: the one decision behind the home page, the hub's roles and the spawn hook.

Decided anew each time from the agreement in the project's folder: nothing about it is cached (house style, 10).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from ambergate_datasets.deployment import read_deployment
from ambergate_datasets.state import StateFolder
from ambergate_policies.agreement import Agreement, read_agreement
from ambergate_policies.authorisation import Session, obstacle
from ambergate_policies.errors import UserError

_SLUG = re.compile(r"[a-z](?:-?[a-z0-9]){0,29}")
_DATABASE = "project.duckdb"


@dataclass(frozen=True, slots=True)
class Project:
    """One provisioned project as one account sees it. `obstacle` is why it cannot be started, or None."""

    slug: str
    agreement: Agreement
    obstacle: str | None


def obstacle_to_start(state: StateFolder, slug: str, account: str, today: date) -> str | None:
    """Why this account may not start this project today, in words for the researcher; None when it may."""
    agreement = agreement_of(state, slug)
    if agreement is None:
        return "there is no such project"
    if agreement.person(account) is None:
        return "you are not named on this project's agreement"
    return _obstacle(state, agreement, account, today)


def projects_of(state: StateFolder, account: str, today: date) -> list[Project]:
    """The projects whose agreements name the account, by title."""
    named = (agreement for agreement in _agreements(state) if agreement.person(account) is not None)
    projects = [Project(each.project, each, _obstacle(state, each, account, today)) for each in named]
    return sorted(projects, key=lambda project: project.agreement.title)


def agreement_of(state: StateFolder, slug: str) -> Agreement | None:
    """The agreement of a project, or None where the project does not exist or its agreement cannot be relied on."""
    if not _SLUG.fullmatch(slug):
        return None
    try:
        agreement = read_agreement(state.project(slug) / "agreement.yaml")
    except UserError:
        return None
    return agreement if agreement.project == slug else None


def _agreements(state: StateFolder) -> Iterator[Agreement]:
    folders = sorted(state.projects.iterdir()) if state.projects.is_dir() else []
    for folder in folders:
        if (agreement := agreement_of(state, folder.name)) is not None:
            yield agreement


def _obstacle(state: StateFolder, agreement: Agreement, account: str, today: date) -> str | None:
    """Of the agreement first, then of the person's place in it as the gate itself will judge it."""
    terms = agreement.terms
    if agreement.suspended:
        return "the agreement is suspended; ask the data centre"
    if today < terms.start:
        return f"the agreement starts on {terms.start:%-d %B %Y}"
    if today > terms.end:
        return f"the agreement ended on {terms.end:%-d %B %Y}"
    try:
        territory = read_deployment(state).territory
    except UserError:
        territory = None
    # The session chooses its purpose once it is open: any one of them will do here.
    finding = obstacle(agreement, Session(account, agreement.purpose.id, territory), today)
    if finding is not None:
        return finding.message
    if not (state.project(agreement.project) / _DATABASE).is_file():
        return "the project's data has not been provisioned yet"
    return None
