"""The administrators' page over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.hub.services.conftest import AT, Running, hold, running

from ambergate_datasets.state import StateFolder
from ambergate_hub.services import admin
from ambergate_policies.log import LogEntry


@pytest.fixture
def service(state: StateFolder) -> Iterator[Running]:
    with running(state, "admin", admin.PAGES, "administrators") as started:
        yield started


def test_administrators_see_projects_people_and_the_end_of_the_log(service: Running) -> None:
    store = service.surroundings.store
    store.append(LogEntry("landing", AT, "operator", None, {"rows": 10}))
    reference = hold(store)
    page = service.client("edith").get(service.prefix)
    assert page.status_code == 200
    for expected in ("cancer-pathways", "cardio-outcomes", "Amara Obi", "landing", "operator", reference, "held"):
        assert expected in page.text, expected


def test_query_texts_are_not_shown(service: Running) -> None:
    store = service.surroundings.store
    store.append(LogEntry("query", AT, "amara", "cardio-outcomes", {"verdict": "released", "sql": "SELECT 42"}))
    assert "SELECT 42" not in service.client("edith").get(service.prefix).text


def test_a_hub_that_does_not_answer_is_said_so(service: Running) -> None:
    assert "The hub did not say what is running." in service.client("edith").get(service.prefix).text


@pytest.mark.parametrize("token", ["amara", "chen", "chen/administrators"])
def test_nobody_else_gets_in(service: Running, token: str) -> None:
    assert service.client(token).get(service.prefix).status_code == 403
