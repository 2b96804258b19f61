"""The way of one held result as three people walk it in a browser: asked, checked, fetched, and proved afterwards."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "images"
REFERENCE = re.compile(r"H-[0-9A-Z]{6}")
COMMENT = "Two trusts are left out: one patient's care makes up most of their total. The others are fine."
SLOW = 60_000  # milliseconds; two busy cores


def test_a_held_table_is_asked_for_checked_fetched_and_proved(demo: Any, browser: Browser) -> None:
    reference = ask(demo, browser)
    check(demo, browser, reference)
    fetch(demo, browser, reference)
    prove(demo)
    assert demo.stop() == 0
    assert demo.processes() == []


def ask(demo: Any, browser: Browser) -> str:
    """A researcher runs the tutorial: tables are released, refused and held. Returns the held one's reference."""
    page = log_in(demo, browser, "amara")
    expect(page.get_by_role("heading", name="Choose a project")).to_be_visible()
    open_tutorial(demo, page, "cancer-pathways")
    run_all(page)

    released = output_of(page, "stage_4")
    expect(released.locator("table")).to_be_visible(timeout=SLOW)
    expect(released).to_contain_text("suppressed")
    expect(released).to_contain_text("counts are rounded")
    held = output_of(page, "sum(cost)")
    expect(held).to_contain_text("Held for output checking", timeout=SLOW)
    expect(held).to_contain_text("dominance")
    assert held.locator("table").count() == 0
    refused = output_of(page, "ethnicity")
    expect(refused).to_contain_text("Refused", timeout=SLOW)
    expect(refused).to_contain_text("is not in agreement DARS-NIC-100002-CANCER, clause 4c")
    expect(refused).to_contain_text("^^^^^^^^^")
    found = REFERENCE.search(held.inner_text())
    assert found is not None
    picture(page, "notebook.png", top="A table that is released")
    log_out(demo, page)
    return found.group()


def check(demo: Any, browser: Browser, reference: str) -> None:
    """An output checker sees what is held and why, and releases all but the flagged rows, with a comment."""
    page = log_in(demo, browser, "chen")
    expect(page.get_by_role("heading", name="Waiting for review")).to_be_visible()
    page.get_by_role("link", name=f"Review {reference}").click()
    expect(page.locator("#why")).to_be_visible()
    evidence = page.locator(".evidence")
    expect(evidence).to_contain_text("one person holds")
    expect(evidence).to_contain_text("R9Z")
    flagged = page.locator("tr", has=page.locator("td.flagged"))
    assert flagged.count() == 2
    for row in flagged.all():
        row.get_by_role("checkbox").uncheck()
    page.get_by_label("Comment to the researcher").fill(COMMENT)
    page.get_by_role("radio", name="Release").check()
    picture(page, "review.png")
    page.get_by_role("button", name="Record the decision").click()
    expect(page.locator(".made").first).to_contain_text("by chen")
    log_out(demo, page)


def fetch(demo: Any, browser: Browser, reference: str) -> None:
    """The researcher gets the table by its reference, with the checker's comment."""
    page = log_in(demo, browser, "amara")
    open_tutorial(demo, page, "cancer-pathways")
    cell = code_cell(page, "%held H-")
    write(page, cell, f"%held {reference}")
    run(page, cell)
    output = cell.locator(".jp-OutputArea-output")
    expect(output.locator("table")).to_be_visible(timeout=SLOW)
    expect(output).to_contain_text(COMMENT)
    assert output.locator("tbody tr").count() >= 5
    expect(output).not_to_contain_text("R9Z")  # one of the two: its costs are nearly all one patient's
    log_out(demo, page)


def prove(demo: Any) -> None:
    """The log verifies; with one entry edited it does not, and the command says which."""
    intact = verify(demo)
    assert intact.returncode == 0, intact.stdout + intact.stderr
    index = edit_one_entry(demo)
    tampered = verify(demo)
    assert tampered.returncode == 5
    assert re.search(rf"\b{index}\b", tampered.stdout + tampered.stderr)


