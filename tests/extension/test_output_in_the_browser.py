"""What a notebook's output may do in its reader's browser: show things, and nothing else. In a real browser."""

from __future__ import annotations

import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser
CHROMIUM = shutil.which("chromium")

_NOTEBOOK_OUTPUT = """
<b id="shown">shown</b>
<script>window.ran = 'script'</script>
<img src="/none" onerror="window.ran = 'onerror'">
<img src="http://127.0.0.1:{port}/image">
<iframe srcdoc="<script>parent.ran = 'srcdoc'</script>"></iframe>
"""


class _Listener(http.server.BaseHTTPRequestHandler):
    """Somebody outside who would like to be told."""

    heard: list[str]

    def do_GET(self) -> None:
        self.heard.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        """Quiet."""


@pytest.fixture
def outside() -> Iterator[tuple[int, list[str]]]:
    heard: list[str] = []
    handler = type("Listener", (_Listener,), {"heard": heard})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1], heard
    server.shutdown()


@pytest.fixture
def page() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no chromium is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


def _notebook(port: int) -> dict[str, Any]:
    """A cell whose output attacks. It must be run: JupyterLab sanitises outputs that a file brings along."""
    source = (
        "from IPython.display import HTML, Javascript, display\n"
        f"display(HTML({_NOTEBOOK_OUTPUT.format(port=port)!r}))\n"
        "display(Javascript(\"window.ran = 'javascript'\"))"
    )
    cell = {"cell_type": "code", "execution_count": None, "id": "a", "metadata": {}, "outputs": [], "source": source}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Ambergate (Python 3)", "language": "python"}}
    return {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}


def _run_the_cell(page: Any) -> None:
    cell = page.locator(".jp-CodeCell").first
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status='idle']", timeout=60_000)
    for _ in range(20):
        cell.locator(".cm-content").click()
        page.keyboard.press("Control+Enter")
        page.wait_for_timeout(1000)
        if cell.locator(".jp-OutputArea-output").count():
            return


def test_output_neither_runs_script_nor_calls_out(server: Any, page: Any, outside: tuple[int, list[str]]) -> None:
    port, heard = outside
    path: Path = server.settings.workspace / "output.ipynb"
    path.write_text(json.dumps(_notebook(port)))
    page.goto(f"{server.url}lab/tree/output.ipynb?reset&token={server.token}")
    _run_the_cell(page)
    page.wait_for_selector(".jp-OutputArea-output b", timeout=60_000)
    page.wait_for_timeout(2000)
    assert page.evaluate("window.ran") is None
    # Script that did get in, by whatever way, could still not reach anybody outside.
    for call in (
        "fetch(url)",
        "new Promise((ok, no) => {const i = new Image(); i.onload = ok; i.onerror = no; i.src = url})",
    ):
        code = f"async (url) => {{ try {{ await {call}; return 'out' }} catch (e) {{ return 'stopped' }} }}"
        assert page.evaluate(code, f"http://127.0.0.1:{port}/called") == "stopped"
    assert heard == []
