"""The gate's settings: the one place in this package that reads the environment (of the single-user server)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ambergate_datasets.state import StateFolder
from ambergate_policies.errors import OperatorError
from ambergate_policies.names import Account, Slug

PREFIX = "AMBERGATE_"
_SLUG = re.compile(r"[a-z](?:-?[a-z0-9]){0,29}")
_ACCOUNT = re.compile(r"[a-z][a-z0-9_]{0,30}")


@dataclass(frozen=True, slots=True)
class Settings:
    """Whose server this is. Set by the hub's spawner, never by the researcher.

    `AMBERGATE_STATE`: the state folder. `AMBERGATE_PROJECT`: the project's slug. `AMBERGATE_ACCOUNT`: the researcher.
    """

    state: StateFolder
    project: Slug
    account: Account

    @property
    def workspace(self) -> Path:
        return self.state.workspaces / self.account / self.project

    @property
    def run_parent(self) -> Path:
        """Parent of this server's run folders: nobody else's, so it may be emptied; short, for the sockets in it."""
        return self.state.root / "run" / hashlib.sha256(f"{self.account}/{self.project}".encode()).hexdigest()[:8]

    @property
    def server_home(self) -> Path:
        """The trusted server's own home, configuration and runtime folders: never the workspace."""
        return self.state.hub / "servers" / f"{self.account}--{self.project}"

    @property
    def private_paths(self) -> list[Path]:
        """What must not exist as seen from a kernel."""
        state = self.state
        return [state.root / "store.db", state.keys, state.red, state.projects, state.hub, state.log, self.workspace]


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings in an environment. Raises OperatorError for one that is missing, malformed or unknown."""
    known = {"AMBERGATE_STATE", "AMBERGATE_PROJECT", "AMBERGATE_ACCOUNT"}
    found = {name: value for name, value in environment.items() if name.startswith(PREFIX)}
    if unknown := sorted(found.keys() - known):
        raise OperatorError(f"unknown settings: {', '.join(unknown)}")
    if missing := sorted(name for name in known if not found.get(name)):
        raise OperatorError(f"missing settings: {', '.join(missing)} (the hub's spawner sets them)")
    if not _SLUG.fullmatch(found["AMBERGATE_PROJECT"]) or not _ACCOUNT.fullmatch(found["AMBERGATE_ACCOUNT"]):
        raise OperatorError("AMBERGATE_PROJECT or AMBERGATE_ACCOUNT is not a valid name")
    root = Path(found["AMBERGATE_STATE"])
    if not root.is_absolute():
        raise OperatorError("AMBERGATE_STATE must be an absolute path")
    return Settings(StateFolder(root), Slug(found["AMBERGATE_PROJECT"]), Account(found["AMBERGATE_ACCOUNT"]))
