"""What JupyterHub has to know of our services: how they are started and where they listen."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ambergate_hub.roles import ADMIN, REGISTER, REVIEW
from ambergate_hub.settings import LOOPBACK, free_ports
from ambergate_hub.tether import tethered

SERVICES = (REVIEW, REGISTER, ADMIN)


def service_definitions(state_root: Path) -> list[dict[str, Any]]:
    """Entries for `c.JupyterHub.services`. Each listens on a free loopback port; `roles.py` says who may enter."""
    return [_definition(name, port, state_root) for name, port in zip(SERVICES, free_ports(3), strict=True)]


def _definition(name: str, port: int, state_root: Path) -> dict[str, Any]:
    return {
        "name": name,
        "url": f"http://{LOOPBACK}:{port}",
        "command": tethered([sys.executable, "-P", "-m", f"ambergate_hub.services.{name}"]),
        "environment": {"AMBERGATE_STATE": str(state_root)},
        "oauth_no_confirm": True,
        "display": True,
    }
