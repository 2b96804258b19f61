"""The list in front of the trusted server's handlers."""

from __future__ import annotations

import pytest

from ambergate_extension.server.guard import is_allowed

BASE = "/user/amara/cardio-outcomes/"
KERNEL = "597d5609-cdfc-4062-8533-7edca82acdb6"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "lab"),
        ("GET", "lab/tree/Tutorial.ipynb"),
        ("GET", "lab/workspaces/auto-k/tree/a%20b.ipynb"),
        ("GET", "static/favicons/favicon.ico"),
        ("GET", "lab/static/main.abc.js"),
        ("GET", "lab/api/settings/@jupyterlab/notebook-extension:tracker"),
        ("PUT", "lab/api/settings/@jupyterlab/apputils-extension:themes"),
        ("GET", "api/contents/a%20b/c.ipynb"),
        ("PUT", "api/contents/50%25.ipynb"),
        ("POST", "api/contents/a.ipynb/checkpoints"),
        ("POST", "api/kernels"),
        ("GET", f"api/kernels/{KERNEL}/channels"),
        ("POST", f"api/kernels/{KERNEL}/interrupt"),
        ("GET", "oauth_callback"),
    ],
)
def test_what_a_notebook_needs_is_allowed(method: str, path: str) -> None:
    assert is_allowed(method, BASE + path, BASE)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "api/terminals"),
        ("GET", "terminals/websocket/1"),
        ("GET", "lsp/status"),
        ("GET", "nbconvert/html/a.ipynb"),
        ("POST", "api/nbconvert/html"),
        ("PUT", "api/config/notebook"),
        ("POST", "lab/api/extensions"),
        ("POST", "lab/api/plugins"),
        ("GET", "lab/api/listings/allowed_extensions.json"),
        ("POST", "lab/api/build"),
        ("GET", "api/events/subscribe"),
        ("POST", "api/shutdown"),
        ("GET", "metrics"),
        ("GET", "kernelspecs/evil/kernel.json"),
        ("POST", "api/kernels/../restart"),
        ("GET", "lab/api/settings/..%2f..%2fhub:accounts"),
        ("GET", "lab/api/settings/%2e%2e/%2e%2e/hub:accounts"),
        ("GET", "lab/api/settings/%252e%252e/hub:accounts"),
        ("GET", "api/contents/%2e%2e/x"),
        ("GET", "api/contents/a%00b"),
        ("GET", "api/contents/..%5cx"),
        ("GET", "api/contents/%ff"),
        ("GET", "files//etc/passwd"),
        ("TRACE", "lab"),
        ("OPTIONS", "api/contents"),
    ],
)
def test_everything_else_is_denied(method: str, path: str) -> None:
    assert not is_allowed(method, BASE + path, BASE)


def test_another_servers_address_is_denied() -> None:
    assert not is_allowed("GET", "/user/bilal/cardio-outcomes/lab", BASE)
    assert not is_allowed("GET", "/lab", BASE)
