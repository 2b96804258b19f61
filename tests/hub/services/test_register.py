"""The public register over HTTP: no login, counts that add up, files that verify."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest
from tests.hub.services.conftest import AT, Running, hold, running

from ambergate_datasets.state import StateFolder
from ambergate_hub.services import register
from ambergate_hub.services.register import Counts
from ambergate_policies.log import LogEntry, VerifyingKey, open_note, read_checkpoint, verify


@pytest.fixture
def service(state: StateFolder) -> Iterator[Running]:
    with running(state, "register", register.PAGES, None) as started:
        yield started


def ask(service: Running, *verdicts: str, project: str = "cancer-pathways") -> None:
    for verdict in verdicts:
        service.surroundings.store.append(
            LogEntry("query", AT, "amara", project, {"verdict": verdict, "sql": "SELECT 42"})
        )


def test_anybody_sees_every_agreement_with_its_purpose_and_law(service: Running) -> None:
    page = html.unescape(service.client().get(service.prefix).text)
    for expected in (
        "Waits, hospital use and survival after a diagnosis of cancer",
        "Outcomes of heart disease and diabetes",
        "Ridings Cancer Alliance",
        "NHS Act 2006, section 251",
        "the national data opt-out is upheld",
        "1 January 2026 to 31 December 2028",
        "in force",
        "National cancer registration",
    ):
        assert expected in page, expected


def test_counts_are_those_of_the_log_and_add_up(service: Running) -> None:
    ask(service, "released", "released", "refused", "failed", "strange")
    ask(service, "released", project="cardio-outcomes")
    store = service.surroundings.store
    store.decide(hold(store), checker="chen", decision="release", comment="fine", at=AT)
    store.decide(hold(store), checker="chen", decision="reject", comment="no", at=AT)
    counts = Counts(store.tallies(), "cancer-pathways")
    assert dict(counts.by_verdict()) == {"released": 2, "held": 2, "refused": 1, "failed": 1, "other": 1}
    assert dict(counts.by_decision()) == {"released": 1, "rejected": 1, "returned": 0}
    assert counts.queries == sum(number for _, number in counts.by_verdict()) == 7
    assert Counts(store.tallies(), None).queries == 8
    tiles = re.findall(r"<dt>([^<]+)</dt><dd>([\d,]+)</dd>", service.client().get(service.prefix).text)
    assert ("queries asked", "8") in tiles and ("queries asked", "7") in tiles and ("held, then rejected", "1") in tiles


def test_query_texts_and_people_are_not_shown(service: Running) -> None:
    ask(service, "released")
    page = service.client().get(service.prefix).text
    assert "SELECT 42" not in page and "amara" not in page


def test_the_published_files_verify_what_the_page_shows(service: Running) -> None:
    ask(service, "released", "refused")
    client = service.client()
    key = VerifyingKey.from_text(client.get(f"{service.prefix}log-signing.pub").text)
    lines = client.get(f"{service.prefix}checkpoints.jsonl").text.splitlines()
    shown = re.search(r"<pre>(ambergate\.decision-log.*?)</pre>", client.get(service.prefix).text, re.DOTALL)
    assert shown is not None
    assert open_note(html.unescape(shown.group(1)), key) == open_note(read_checkpoint(lines[-1])[0], key)
    faults = service.surroundings.store.verify(lines)
    assert faults == []
    assert len(verify([], lines, key)) == 1  # they are real: without entries they prove a loss


@pytest.mark.parametrize(
    "name", ["log-signing.key", "../keys/log-signing.key", "..%2fkeys%2flog-signing.key", "store.db"]
)
def test_no_other_file_is_published(service: Running, name: str) -> None:
    ask(service, "released")
    assert service.client().get(service.prefix + name).status_code == 404


def test_an_empty_log_has_a_register_too(service: Running) -> None:
    client = service.client()
    assert "there is nothing to sign yet" in client.get(service.prefix).text
    assert client.get(f"{service.prefix}checkpoints.jsonl").status_code == 404 or (
        client.get(f"{service.prefix}checkpoints.jsonl").text == ""
    )
