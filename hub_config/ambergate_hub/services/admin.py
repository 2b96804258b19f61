"""The administrators' page, read-only: projects, who is named on them, what runs now, and the end of the log.

Run by JupyterHub as `python -m ambergate_hub.services.admin`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPError
from tornado.web import authenticated

from ambergate_hub.roles import group_of
from ambergate_hub.services.agreements import standing
from ambergate_hub.services.pages import ADMIN, StaffPage, log, serve
from ambergate_hub.services.register import Counts
from ambergate_policies.agreement import Agreement

NEWEST_ENTRIES = 50
HUB_SECONDS = 5


@dataclass(frozen=True, slots=True)
class RunningServer:
    """One project's notebook server, as the hub reports it."""

    account: str
    project: str
    started: str
    last_activity: str


class AdminPage(StaffPage):
    """Open to administrators."""

    service = ADMIN
    group = group_of("administrator")


class Overview(AdminPage):
    """Everything on one page."""

    title = "Administration"

    @authenticated
    async def get(self) -> None:
        store, today = self.surroundings.store, self.surroundings.clock().date()
        agreements: list[Agreement] = await self.blocking(self.surroundings.agreements)
        tallies = await self.blocking(store.tallies)
        waiting = await self.blocking(store.waiting)
        self.show(
            "admin.html",
            title=self.title,
            projects=[
                (
                    each,
                    standing(each, today),
                    Counts(tallies, each.project),
                    sum(1 for result in waiting if result.project == each.project),
                )
                for each in agreements
            ],
            servers=await self._servers(),
            entries=await self.blocking(store.entries, newest=NEWEST_ENTRIES),
            today=today,
        )

    async def _servers(self) -> list[RunningServer] | None:
        """What runs now, or None if the hub does not say."""
        try:
            answer = await AsyncHTTPClient().fetch(
                f"{self.hub_auth.api_url}/users?state=active",
                headers={"Authorization": f"token {self.hub_auth.api_token}"},
                request_timeout=HUB_SECONDS,
            )
            users: list[dict[str, Any]] = json.loads(answer.body)
        except (HTTPError, OSError, ValueError) as error:
            log.warning("the hub did not list its servers: %s", type(error).__name__)
            return None
        return [
            RunningServer(
                user["name"], server.get("name", ""), server.get("started") or "", server.get("last_activity") or ""
            )
            for user in users
            for server in (user.get("servers") or {}).values()
        ]


PAGES = {"": Overview}

if __name__ == "__main__":
    serve(PAGES, login=True)
