"""What may be asked of the trusted server over HTTP: a list, and nothing else.

Jupyter's extensions bring handlers that run programs, read files by name or write configuration, with every release
some more. Only what JupyterLab needs for notebooks is on the list; everything else is 403 before any handler sees it.
The decision is taken on the decoded path, because handlers decode it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from tornado.httputil import HTTPServerRequest
from tornado.web import Application, RequestHandler

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_PATH = r"(?:/[^\x00-\x1f]*)?"  # a file below the workspace: the boxed contents manager decides
_NAME = r"[A-Za-z0-9@._:%-]+"
_SMUGGLED = re.compile(r"%2f|%5c|%00|\\", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Allowed:
    """One entry: methods, and the path below the server's base URL."""

    methods: frozenset[str]
    path: re.Pattern[str]


def _allow(methods: str, path: str) -> Allowed:
    return Allowed(frozenset(methods.split()), re.compile(path))


ALLOWED: tuple[Allowed, ...] = (
    # Pages and their assets
    _allow("GET", r"/"),
    _allow("GET", r"/lab/?"),
    _allow("GET", rf"/(?:lab|doc)/(?:tree|workspaces){_PATH}"),
    _allow("GET", rf"/(?:lab/)?static{_PATH}"),
    _allow("GET", rf"/lab/(?:extensions|api/themes){_PATH}"),
    _allow("GET", r"/favicon\.ico"),
    _allow("GET", r"/(?:logout|oauth_callback)"),
    # What the lab knows about itself and its user
    _allow("GET", r"/api/?"),
    _allow("GET", r"/api/(?:status|me)"),
    _allow("GET", rf"/lab/api/translations(?:/{_NAME})?/?"),
    _allow("GET", rf"/lab/api/settings(?:/(?:@[a-z-]+/)?{_NAME})?"),
    _allow("PUT", rf"/lab/api/settings/(?:@[a-z-]+/)?{_NAME}"),
    _allow("GET", rf"/lab/api/workspaces(?:/{_NAME})?/?"),
    _allow("PUT DELETE", rf"/lab/api/workspaces/{_NAME}"),
    # Files of the workspace
    _allow("GET PUT PATCH POST DELETE", rf"/api/contents{_PATH}"),
    _allow("GET", r"/files/[^\x00-\x1f]+"),
    # Kernels, sessions and their websocket
    _allow("GET", r"/api/kernelspecs(?:/python3)?"),
    _allow("GET", r"/kernelspecs/python3/logo-[a-z0-9]+\.(?:png|svg)"),
    _allow("GET POST", r"/api/(?:kernels|sessions)"),
    _allow("GET DELETE", rf"/api/kernels/{_UUID}"),
    _allow("POST", rf"/api/kernels/{_UUID}/(?:interrupt|restart)"),
    _allow("GET", rf"/api/kernels/{_UUID}/channels"),
    _allow("GET PATCH DELETE", rf"/api/sessions/{_UUID}"),
)


def is_allowed(method: str, raw_path: str, base_url: str, allowed: Iterable[Allowed] = ALLOWED) -> bool:
    """Whether a request may reach a handler. `raw_path` is as sent, `base_url` ends with a slash."""
    if _SMUGGLED.search(raw_path):
        return False
    try:
        path = unquote(raw_path, errors="strict")
    except UnicodeDecodeError:
        return False
    if not path.startswith(base_url) and path != base_url.rstrip("/"):
        return False
    rest = "/" + path[len(base_url) :]
    if _climbs(rest) or _climbs(unquote(rest)) or "//" in rest:
        return False
    return any(method in entry.methods and entry.path.fullmatch(rest) for entry in allowed)


def install_guard(application: Application, base_url: str) -> None:
    """Put the list in front of every handler of the application, whichever extension adds it, also later."""
    find_handler = application.find_handler

    def guarded(request: HTTPServerRequest, **options: Any) -> Any:
        if is_allowed(request.method or "", request.path, base_url):
            return find_handler(request, **options)
        return application.get_handler_delegate(request, DeniedHandler)

    application.find_handler = guarded  # type: ignore[method-assign]


class DeniedHandler(RequestHandler):
    """Says no, and nothing about what there might have been."""

    def prepare(self) -> None:
        self.set_status(403)
        self.set_header("Content-Type", "application/json")
        self.finish({"message": "this server does not offer that"})

    def check_xsrf_cookie(self) -> None:
        """Nothing is done here that could be forged."""


def _climbs(path: str) -> bool:
    return any(segment in {".", ".."} for segment in path.split("/"))
