"""Starting one gate: the trusted single-user server of one researcher on one project.

It runs our configuration only, in an environment rebuilt from an allow-list, with every folder that Jupyter reads
settings from private to this server and away from the researcher's notebooks.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from jupyterhub.spawner import LocalProcessSpawner, SpawnException
from traitlets import Bool, Unicode

from ambergate_datasets.deployment import read_deployment
from ambergate_datasets.state import StateFolder, private_folder
from ambergate_extension.sandbox.box import SandboxUnavailable
from ambergate_extension.sandbox.canary import prove
from ambergate_extension.sandbox.choice import builders
from ambergate_extension.server.configuration import config_file, server_environment
from ambergate_extension.settings import Settings
from ambergate_hub.admission import obstacle_to_start
from ambergate_hub.tether import end_with_parent
from ambergate_policies.names import Account, Slug

POLL_SECONDS = 10
"""How soon a project is closed for people who have it open when its agreement stops allowing it."""
INHERITED = ("TZ",)
"""What a server sees of the hub's own environment; all else is made by `server_environment` and JupyterHub."""


async def refuse_unless_admitted(spawner: GateSpawner) -> None:
    """The spawn hook. Raises SpawnException: 403 when the agreement does not allow this start, 503 without a sandbox.

    The server proves its sandbox again itself; asked here too, so that the page can say what the operator has to do.
    """
    obstacle = spawner.obstacle
    if obstacle is not None:
        raise SpawnException(f"This project cannot be opened: {obstacle}.", reason="agreement", status_code=403)
    try:
        boxes = builders(read_deployment(spawner.state).sandbox)
        await asyncio.to_thread(prove, spawner.settings.run_parent, spawner.settings.private_paths, backends=boxes)
    except SandboxUnavailable as fault:
        raise SpawnException(f"No notebook can run here: {fault}.", reason="sandbox", status_code=503) from None


class GateSpawner(LocalProcessSpawner):
    """A local process without a system user of its own: works alike for an ordinary user and for root."""

    state_root = Unicode(config=True, help="The state folder.")
    _ending = Bool(False)

    @property
    def state(self) -> StateFolder:
        return StateFolder(Path(self.state_root))

    @property
    def settings(self) -> Settings:
        """What the server will read back from its environment: whose it is, and its folders."""
        return Settings(self.state, Slug(self.name), Account(self.user.name))

    @property
    def obstacle(self) -> str | None:
        """Why this person may not have this project open today, or None."""
        return obstacle_to_start(self.state, self.name, self.user.name, datetime.now(UTC).date())

    async def poll(self) -> int | None:
        """Also ends a server whose agreement has been suspended, has ended or no longer names the person.

        Asked every `poll_interval` seconds by the hub. Until then the gate itself answers no query: it asks as well.
        """
        status: int | None = await super().poll()
        if status is None and not self._ending and (obstacle := self.obstacle) is not None:
            self.log.warning("stopping %s: %s", self._log_name, obstacle)
            self._ending = True  # `stop` polls
            try:
                await self.stop()
            finally:
                self._ending = False
            status = await super().poll()
        return status

    def make_preexec_fn(self, name: str) -> Callable[[], None]:
        return end_with_parent()

    def move_certs(self, paths: dict[str, str]) -> dict[str, str]:
        return paths  # hub and servers run as the same user

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in env.items() if name.startswith("JUPYTERHUB_")}
        kept |= {name: os.environ[name] for name in INHERITED if name in os.environ}
        return kept | server_environment(self.settings)

    async def start(self) -> tuple[str, int]:
        """Make the folders, then start the server in `/`: nothing the researcher can write is on its way."""
        for folder in (self.settings.server_home, self.settings.workspace):
            private_folder(folder)
        offer_tutorial(self.settings.workspace, self.name)
        self.popen_kwargs = {"cwd": "/"}
        address: tuple[str, int] = await super().start()
        return address


def offer_tutorial(workspace: Path, project: str) -> None:
    """Copy the project's tutorial notebook into a workspace that has none. A researcher's own copy is never touched."""
    target = workspace / "Tutorial.ipynb"
    if os.path.lexists(target):
        return
    folder = files("ambergate_hub") / "tutorial"
    notebook = folder / f"{project}.ipynb"
    content = (notebook if notebook.is_file() else folder / "any-project.ipynb").read_bytes()
    target.write_bytes(content)


def server_command() -> list[str]:
    """The command of every server. A script, never `python -m`, which would put the current folder on its path."""
    return [str(Path(sys.executable).parent / "jupyterhub-singleuser"), f"--config={config_file()}"]


def configure_spawner(c: Any, state: StateFolder) -> None:
    """Everything of the hub's configuration that concerns servers."""
    c.JupyterHub.spawner_class = GateSpawner
    c.GateSpawner.state_root = str(state.root)
    c.GateSpawner.cmd = server_command()
    c.GateSpawner.env_keep = []
    c.GateSpawner.ip = "127.0.0.1"
    c.GateSpawner.default_url = "/lab"
    c.GateSpawner.pre_spawn_hook = refuse_unless_admitted
    c.GateSpawner.start_timeout = 120
    c.GateSpawner.http_timeout = 120
    c.GateSpawner.poll_interval = POLL_SECONDS
    c.GateSpawner.interrupt_timeout = 10
    c.GateSpawner.term_timeout = 5
    c.GateSpawner.oauth_client_allowed_scopes = []
