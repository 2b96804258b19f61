"""Who is logging in, and what that account may do: the hub's authenticator for demo accounts.

Groups and roles are computed again at each login and refresh, so that a change of agreement reaches running hubs
within `auth_refresh_age`; the spawn hook and the gate decide anew in any case.
"""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from jupyterhub.auth import Authenticator
from traitlets import Unicode

from ambergate_datasets.state import StateFolder
from ambergate_extension.store import Store
from ambergate_hub.accounts import Account, Accounts, account_file
from ambergate_hub.admission import projects_of
from ambergate_hub.roles import group_of, roles_of
from ambergate_policies.errors import AmbergateError
from ambergate_policies.log import LogEntry

AuthModel = dict[str, Any]


class DemoAuthenticator(Authenticator):
    """Accounts of a file with hashed passwords. A login that cannot be put on record does not happen."""

    state_root = Unicode(config=True, help="The state folder.")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._opening = threading.Lock()
        self._store: Store | None = None

    @property
    def _state(self) -> StateFolder:
        return StateFolder(Path(self.state_root))

    async def authenticate(self, handler: Any, data: dict[str, str]) -> AuthModel | None:
        """The account's name, groups and roles; None for a wrong name or password."""
        return await asyncio.to_thread(self._log_in, data.get("username", ""), data.get("password", ""))

    async def refresh_user(self, user: Any, handler: Any = None) -> AuthModel | bool:
        """The same, from the files as they are now; False (log in again) when the account is gone."""
        try:
            account = Accounts.read(account_file(self._state)).by_name.get(user.name)
        except AmbergateError:
            return False
        return self._model(account) if account else False

    def _log_in(self, name: str, password: str) -> AuthModel | None:
        try:
            account = Accounts.read(account_file(self._state)).verified(name, password)
            if account is None:
                return None
            self._record(account)
        except AmbergateError as error:
            self.log.error("login refused: %s", error)
            return None
        return self._model(account)

    def _record(self, account: Account) -> None:
        entry = LogEntry("login", datetime.now(UTC), account.account, None, {"role": account.role})
        self._open_store().append(entry)

    def _open_store(self) -> Store:
        with self._opening:
            if self._store is None:
                state = self._state
                self._store = Store.open(state.store_url, state.keys, state.log)
            return self._store

    def _model(self, account: Account) -> AuthModel:
        today = datetime.now(UTC).date()
        slugs = self._slugs(account, today)
        return {
            "name": account.account,
            "admin": False,
            "groups": [group_of(account.role)],
            "roles": roles_of(account.account, account.role, slugs),
        }

    def _slugs(self, account: Account, today: date) -> list[str]:
        if account.role != "researcher":
            return []
        return [project.slug for project in projects_of(self._state, account.account, today)]
