"""The real jupyter-server with our configuration and extension, over HTTP."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ambergate_datasets.state import StateFolder
from ambergate_extension.server.configuration import (
    CONTENT_SECURITY_POLICY,
    config_file,
    server_environment,
    single_user_config,
)
from ambergate_extension.server.extension import refuse_foreign_extensions
from ambergate_extension.settings import Settings, read_settings
from ambergate_policies.errors import OperatorError
from ambergate_policies.names import Account, Slug

TOKEN = "test-token"
CANARY = "canary-4471"


@dataclass
class Server:
    """A running single-user server."""

    settings: Settings
    url: str

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, str, dict[str, str]]:
        request = urllib.request.Request(  # noqa: S310 - loopback
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {TOKEN}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return answer.status, answer.read().decode(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), dict(error.headers)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _start(settings: Settings, port: int, **more: str) -> subprocess.Popen[bytes]:
    script = Path(sys.prefix) / "bin" / "jupyter-server"
    options = [f"--ServerApp.port={port}", "--ServerApp.ip=127.0.0.1", f"--IdentityProvider.token={TOKEN}"]
    environment = {**server_environment(settings), "SECRET_TOKEN": CANARY, **more}
    return subprocess.Popen(
        [str(script), f"--config={config_file()}", *options], env=environment, cwd="/",
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.fixture(scope="module")
def server(proved_bwrap: Path, short_folder: Path) -> Iterator[Server]:
    settings = Settings(StateFolder(short_folder / "state"), Slug("cardio-outcomes"), Account("amara"))
    port = _free_port()
    process = _start(settings, port)
    running = Server(settings, f"http://127.0.0.1:{port}/")
    try:
        _await_ready(process, running)
        yield running
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0
        assert list(settings.run_parent.iterdir()) == []


def _await_ready(process: subprocess.Popen[bytes], server: Server) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            if server.ask("GET", "api/status")[0] == 200:
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the server did not start")


def test_files_are_written_read_renamed_and_deleted_through_the_box(server: Server) -> None:
    assert server.ask("PUT", "api/contents/a.txt", {"type": "file", "format": "text", "content": "mine"})[0] == 201
    assert (server.settings.workspace / "a.txt").read_text() == "mine"
    assert json.loads(server.ask("GET", "api/contents/a.txt")[1])["content"] == "mine"
    assert server.ask("GET", "files/a.txt")[1] == "mine"
    assert server.ask("POST", "api/contents/a.txt/checkpoints")[0] == 201
    assert server.ask("PATCH", "api/contents/a.txt", {"path": "b.txt"})[0] == 200
    names = [entry["name"] for entry in json.loads(server.ask("GET", "api/contents")[1])["content"]]
    assert "b.txt" in names
    assert server.ask("DELETE", "api/contents/b.txt")[0] == 204
    assert server.ask("GET", "api/contents/missing.txt")[0] == 404
    status, body, _ = server.ask("POST", "api/contents", {"type": "notebook"})
    assert status == 201
    notebook = json.loads(body)["path"]
    assert json.loads(server.ask("GET", f"api/contents/{notebook}")[1])["content"]["nbformat"] == 4


def test_a_symbolic_link_leads_nowhere_outside_the_box(server: Server) -> None:
    workspace = server.settings.workspace
    secret = server.settings.state.root / "secret.txt"
    secret.write_text(CANARY)
    for name, target in {"environ.txt": "/proc/self/environ", "secret.txt": secret, "state": secret.parent}.items():
        (workspace / name).symlink_to(target)
    for path in ("environ.txt", "secret.txt", "state/secret.txt"):
        for way in ("api/contents/", "files/"):
            assert CANARY not in server.ask("GET", way + path)[1]
    server.ask("PUT", "api/contents/secret.txt", {"type": "file", "format": "text", "content": "changed"})
    server.ask("PUT", "api/contents/state/new.txt", {"type": "file", "format": "text", "content": "changed"})
    server.ask("POST", "api/contents", {"copy_from": "state/secret.txt"})
    assert secret.read_text() == CANARY
    assert not (secret.parent / "new.txt").exists()
    assert all(CANARY not in file.read_text() for file in workspace.glob("*.txt") if not file.is_symlink())


def test_a_session_starts_the_sandboxed_kernel_and_no_other_name_does(server: Server) -> None:
    wanted = {"path": "n.ipynb", "name": "n", "type": "notebook", "kernel": {"name": "python3"}}
    status, body, _ = server.ask("POST", "api/sessions", wanted)
    assert status == 201
    session = json.loads(body)
    assert server.ask("POST", "api/kernels", {"name": "evil"})[0] == 400
    assert server.ask("POST", "api/kernels", {"name": "python3", "kernel_id": ".."})[0] == 400
    assert server.settings.workspace.exists()
    assert server.ask("DELETE", f"api/sessions/{session['id']}")[0] == 204


def test_pages_forbid_inline_scripts_and_other_hosts(server: Server) -> None:
    status, page, headers = server.ask("GET", "lab")
    assert status == 200
    assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert "script-src 'self' 'unsafe-eval';" in CONTENT_SECURITY_POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    disabled = json.loads(page.split('"disabledExtensions": ')[1].split("]")[0] + "]")
    assert "@jupyterlab/javascript-extension" in disabled


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "api/terminals"),
        ("POST", "lab/api/extensions"),
        ("GET", "lsp/status"),
        ("GET", "nbconvert/html/a.ipynb"),
        ("PUT", "api/config/x"),
        ("GET", "lab/api/settings/..%2f..%2fsecret:secret"),
        ("GET", "lab/api/settings/%2e%2e/%2e%2e/secret:secret"),
    ],
)
def test_what_notebooks_do_not_need_is_forbidden(server: Server, method: str, path: str) -> None:
    assert server.ask(method, path, {} if method != "GET" else None)[0] == 403


def test_a_foreign_server_extension_stops_the_server() -> None:
    with pytest.raises(OperatorError, match="jupysql_plugin"):
        refuse_foreign_extensions({"jupyterlab": True, "jupysql_plugin": True, "jupyter_lsp": False})


def test_a_visible_state_folder_stops_the_server(proved_bwrap: Path, short_folder: Path) -> None:
    inside_the_environment = Path(sys.prefix) / f"state-{uuid.uuid4().hex}"
    settings = Settings(StateFolder(inside_the_environment), Slug("cardio-outcomes"), Account("amara"))
    try:
        process = _start(settings, _free_port())
        assert process.wait(timeout=60) != 0
    finally:
        subprocess.run(["rm", "-rf", str(inside_the_environment)], check=True)


def test_settings_are_complete_and_known_or_an_error() -> None:
    good = {"AMBERGATE_STATE": "/srv/state", "AMBERGATE_PROJECT": "cardio-outcomes", "AMBERGATE_ACCOUNT": "amara"}
    assert read_settings({**good, "PATH": "/bin"}).project == "cardio-outcomes"
    for bad in (
        {},
        {**good, "AMBERGATE_PROJEKT": "x"},
        {**good, "AMBERGATE_PROJECT": "../x"},
        {**good, "AMBERGATE_ACCOUNT": ""},
        {**good, "AMBERGATE_STATE": "relative"},
    ):
        with pytest.raises(OperatorError):
            read_settings(bad)


def test_the_servers_environment_holds_nothing_of_the_hubs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "HUB_SECRET", CANARY)
    settings = Settings(StateFolder(Path("/srv/state")), Slug("cardio-outcomes"), Account("amara"))
    assert CANARY not in str(server_environment(settings))
    assert str(settings.workspace) == single_user_config(settings).ServerApp.root_dir
    assert not Path(server_environment(settings)["HOME"]).is_relative_to(settings.workspace)
