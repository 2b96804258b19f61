"""What the services share: settings from JupyterHub, security headers, templates, errors, and the login.

A page that fails says whose turn it is and never quotes data: `AmbergateError` texts are written for people, anything
else becomes a plain apology.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from jupyterhub.services.auth import HubOAuth, HubOAuthCallbackHandler, HubOAuthenticated
from jupyterhub.services.auth import UserNotAllowed as NotAllowed
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.web import Application, HTTPError, RequestHandler, StaticFileHandler

from ambergate_datasets.state import StateFolder
from ambergate_extension.store import Store
from ambergate_hub.admission import agreement_of
from ambergate_hub.roles import ADMIN, REGISTER, REVIEW
from ambergate_policies.agreement import Agreement
from ambergate_policies.errors import AmbergateError, OperatorError

HERE = Path(__file__).resolve().parent
USER_CACHE_SECONDS = 20  # how long a withdrawn role can still be used
MAX_BODY_BYTES = 1024 * 1024
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
_APOLOGY = "Something went wrong on our side. It is in the service's log; please tell the data centre."
Result = TypeVar("Result")
log = logging.getLogger("ambergate.services")


@dataclass(frozen=True)
class Surroundings:
    """What a service is given: where its data are, where it is reachable, and what time it is."""

    state: StateFolder
    store: Store
    prefix: str
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def agreement(self, project: str) -> Agreement | None:
        """The project's agreement as it is now, or None where it cannot be relied on."""
        return agreement_of(self.state, project)

    def agreements(self) -> list[Agreement]:
        """Every project's agreement, by title."""
        folders = sorted(self.state.projects.iterdir()) if self.state.projects.is_dir() else []
        found = (agreement_of(self.state, folder.name) for folder in folders)
        return sorted((each for each in found if each is not None), key=lambda each: each.title)


