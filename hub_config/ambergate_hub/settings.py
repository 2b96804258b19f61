"""The hub's settings: declared once, read from the environment in one place (`settings_from`)."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ambergate_datasets.state import StateFolder
from ambergate_policies.errors import OperatorError

LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 8000


@dataclass(frozen=True, slots=True)
class HubSettings:
    """Everything that `configuration.configure` needs to know."""

    state: StateFolder
    port: int

    @property
    def address(self) -> str:
        """What a person opens in the browser."""
        return f"http://{LOOPBACK}:{self.port}/"

    def environment(self) -> dict[str, str]:
        """The variables from which `settings_from` reads these settings back, in the hub's own process."""
        return {"AMBERGATE_STATE": str(self.state.root), "AMBERGATE_PORT": str(self.port)}


def settings_from(environ: Mapping[str, str]) -> HubSettings:
    """The settings in the environment. Raises OperatorError when the hub was not started by `ambergate hub`."""
    root, port = environ.get("AMBERGATE_STATE", ""), environ.get("AMBERGATE_PORT", "")
    if not root or not port.isdecimal():
        raise OperatorError("start the hub with `ambergate hub`: AMBERGATE_STATE and AMBERGATE_PORT are not set")
    return HubSettings(StateFolder(Path(root)), int(port))


def require_free(port: int) -> None:
    """Raises OperatorError when another program listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            raise OperatorError(
                f"port {port} is in use by another program; choose another one, such as --port {free_ports(1)[0]}"
            ) from None


def free_ports(count: int) -> tuple[int, ...]:
    """Different ports that are free now, for listeners inside the deployment that nobody has to remember."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return tuple(probe.getsockname()[1] for probe in probes)
    finally:
        for probe in probes:
            probe.close()
