"""The review service over HTTP: who gets in, what is shown, what a decision does."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from tests.hub.services.conftest import AT, SQL, Running, held_table, hold, running

from ambergate_datasets.state import StateFolder
from ambergate_extension.store import State
from ambergate_hub.services import query_text, review
from ambergate_policies.log import LogEntry


@pytest.fixture
def service(state: StateFolder) -> Iterator[Running]:
    with running(state, "review", review.PAGES, "checkers") as started:
        yield started


def path(service: Running, reference: str) -> str:
    return f"{service.prefix}held/{reference}"


def form(page: httpx.Response) -> dict[str, str | list[str]]:
    """The hidden fields and the ticked rows of the decision form, as a browser would send them."""
    found: dict[str, str | list[str]] = {}
    for name in ("_xsrf", "seen"):
        match = re.search(rf'name="{name}" value="([^"]*)"', page.text)
        assert match is not None, f"no field {name}"
        found[name] = html.unescape(match.group(1))
    found["row"] = re.findall(r'name="row" value="(\d+)" form="decision" checked', page.text)
    return found


def decide(client: httpx.Client, service: Running, reference: str, **fields: object) -> httpx.Response:
    page = client.get(path(service, reference))
    assert page.status_code == 200
    return client.post(path(service, reference), data={**form(page), **fields})


def test_a_stranger_is_sent_to_the_hubs_login(service: Running) -> None:
    reference = hold(service.surroundings.store)
    for address in (service.prefix, f"{service.prefix}history", path(service, reference)):
        answer = service.client().get(address)
        assert answer.status_code == 302
        assert "/hub/api/oauth2/authorize" in answer.headers["location"]
        assert "code_challenge=" in answer.headers["location"]


@pytest.mark.parametrize("token", ["amara", "edith", "amara/checkers", "chen/researchers"])
def test_scope_and_group_are_both_needed(service: Running, token: str) -> None:
    reference = hold(service.surroundings.store)
    answer = service.client(token).get(path(service, reference))
    assert answer.status_code == 403
    assert "612,400" not in answer.text


def test_the_list_shows_what_waits_and_nothing_of_its_content(service: Running) -> None:
    reference = hold(service.surroundings.store)
    page = service.client("chen").get(service.prefix)
    assert page.status_code == 200
    assert reference in page.text and "cancer-pathways" in page.text
    assert "612" not in page.text


def test_the_page_shows_all_that_a_decision_needs(service: Running) -> None:
    reference = hold(service.surroundings.store)
    text = html.unescape(re.sub(r"<[^>]+>", "", service.client("chen").get(path(service, reference)).text))
    for expected in (
        "612,400",
        "198,870.5",
        "one person holds 50% or more of the total",
        "row 3, total_cost; row 6, total_cost",
        "two persons hold 75% or more of the total",
        "contributors95",
        "The researcher was told: use coarser groups",
        "counts are rounded (nearest, base 5)",
        "Asked by amara on 22 November 2026, 09:00 UTC",
        "planning: Find where the way from suspicion to treatment",
        "hes_apc, clause 4c",
        "cancer_registry, clause 4b",
        "log entry 0",
    ):
        assert expected in text, expected
    assert "deaths, clause" not in text
    assert "2 cells held" not in text, "the cells say it already"


def test_the_flagged_cells_and_the_line_of_the_finding_are_marked(service: Running) -> None:
    page = service.client("chen").get(path(service, hold(service.surroundings.store))).text
    assert len(re.findall(r'<td class="flagged number"', page)) == 3
    assert page.count('<li class="marked">') == 1
    assert '<li class="marked"><code><span class="sql-keyword">SELECT' in page


@pytest.mark.parametrize(
    ("decision", "outcome"),
    [("release", State.RELEASED), ("reject", State.REJECTED), ("return", State.RETURNED)],
)
def test_a_decision_is_recorded_under_the_checkers_name(service: Running, decision: str, outcome: State) -> None:
    store = service.surroundings.store
    reference, client = hold(store), service.client("chen")
    answer = decide(client, service, reference, decision=decision, comment="Because.")
    assert answer.status_code == 302 and answer.headers["location"] == path(service, reference)
    result = store.fetch(reference, account="amara", project="cancer-pathways")
    assert result.state is outcome and result.comment == "Because."
    assert (result.table is not None) == (decision == "release")
    page = client.get(path(service, reference)).text
    assert "log entry <strong>1</strong>" in page and 'name="decision"' not in page
    assert reference in client.get(f"{service.prefix}history").text
    assert reference not in client.get(service.prefix).text
    assert store.verify() == []


def test_a_flagged_row_leaves_only_when_the_checker_ticks_it(service: Running) -> None:
    reference, client = hold(service.surroundings.store), service.client("chen")
    page = client.get(path(service, reference))
    offered = re.findall(r'name="row" value="(\d+)"', page.text)
    flagged = {str(row) for row, _ in held_table().flagged}
    assert flagged and set(form(page)["row"]) == set(offered) - flagged


def test_unticked_rows_stay_in(service: Running) -> None:
    store = service.surroundings.store
    reference, client = hold(store), service.client("chen")
    decide(client, service, reference, decision="release", comment="Without RCF.", row=["0", "1", "3", "4", "5", "6"])
    table = store.fetch(reference, account="amara", project="cancer-pathways").table
    assert table is not None
    assert [row[0] for row in table.rows] == ["RAE", "RCB", "RFF", "RFR", "RWY", "RXF"]
    assert '<tr class="left-out">' in client.get(path(service, reference)).text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"decision": "release", "comment": "  "}, "needs a comment"),
        ({"decision": "approve", "comment": "x"}, "A decision is one of"),
        ({"decision": "release", "comment": "x", "row": []}, "at least one row"),
        ({"decision": "release", "comment": "x", "row": ["99"]}, "only rows that the result has"),
        ({"decision": "release", "comment": "x", "seen": "1"}, "Another checker has decided"),
    ],
)
def test_an_unusable_form_decides_nothing_and_keeps_the_comment(
    service: Running, fields: dict[str, object], words: str
) -> None:
    reference, client = hold(service.surroundings.store), service.client("chen")
    answer = decide(client, service, reference, **fields)
    assert answer.status_code == 400
    assert words.lower() in html.unescape(answer.text).lower()
    assert service.surroundings.store.held(reference).state is State.WAITING


def test_nobody_decides_on_their_own_query(service: Running) -> None:
    reference, client = hold(service.surroundings.store, account="chen"), service.client("chen")
    page = client.get(path(service, reference))
    assert "asked this query yourself" in page.text and 'name="decision"' not in page.text
    other = hold(service.surroundings.store)
    fields = {**form(client.get(path(service, other))), "decision": "release", "comment": "mine"}
    answer = client.post(path(service, reference), data=fields)
    assert answer.status_code == 403 and "asked this query yourself" in answer.text
    assert service.surroundings.store.held(reference).state is State.WAITING


@pytest.mark.parametrize(
    "change", [("suspended: false", ""), ("end: 2028-12-31", "end: 2026-06-30"), ("project:", "projekt:")]
)
def test_nothing_is_released_under_an_agreement_that_is_not_in_force(service: Running, change: tuple[str, str]) -> None:
    file = service.surroundings.state.project("cancer-pathways") / "agreement.yaml"
    text = file.read_text() + "suspended: true\n" if not change[1] else file.read_text().replace(*change)
    file.write_text(text)
    store, client = service.surroundings.store, service.client("chen")
    reference = hold(store)
    answer = decide(client, service, reference, decision="release", comment="fine")
    assert answer.status_code == 400 and "Nothing can be released" in answer.text
    assert store.held(reference).state is State.WAITING
    assert decide(client, service, reference, decision="reject", comment="no").status_code == 302


def test_two_checkers_decide_one_after_the_other(service: Running) -> None:
    store = service.surroundings.store
    reference = hold(store, checkers_required=2)
    decide(service.client("chen"), service, reference, decision="release", comment="fine")
    assert store.fetch(reference, account="amara", project="cancer-pathways").table is None
    assert "already approved" in service.client("chen").get(path(service, reference)).text
    decide(service.client("dora"), service, reference, decision="release", comment="agreed")
    assert store.held(reference).state is State.RELEASED


def test_a_form_without_its_token_is_refused(service: Running) -> None:
    reference, client = hold(service.surroundings.store), service.client("chen")
    fields = form(client.get(path(service, reference)))
    for forged in ({}, {"_xsrf": "2|0|0|0"}):
        data = {**fields, "decision": "release", "comment": "forged"} | {"_xsrf": ""} | forged
        assert client.post(path(service, reference), data=data).status_code == 403
    assert service.surroundings.store.held(reference).state is State.WAITING


def test_a_result_that_is_held_as_a_whole_says_why(service: Running) -> None:
    whole = replace(held_table(), findings=held_table().findings[:1], flagged=((0, 2),))
    store = service.surroundings.store
    reference = store.hold(LogEntry("query", AT, whole.account, whole.project, {"verdict": "held"}), whole)
    page = service.client("chen").get(path(service, reference)).text
    assert "2 cells held for an output checker" in page and "the whole result" in page
    assert page.count('href="#reason-1"') == 1


HOSTILE = "</code><script>alert(1)</script><img src=x onerror=alert(2)> '\" &amp;"


def test_nothing_that_a_researcher_wrote_becomes_markup(service: Running) -> None:
    table = held_table(sql=f"SELECT '{HOSTILE}' -- {HOSTILE}\nFROM hes_apc")
    hostile = type(table)(
        table.project,
        table.account,
        table.agreement,
        table.sql,
        (HOSTILE, "n"),
        ((HOSTILE, 1), (HOSTILE, 2)),
        ((0, 0),),
        ({"rule": HOSTILE, "message": HOSTILE, "cells": [[0, 0]], "hint": HOSTILE, "evidence": {HOSTILE: HOSTILE}},),
    )
    store = service.surroundings.store
    reference = store.hold(LogEntry("query", AT, table.account, table.project, {"verdict": "held"}), hostile)
    client = service.client("chen")
    decide(client, service, reference, decision="reject", comment=HOSTILE)
    for address in (path(service, reference), f"{service.prefix}history"):
        page = client.get(address).text
        assert "<script" not in page and "<img src=x" not in page and 'title="' + HOSTILE not in page
        assert "&lt;script&gt;" in page


def test_every_answer_carries_the_security_headers(service: Running) -> None:
    reference, client = hold(service.surroundings.store), service.client("chen")
    for address in (service.prefix, path(service, reference), f"{service.prefix}nowhere", "/elsewhere",
                    f"{service.prefix}static/ambergate.css", f"{service.prefix}held/H-000000"):  # fmt: skip
        headers = client.get(address).headers
        assert "script-src" not in headers["content-security-policy"]
        assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"


def test_pages_have_no_inline_script_or_style(service: Running) -> None:
    reference, client = hold(service.surroundings.store), service.client("chen")
    for address in (service.prefix, path(service, reference), f"{service.prefix}history"):
        page = client.get(address).text
        assert "<script" not in page and "<style" not in page
        assert not re.search(r"\s(style|on\w+)=", page)


@pytest.mark.parametrize("tail", ["static/../pages.py", "static/..%2fpages.py", "static//etc/passwd"])
def test_nothing_but_pages_and_the_style_sheet_is_served(service: Running, tail: str) -> None:
    answer = service.client("chen").get(service.prefix + tail)
    assert answer.status_code in {403, 404}
    assert "import" not in answer.text


def test_an_unforeseen_error_says_nothing_of_its_cause(service: Running, caplog: pytest.LogCaptureFixture) -> None:
    reference = hold(service.surroundings.store)
    store = service.surroundings.store
    (service.surroundings.state.root / "store.db").unlink()
    store.close()
    answer = service.client("chen").get(path(service, reference))
    assert answer.status_code == 503
    assert "the store cannot be read" in answer.text and "sqlite" not in answer.text.lower()


def test_no_value_comment_or_query_reaches_the_services_log(service: Running, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    canary = "canary-7919"
    table = replace(held_table(sql=f"SELECT '{canary}'"), rows=((canary, 1, 2.0),), flagged=())
    store, client = service.surroundings.store, service.client("chen")
    reference = store.hold(LogEntry("query", AT, table.account, table.project, {"verdict": "held"}), table)
    decide(client, service, reference, decision=canary, comment=canary)
    decide(client, service, reference, decision="release", comment=canary, row=[canary])
    decide(client, service, reference, decision="reject", comment=canary)
    ours = [record for record in caplog.records if record.name != "httpx"]
    assert sum(record.name == "ambergate.services" for record in ours) >= 6
    assert not any(canary in record.getMessage() for record in ours)


@pytest.mark.parametrize("sql", [SQL, "", "SELECT 'open", "a\n\n  b", "THIS is /* not", HOSTILE, "\t", "é'λ'"])
def test_the_shown_query_is_the_text_that_was_asked(sql: str) -> None:
    shown = "\n".join("".join(text for _, text in line.pieces) for line in query_text.lines(sql))
    assert shown == sql
