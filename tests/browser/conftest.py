"""The real demonstration, started by its command, and a real Chromium in front of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from ambergate_datasets.state import StateFolder
from ambergate_hub.accounts import password_file
from ambergate_hub.settings import free_ports

PERSONS = 20_000 if os.environ.get("AMBERGATE_SCREENSHOTS") == "1" else 3000
AMBERGATE = Path(sys.executable).parent / "ambergate"


def chromium() -> str | None:
    """Debian's Chromium, or whichever is on PATH."""
    return next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )


@dataclass
class Demo:
    state: StateFolder
    address: str
    passwords: dict[str, str]
    process: subprocess.Popen[bytes]
    output: Path
    command: str = str(AMBERGATE)

    def stop(self) -> int:
        """Ctrl-C, as a person would; returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(90)

    def processes(self) -> list[str]:
        """What still runs on this demo's state folder."""
        needle = str(self.state.root)
        found = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
        return [line for line in found.splitlines() if needle in line and "pytest" not in line]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    state, port = StateFolder(folder / "state"), free_ports(1)[0]
    output = folder / "output.txt"
    command = [str(AMBERGATE), "demo", f"--persons={PERSONS}", f"--state={state.root}", f"--port={port}"]
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}/"
    try:
        _wait_for(address, process, output)
        yield Demo(state, address, json.loads(password_file(state).read_text()), process, output)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(90)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Gone after this module: while it lives, its event loop runs in the thread of all tests."""
    program = chromium()
    if program is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    flags = ["--no-proxy-server", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=flags)
        yield started
        started.close()


def _wait_for(address: str, process: subprocess.Popen[bytes], output: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"the demo ended with code {process.returncode}:\n{output.read_text()}")
        try:
            with opener.open(address + "hub/health", timeout=2):
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"the demo did not come up:\n{output.read_text()}")