def verify(demo: Any) -> subprocess.CompletedProcess[str]:
    command = [demo.command, "log", "verify", f"--state={demo.state.root}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def edit_one_entry(demo: Any) -> int:
    """Change the author of a query in the store's file, as somebody with the disk in hand could."""
    with sqlite3.connect(demo.state.root / "store.db") as database:
        for (trigger,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{trigger}"')
        query = "SELECT idx, leaf FROM log_entry WHERE kind = 'query' ORDER BY idx LIMIT 1"
        index, leaf = database.execute(query).fetchone()
        assert b"amara" in leaf
        database.execute("UPDATE log_entry SET leaf = ? WHERE idx = ?", [leaf.replace(b"amara", b"bilal"), index])
    return int(index)


def log_in(demo: Any, browser: Browser, account: str) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 1560}).new_page()
    page.set_default_timeout(SLOW)
    page.goto(demo.address)
    page.fill("#username_input", account)
    page.fill("#password_input", demo.passwords[account])
    page.click("#login_submit")
    page.wait_for_url(lambda address: "/hub/login" not in address)
    return page


def log_out(demo: Any, page: Page) -> None:
    page.goto(demo.address + "hub/logout")
    page.goto(demo.address + "hub/home")
    expect(page.locator("#login_submit")).to_be_visible()
    page.context.close()


def open_tutorial(demo: Any, page: Page, project: str) -> None:
    """From the home page into JupyterLab, and there into the tutorial by a double click."""
    page.goto(demo.address + "hub/home")
    page.locator(f"#project-{project}").get_by_role("link", name="Open").click()
    page.wait_for_url(re.compile(rf"/user/\w+/{project}/lab"), timeout=2 * SLOW)
    page.goto(page.url.split("/lab")[0] + "/lab?reset")
    page.locator("#jupyterlab-splash").wait_for(state="detached")
    page.locator(".jp-DirListing-item", has_text="Tutorial.ipynb").dblclick()
    idle = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook-ExecutionIndicator[data-status='idle']")
    expect(idle).to_be_visible(timeout=2 * SLOW)


def run_all(page: Page) -> None:
    """Select all, Ctrl+Enter, until the first has begun: before the kernel is connected nothing happens, silently."""
    first = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell .jp-InputPrompt").first
    for _ in range(30):
        first.click()
        page.keyboard.press("Escape")
        page.keyboard.press("Control+A")
        page.keyboard.press("Control+Enter")
        page.wait_for_timeout(1000)
        if first.inner_text().strip() != "[ ]:":
            return
    pytest.fail("the notebook did not run")


def code_cell(page: Page, text: str) -> Locator:
    """The code cell whose text has `text` in it."""
    cells = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell")
    return cells.filter(has=page.locator(".cm-content", has_text=text)).first


def output_of(page: Page, text: str) -> Locator:
    cell = code_cell(page, text)
    cell.scroll_into_view_if_needed()
    return cell.locator(".jp-OutputArea-output").first


def write(page: Page, cell: Locator, text: str) -> None:
    cell.scroll_into_view_if_needed()
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(text)


def run(page: Page, cell: Locator) -> None:
    """Ctrl+Enter until the cell has run: before its kernel is connected the key does nothing and says nothing."""
    prompt = cell.locator(".jp-InputPrompt")
    for _ in range(30):
        cell.locator(".cm-content").click()
        page.keyboard.press("Control+Enter")
        page.wait_for_timeout(1000)
        if re.search(r"\[\d+\]", prompt.inner_text()):
            return
    pytest.fail("the cell did not run")


def picture(page: Page, name: str, top: str = "") -> None:
    """A picture for the documentation, made when AMBERGATE_SCREENSHOTS=1; `top` is the heading it begins with."""
    if os.environ.get("AMBERGATE_SCREENSHOTS") != "1":
        return
    if top:
        page.get_by_role("heading", name=top).evaluate("heading => heading.scrollIntoView({block: 'start'})")
        page.wait_for_timeout(1000)
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / name)
