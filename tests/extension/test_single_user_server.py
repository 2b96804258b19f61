"""The real jupyter-server with our configuration and extension, over HTTP."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ambergate_datasets.state import StateFolder
from ambergate_extension.sandbox.box import Backend
from ambergate_extension.server.configuration import (
    CONTENT_SECURITY_POLICY,
    server_environment,
    single_user_config,
)
from ambergate_extension.server.extension import refuse_foreign_extensions
from ambergate_extension.settings import Settings, read_settings
from ambergate_policies.errors import OperatorError
from ambergate_policies.names import Account, Slug

CANARY = "canary-4471"


def test_files_are_written_read_renamed_and_deleted_through_the_box(server: Any) -> None:
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


def test_a_symbolic_link_leads_nowhere_outside_the_box(server: Any) -> None:
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


def test_code_planted_in_the_workspace_does_not_run_in_the_server(server: Any) -> None:
    assert "sitecustomize.py" in server.ask("GET", "api/contents")[1]
    assert list(json.loads(server.ask("GET", "api/kernelspecs")[1])["kernelspecs"]) == ["python3"]
    assert not (server.settings.state.root / "planted-code-ran").exists()


def test_a_pipe_in_the_workspace_does_not_hang_the_server(server: Any) -> None:
    os.mkfifo(server.settings.workspace / "pipe.txt")
    began = time.monotonic()
    assert server.ask("GET", "api/contents/pipe.txt")[0] == 400
    assert time.monotonic() - began < 10


def test_a_session_starts_the_sandboxed_kernel_and_no_other_name_does(server: Any) -> None:
    wanted = {"path": "n.ipynb", "name": "n", "type": "notebook", "kernel": {"name": "python3"}}
    status, body, _ = server.ask("POST", "api/sessions", wanted)
    assert status == 201
    session = json.loads(body)
    assert server.ask("POST", "api/kernels", {"name": "evil"})[0] == 400
    assert server.ask("POST", "api/kernels", {"name": "python3", "kernel_id": ".."})[0] == 400
    assert server.settings.workspace.exists()
    assert server.ask("DELETE", f"api/sessions/{session['id']}")[0] == 204


def test_pages_forbid_inline_scripts_and_other_hosts(server: Any) -> None:
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
def test_what_notebooks_do_not_need_is_forbidden(server: Any, method: str, path: str) -> None:
    assert server.ask(method, path, {} if method != "GET" else None)[0] == 403


def test_a_foreign_server_extension_stops_the_server() -> None:
    with pytest.raises(OperatorError, match="jupysql_plugin"):
        refuse_foreign_extensions({"jupyterlab": True, "jupysql_plugin": True, "jupyter_lsp": False})


def test_a_visible_state_folder_stops_the_server(
    proved_backend: Backend, failing_start: Callable[[Settings], int]
) -> None:
    inside_the_environment = Path(sys.prefix) / f"state-{uuid.uuid4().hex}"
    settings = Settings(StateFolder(inside_the_environment), Slug("cardio-outcomes"), Account("amara"))
    try:
        assert failing_start(settings) != 0
    finally:
        shutil.rmtree(inside_the_environment)


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
