"""The three services as the real hub starts them: real logins, real scopes, real proxy."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from tests.hub.conftest import RunningHub
from tests.hub.services.conftest import held_table

from ambergate_extension.store import State, Store
from ambergate_policies.log import LogEntry

pytestmark = pytest.mark.hub


@pytest.fixture
def store(hub: RunningHub) -> Iterator[Store]:
    opened = Store.open(hub.state.store_url, hub.state.keys, hub.state.log)
    yield opened
    opened.close()


def test_the_register_is_open_to_everybody(hub: RunningHub, store: Store) -> None:
    store.append(LogEntry("query", datetime.now(UTC), "amara", "cancer-pathways", {"verdict": "released"}))
    page = hub.stranger("nobody").get("services/register/")
    assert page.status_code == 200
    assert "Public register" in page.text and "Title of cancer-pathways" in page.text


@pytest.mark.parametrize(
    ("name", "review", "admin"),
    [("amara", 403, 403), ("chen", 200, 403), ("edith", 403, 200)],
)
def test_each_kind_of_account_reaches_its_own_service_only(hub: RunningHub, name: str, review: int, admin: int) -> None:
    person = hub.person(name)
    assert person.get("services/review/").status_code == review
    assert person.get("services/admin/").status_code == admin


def test_a_checker_releases_a_held_result(hub: RunningHub, store: Store) -> None:
    table = held_table()
    reference = store.hold(
        LogEntry("query", datetime.now(UTC), table.account, table.project, {"verdict": "held"}), table
    )
    chen = hub.person("chen")
    assert reference in chen.get("services/review/").text
    page = chen.get(f"services/review/held/{reference}")
    assert page.status_code == 200
    fields = dict(re.findall(r'name="(_xsrf|seen)" value="([^"]*)"', page.text))
    fields["_xsrf"] = html.unescape(fields["_xsrf"])
    rows = re.findall(r'name="row" value="(\d+)"', page.text)
    answer = chen.session.post(
        f"{chen.address}services/review/held/{reference}",
        data={**fields, "row": rows, "decision": "release", "comment": "Fine."},
        timeout=30,
    )
    assert answer.status_code == 200 and "on record as log entry" in answer.text
    assert store.fetch(reference, account="amara", project="cancer-pathways").state is State.RELEASED
