"""A real hub over hand-made projects, and people who use it over HTTP as a browser would."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

import pytest
import requests
import yaml

from ambergate_datasets.deployment import deployment_file
from ambergate_datasets.state import StateFolder, private_folder
from ambergate_hub.accounts import AccountRole, account_file, make_accounts
from ambergate_hub.settings import HubSettings, free_ports
from ambergate_hub.supervision import running_hub

PEOPLE: dict[str, AccountRole] = {
    "amara": "researcher",
    "bilal": "researcher",
    "chen": "checker",
    "edith": "administrator",
}


def make_project(state: StateFolder, slug: str, accounts: list[str], *, end: date | None = None) -> None:
    """A project folder as provisioning leaves it, but with an empty database: no query is put here."""
    persons = [{"name": name.title(), "account": name, "trained_on": "2026-01-01"} for name in accounts]
    end = end or date.today() + timedelta(days=100)  # noqa: DTZ011
    document = {
        "agreement": f"TEST-{slug.upper()}",
        "version": "1",
        "project": slug,
        "title": f"Title of {slug}",
        "lay_summary": "What it is for.",
        "parties": {
            "controllers": ["NHS England"],
            "organisation": {"name": "University", "sector": "academic"},
            "persons": persons,
        },
        "purpose": {
            "category": "research",
            "objective": "o",
            "processing": "p",
            "expected_outputs": "e",
            "expected_benefit": "b",
        },
        "data": {
            "catalogue": "demo",
            "tables": [{"table": "patient", "clause": "5a", "reason": "r", "columns": ["sex"]}],
        },
        "law": {
            "statutory_basis": "s",
            "gdpr_article_6": "e",
            "gdpr_article_9": "j",
            "common_law": "section-251",
            "opt_outs_applied": True,
            "opt_outs_reason": "r",
        },
        "terms": {"start": "2020-01-01", "end": end.isoformat(), "rule_pack": "nhse-sde"},
    }
    private_folder(state.root)
    deployment_file(state).write_text("territory: GB-ENG\n")
    folder = state.project(slug)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "agreement.yaml").write_text(yaml.safe_dump(document))
    (folder / "project.duckdb").touch()


@pytest.fixture(scope="session")
def write_project() -> Callable[..., None]:
    return make_project


@dataclass
class Person:
    """One browser session on the hub."""

    name: str
    address: str
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.session.trust_env = False

    def log_in(self, password: str, page: str = "") -> requests.Response:
        """Fill in the form, on the login page where the person was sent, if any."""
        page = page or f"{self.address}hub/login"
        self.session.get(page, timeout=30)
        form = {"username": self.name, "password": password, "_xsrf": self._xsrf()}
        return self.session.post(page, data=form, timeout=30)

    def get(self, path: str) -> requests.Response:
        return self.session.get(self.address + path, timeout=30)

    def api(self, method: str, path: str, body: object = None) -> requests.Response:
        """A call that the hub's own pages could make: with the session's cookie and its XSRF token."""
        headers = {"X-XSRFToken": self._xsrf(), "Referer": f"{self.address}hub/home"}
        return self.session.request(method, f"{self.address}hub/api/{path}", json=body, headers=headers, timeout=60)

    def open_project(self, slug: str) -> requests.Response:
        """Start the project's server as the button on the home page does, and wait for JupyterLab or a refusal."""
        page = self.get(f"hub/spawn/{self.name}/{slug}")
        deadline = time.monotonic() + 90
        lab = f"user/{self.name}/{slug}/lab"
        while page.ok and time.monotonic() < deadline:
            page = self.get(lab)
            if page.ok and page.url.startswith(self.address + lab):
                return page
            time.sleep(0.3)
        return page

    def _xsrf(self) -> str:
        return next(c.value or "" for c in self.session.cookies if c.name == "_xsrf" and c.path == "/hub/")


@dataclass
class RunningHub:
    state: StateFolder
    settings: HubSettings
    passwords: dict[str, str]

    def person(self, name: str) -> Person:
        """Somebody who has logged in."""
        someone = self.stranger(name)
        page = someone.log_in(self.passwords[name])
        assert "login" not in page.url, f"{name} could not log in"
        return someone

    def stranger(self, name: str) -> Person:
        return Person(name, self.settings.address)


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    state = StateFolder(tmp_path_factory.mktemp("hub") / "state")
    make_project(state, "cardio-outcomes", ["amara", "bilal"])
    make_project(state, "cancer-pathways", ["amara"])
    make_project(state, "old-study", ["amara"], end=date(2021, 1, 1))
    private_folder(state.hub)
    passwords = make_accounts(account_file(state), PEOPLE)
    settings = HubSettings(state, free_ports(1)[0])
    with running_hub(settings):
        yield RunningHub(state, settings, passwords)
