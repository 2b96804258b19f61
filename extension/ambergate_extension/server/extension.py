"""The server extension: proves the sandbox, opens the gate, and hands every kernel its housing.

If anything here fails the server does not start, and the hub shows why.
"""

from __future__ import annotations

import os
from typing import Any

from jupyter_server.extension.application import ExtensionApp

from ambergate_datasets.deployment import read_deployment
from ambergate_extension.door.answering import Answering, GateKept
from ambergate_extension.door.doors import Doors
from ambergate_extension.sandbox import cgroups
from ambergate_extension.sandbox.canary import prove
from ambergate_extension.sandbox.choice import builders
from ambergate_extension.sandbox.provisioner import KernelHousing
from ambergate_extension.sandbox.watch import Watch
from ambergate_extension.server.configuration import ALLOWED_EXTENSIONS
from ambergate_extension.server.contents import BoxedContents
from ambergate_extension.server.guard import install_guard
from ambergate_extension.server.kernels import SandboxedKernelManager
from ambergate_extension.settings import Settings, read_settings
from ambergate_policies.errors import OperatorError


class AmbergateServer(ExtensionApp):
    """The gate's side of one researcher's server for one project."""

    name = "ambergate"
    load_other_extensions = True
    doors: Doors | None = None
    contents: BoxedContents | None = None

    def initialize(self, argv: Any = None) -> None:
        """Called by jupyter-server once its managers exist, before it listens."""
        super().initialize()  # type: ignore[no-untyped-call]
        settings = read_settings(os.environ)
        server: Any = self.serverapp
        refuse_foreign_extensions(server.jpserver_extensions)
        kernels = server.kernel_manager
        if not isinstance(kernels, SandboxedKernelManager) or not isinstance(server.contents_manager, BoxedContents):
            raise OperatorError("the server was started without Ambergate's configuration (use its config file)")
        boxes = builders(read_deployment(settings.state).sandbox)
        backend = prove(settings.run_parent, settings.private_paths, backends=boxes)
        self.doors = Doors(GateKept(lambda: open_gate(settings)), self.log)
        kernels.housing = KernelHousing(
            backend,
            settings.workspace,
            settings.run_parent,
            self.doors,
            groups=cgroups.available(),
            watch=Watch(self.log),
        )
        self.contents = server.contents_manager
        self.contents.open_box(backend, settings.workspace, settings.run_parent)
        install_guard(server.web_app, server.base_url)
        server.io_loop.add_callback(self.doors.warm_up)

    async def stop_extension(self) -> None:
        if self.doors is not None:
            await self.doors.close_all()
        if self.contents is not None:
            self.contents.close_box()


def open_gate(settings: Settings) -> Answering:
    """The gate of this server's project, for this server's account."""
    # The engine's imports are heavy and not needed to start.
    from ambergate_extension.pipeline import Gate

    gate: Answering = Gate.open(settings.state, settings.project, settings.account)
    return gate


def refuse_foreign_extensions(extensions: dict[str, bool]) -> None:
    """Raise OperatorError if any server extension is enabled that is not on the list: it would run with the keys."""
    foreign = sorted(name for name, enabled in extensions.items() if enabled and name not in ALLOWED_EXTENSIONS)
    if foreign:
        raise OperatorError(f"server extensions that are not allowed here are installed: {', '.join(foreign)}")


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    return [{"module": __name__, "app": AmbergateServer}]
