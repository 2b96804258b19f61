"""A service over real HTTP with a real store. Only the hub's answer "whose token is this?" is given by the test.

`HubOAuth.user_for_token` is the seam that JupyterHub documents for it; cookies, XSRF, scopes and groups are checked
by the real code.
"""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from jupyterhub.services.auth import HubOAuth
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import create_signed_value

from ambergate_datasets.state import StateFolder
from ambergate_extension.store import HeldTable, Store
from ambergate_hub.services.pages import MAX_BODY_BYTES, Page, Surroundings, make_application
from ambergate_policies.log import LogEntry

AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
AGREEMENTS = Path(__file__).parents[3] / "policies" / "agreements"
CATALOGUE = Path(__file__).parents[3] / "datasets" / "catalogues" / "demo.yaml"
GROUPS = {"amara": "researchers", "chen": "checkers", "dora": "checkers", "edith": "administrators"}


class KnownPeople(HubOAuth):  # type: ignore[misc]
    """The hub's login in which the token `<name>` is the account `<name>`, with its kind's scope and group."""

    async def user_for_token(
        self, token: str, use_cache: bool = True, *, sync: bool = True, session_id: str = ""
    ) -> Any:
        name, _, claimed = token.partition("/")
        if name not in GROUPS:
            return None
        scopes = list(self.access_scopes) if (claimed or GROUPS[name]) == self.expected_group else []
        return {"kind": "user", "name": name, "groups": [GROUPS[name]], "scopes": scopes, "admin": False}

    expected_group = "checkers"


@dataclass
class Running:
    """A service that answers."""

    address: str
    prefix: str
    secret: bytes
    cookie: str
    surroundings: Surroundings

    def client(self, token: str | None = None) -> httpx.Client:
        """A browser without scripts: keeps cookies, follows redirects of ours."""
        client = httpx.Client(base_url=self.address, trust_env=False)
        if token is not None:
            value = create_signed_value(self.secret, self.cookie, token).decode()
            client.cookies.set(self.cookie, value, path=self.prefix)
        return client


@contextmanager
def running(state: StateFolder, name: str, pages: Mapping[str, type[Page]], group: str | None) -> Iterator[Running]:
    """Run a service in a thread of its own until the end of the block."""
    prefix = f"/services/{name}/"
    store = Store.open(state.store_url, state.keys, state.log)
    auth = None
    if group is not None:
        auth = KnownPeople(
            api_token="not-used",
            api_url="http://127.0.0.1:9/hub/api",
            base_url=prefix,
            oauth_client_id=f"service-{name}",
            access_scopes={f"access:services!service={name}"},
        )
        auth.expected_group = group
    surroundings = Surroundings(state, store, prefix, clock=lambda: AT)
    started, loops, ports, secrets_ = threading.Event(), [], [], []

    def run() -> None:
        async def main() -> None:
            application = make_application(surroundings, pages, auth)
            server = HTTPServer(application, max_body_size=MAX_BODY_BYTES)
            (socket,) = bind_sockets(0, "127.0.0.1")
            server.add_sockets([socket])
            stop = asyncio.Event()
            loops.append((asyncio.get_running_loop(), stop))
            ports.append(socket.getsockname()[1])
            secrets_.append(application.settings["cookie_secret"])
            started.set()
            await stop.wait()
            server.stop()
            await server.close_all_connections()

        asyncio.run(main())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(20)
    cookie = auth.cookie_name if auth is not None else ""
    try:
        yield Running(f"http://127.0.0.1:{ports[0]}", prefix, secrets_[0], cookie, surroundings)
    finally:
        loop, stop = loops[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        store.close()


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    """A state folder with the demonstration's two agreements and their catalogue."""
    folder = StateFolder(tmp_path / "state")
    for slug in ("cardio-outcomes", "cancer-pathways"):
        folder.project(slug).mkdir(parents=True)
        shutil.copy(AGREEMENTS / f"{slug}.yaml", folder.project(slug) / "agreement.yaml")
        shutil.copy(CATALOGUE, folder.project(slug) / "catalogue.yaml")
    return folder


SQL = """SELECT a.provider, count(DISTINCT a.person_id) AS persons, sum(a.cost) AS total_cost
FROM hes_apc AS a
JOIN cancer_registry AS c ON a.person_id = c.person_id
WHERE c.site = 'C34' AND a.admission_year BETWEEN 2022 AND 2024  -- lung cancer
GROUP BY a.provider
ORDER BY a.provider"""


def held_table(account: str = "amara", checkers_required: int = 1, sql: str = SQL) -> HeldTable:
    """A result as the dominance rule holds it."""
    return HeldTable(
        project="cancer-pathways",
        account=account,
        agreement="DARS-NIC-100002-CANCER",
        sql=sql,
        columns=("provider", "persons", "total_cost"),
        rows=(
            ("RAE", 145, 612400.0),
            ("RCB", 85, 402150.0),
            ("RCF", 20, 198870.5),
            ("RFF", None, None),
            ("RFR", 60, 251090.0),
            ("RWY", 35, 187400.0),
            ("RXF", 95, 433218.0),
        ),
        flagged=((2, 2), (5, 2), (6, 2)),
        findings=(
            {
                "rule": "dominance",
                "message": "2 cells held for an output checker: one person holds 50% or more of the total",
                "line": None,
                "column": None,
                "fragment": None,
                "hint": "use coarser groups, a median, or cap the value with least(value, limit)",
                "clause": "sdc-default 1",
            },
            {
                "rule": "rounding",
                "message": "counts are rounded (nearest, base 5); ratios use rounded parts",
                "line": None,
                "column": None,
                "fragment": None,
                "hint": None,
                "clause": "sdc-default 1",
            },
            {"rule": "dominance", "message": "one person holds 50% or more of the total", "cell": [2, 2]},
            {"rule": "dominance", "message": "one person holds 50% or more of the total", "cell": [5, 2]},
            {
                "rule": "dominance",
                "message": "two persons hold 75% or more of the total",
                "cell": [6, 2],
                "line": 1,
                "evidence": {"contributors": 95},
            },
        ),
        checkers_required=checkers_required,
    )


def hold(store: Store, **options: Any) -> str:
    table = held_table(**options)
    return store.hold(LogEntry("query", AT, table.account, table.project, {"verdict": "held"}), table)