class Page(RequestHandler):
    """A page anybody may see. Subclasses render `self.show(template, ...)`."""

    service = REGISTER
    title = "Ambergate"

    def initialize(self, surroundings: Surroundings, hub_auth: HubOAuth | None = None) -> None:
        self.surroundings = surroundings

    def set_default_headers(self) -> None:
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.clear_header("Server")

    @property
    def account(self) -> str | None:
        """The name of whoever is logged in, on pages that ask for a login."""
        return None

    async def blocking(self, function: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
        """Run what waits for the disk off the event loop."""
        return await asyncio.to_thread(function, *arguments, **named)

    def show(self, template: str, **values: Any) -> None:
        """Render a template with what every page needs. Everything is escaped unless the template says `raw`."""
        everywhere = {
            "title": self.title,
            "prefix": self.surroundings.prefix,
            "service": self.service,
            "links": self._links(),
            "account": self.account,
            "day": day,
            "moment": moment,
            "short": short_moment,
        }
        self.render(template, **(everywhere | values))

    def _links(self) -> Sequence[tuple[str, str, bool]]:
        """The navigation of the page: (address, name, whether it is this page)."""
        return ()

    def write_error(self, status_code: int, **details: Any) -> None:
        """An error page in words. Never a traceback, never a driver's message."""
        error = details.get("exc_info", (None, None, None))[1]
        message = _APOLOGY
        if isinstance(error, AmbergateError):
            self.set_status(error.http_status)
            message = str(error)
        elif status_code == 404:
            message = "There is no such page."
        elif status_code == 403:
            message = "This page is not open to you, or it was open for too long. Go back, reload and try again."
        elif status_code < 500:
            message = "The request was not understood. Go back, reload the page and try again."
        self.show("error.html", title="Not done", message=message, status=self.get_status())

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Types and places only: texts of unforeseen errors can quote data."""
        if isinstance(value, AmbergateError):
            log.warning("%s %s: %s", self.request.method, type(value).__name__, value)
        elif isinstance(value, HTTPError):
            log.info("%s %d", self.request.method, value.status_code)
        else:
            while tb is not None and tb.tb_next is not None:
                tb = tb.tb_next
            place = f"{Path(tb.tb_frame.f_code.co_filename).name}:{tb.tb_lineno}" if tb else "unknown"
            log.error("%s: unforeseen %s at %s", self.request.method, type(value).__name__, place)


class StaffPage(HubOAuthenticated, Page):
    """A page for one group of the hub. The hub's access scope is asked first, membership in the group second."""

    group = ""

    def initialize(self, surroundings: Surroundings, hub_auth: HubOAuth | None = None) -> None:
        super().initialize(surroundings)
        if hub_auth is None:
            raise OperatorError("a page for staff needs the hub's login")
        self.hub_auth = hub_auth

    def check_hub_user(self, model: dict[str, Any]) -> dict[str, Any]:
        """The hub's model if the account may be here. Raises UserNotAllowed."""
        allowed: dict[str, Any] | None = super().check_hub_user(model)
        if allowed is None or model.get("kind") != "user" or self.group not in model.get("groups", []):
            raise NotAllowed(model)
        return allowed

    @property
    def account(self) -> str | None:
        found = getattr(self, "_hub_auth_user_cache", None)
        return found["name"] if found else None

    @property
    def checked_account(self) -> str:
        """The account, where `@authenticated` has made sure that there is one."""
        if self.account is None:
            raise HTTPError(403)
        return self.account


class LoginCallback(HubOAuthCallbackHandler):
    """Where the hub sends people back to after their login."""

    def initialize(self, hub_auth: HubOAuth) -> None:
        self.hub_auth = hub_auth

    def set_default_headers(self) -> None:
        for name, value in HEADERS.items():
            self.set_header(name, value)


class StyleSheet(StaticFileHandler):
    """The style sheet: public, and cached for a few minutes."""

    def set_extra_headers(self, path: str) -> None:
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.set_header("Cache-Control", "max-age=300")


def make_application(
    surroundings: Surroundings,
    pages: Mapping[str, type[Page]],
    hub_auth: HubOAuth | None,
) -> Application:
    """A service from its pages: regular expressions below the prefix, and the handlers behind them."""
    prefix = surroundings.prefix
    routes: list[tuple[Any, ...]] = [
        (f"{prefix}static/(.*)", StyleSheet, {"path": str(HERE / "static")}),
    ]
    for pattern, page in pages.items():
        routes.append((prefix + pattern, page, {"surroundings": surroundings, "hub_auth": hub_auth}))
    if hub_auth is not None:
        routes.append((f"{prefix}oauth_callback", LoginCallback, {"hub_auth": hub_auth}))
    return Application(
        routes,
        template_path=str(HERE / "templates"),
        cookie_secret=secrets.token_bytes(32),
        xsrf_cookies=True,
        default_handler_class=NoPage,
        default_handler_args={"surroundings": surroundings},
        log_function=_log_request,
    )


class NoPage(Page):
    """Everything that is no page."""

    def prepare(self) -> None:
        raise HTTPError(404)

    def check_xsrf_cookie(self) -> None:
        """Nothing happens here that could be forged."""


def serve(pages: Mapping[str, type[Page]], *, login: bool) -> None:
    """The main function of a service that JupyterHub started; returns when it is told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(name)s %(levelname)s %(message)s")
    try:
        address, surroundings = _from_environment(os.environ)
    except AmbergateError as error:
        log.error("%s", error)
        sys.exit(error.exit_code)
    hub_auth = HubOAuth(cache_max_age=USER_CACHE_SECONDS) if login else None
    application = make_application(surroundings, pages, hub_auth)
    asyncio.run(_listen(application, address))


def _from_environment(environ: Mapping[str, str]) -> tuple[str, Surroundings]:
    """The one place where the environment is read. Raises OperatorError when JupyterHub did not start this."""
    try:
        state = StateFolder(Path(environ["AMBERGATE_STATE"]))
        address, prefix = environ["JUPYTERHUB_SERVICE_URL"], environ["JUPYTERHUB_SERVICE_PREFIX"]
    except KeyError as missing:
        raise OperatorError(f"services are started by the hub: {missing.args[0]} is not set") from None
    store = Store.open(state.store_url, state.keys, state.log)
    return address, Surroundings(state, store, prefix)


async def _listen(application: Application, address: str) -> None:
    url = urlsplit(address)
    server = HTTPServer(application, max_body_size=MAX_BODY_BYTES)
    server.listen(url.port or 0, url.hostname or "127.0.0.1")
    await asyncio.Event().wait()


def _log_request(handler: RequestHandler) -> None:
    """Method, status and time. Not the address: it can carry what somebody typed."""
    request: HTTPServerRequest = handler.request
    log.info("%s %d %.0f ms", request.method, handler.get_status(), 1000 * request.request_time())


def day(value: date) -> str:
    """`1 April 2026`."""
    return f"{value.day} {value:%B %Y}"


def moment(value: datetime) -> str:
    """`1 April 2026, 09:30 UTC`."""
    value = value.astimezone(UTC)
    return f"{value.day} {value:%B %Y, %H:%M} UTC"


def short_moment(value: datetime) -> str:
    """`1 Apr 2026, 09:30`, in UTC, for columns."""
    value = value.astimezone(UTC)
    return f"{value.day} {value:%b %Y, %H:%M}"


__all__ = ["ADMIN", "REGISTER", "REVIEW", "Page", "StaffPage", "Surroundings", "make_application", "serve"]
