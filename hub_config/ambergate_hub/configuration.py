"""The hub's configuration, one function for each concern; `jupyterhub_config.py` only calls `configure`.

Loopback only, no sharing, no hub administrators: JupyterHub's `admin` role could open everybody's server.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ambergate_datasets.state import private_folder
from ambergate_hub.admission import Project, projects_of
from ambergate_hub.authentication import DemoAuthenticator
from ambergate_hub.proxy import STATIC_CONFIGURATION, LocalTraefik
from ambergate_hub.roles import ADMIN, BARE_USER, CULLER, REVIEW, group_of, service_roles
from ambergate_hub.services.definitions import service_definitions
from ambergate_hub.settings import LOOPBACK, HubSettings, free_ports
from ambergate_hub.spawner import configure_spawner
from ambergate_hub.tether import tethered

HERE = Path(__file__).resolve().parent
IDLE_SECONDS = 3600
LOGIN_HOURS = 12


def configure(c: Any, settings: HubSettings) -> None:
    """Fill JupyterHub's configuration object. Makes the hub's private folders."""
    private_folder(settings.state.hub / "proxy")
    _network(c, settings)
    _files(c, settings)
    _login(c, settings)
    _services(c, settings)
    _pages(c, settings)
    configure_spawner(c, settings.state)
    c.JupyterHub.allow_named_servers = True
    c.JupyterHub.redirect_to_server = False
    c.JupyterHub.cleanup_servers = True
    c.JupyterHub.shutdown_on_logout = False


def _network(c: Any, settings: HubSettings) -> None:
    hub_port, proxy_api_port = free_ports(2)
    c.JupyterHub.bind_url = settings.address
    c.JupyterHub.hub_bind_url = f"http://{LOOPBACK}:{hub_port}"
    c.JupyterHub.proxy_class = LocalTraefik
    c.LocalTraefik.traefik_api_url = f"http://{LOOPBACK}:{proxy_api_port}"
    c.LocalTraefik.traefik_api_username = "hub"
    static, routes = (settings.state.hub / "proxy" / name for name in ("static.toml", "routes.toml"))
    routes.unlink(missing_ok=True)  # a hub that was killed leaves the password hash of its run in it
    c.LocalTraefik.static_config_file = str(static)
    c.LocalTraefik.dynamic_config_file = str(routes)
    c.LocalTraefik.extra_static_config = STATIC_CONFIGURATION


def _files(c: Any, settings: HubSettings) -> None:
    c.JupyterHub.db_url = f"sqlite:///{settings.state.hub / 'jupyterhub.sqlite'}"
    c.JupyterHub.cookie_secret_file = str(settings.state.hub / "cookie_secret")
    c.JupyterHub.pid_file = ""


def _login(c: Any, settings: HubSettings) -> None:
    c.JupyterHub.authenticator_class = DemoAuthenticator
    c.DemoAuthenticator.state_root = str(settings.state.root)
    c.DemoAuthenticator.allow_all = True  # whoever `authenticate` verifies; it knows no others
    c.DemoAuthenticator.manage_groups = True
    c.DemoAuthenticator.manage_roles = True
    c.DemoAuthenticator.auth_refresh_age = 30
    c.DemoAuthenticator.refresh_pre_spawn = True
    c.JupyterHub.oauth_require_pkce = True
    c.JupyterHub.oauth_token_expires_in = LOGIN_HOURS * 3600
    c.JupyterHub.cookie_max_age_days = LOGIN_HOURS / 24
    c.JupyterHub.tornado_settings = {"cookie_options": {"SameSite": "Lax"}}
    c.JupyterHub.load_roles = [BARE_USER, *service_roles()]


def _services(c: Any, settings: HubSettings) -> None:
    culler = [sys.executable, "-P", "-m", "jupyterhub_idle_culler", f"--timeout={IDLE_SECONDS}"]
    c.JupyterHub.services = [
        {"name": CULLER, "command": tethered(culler)},
        *service_definitions(settings.state.root),
    ]


def _pages(c: Any, settings: HubSettings) -> None:
    c.JupyterHub.template_paths = [str(HERE / "templates")]
    c.JupyterHub.default_url = landing_page

    def projects(user: Any) -> list[Project]:
        return projects_of(settings.state, user.name, datetime.now(UTC).date()) if user else []

    c.JupyterHub.template_vars = {"projects": projects}  # the hub calls it for the page's user


def landing_page(handler: Any) -> str:
    """Where a person who asked for no particular page goes: each kind of account to its own work.

    Empty for nobody yet: the hub then asks for a login first and comes back here.
    """
    user = handler.current_user
    if user is None:
        return ""
    groups = {group.name for group in user.groups}
    if group_of("checker") in groups:
        return f"/services/{REVIEW}/"
    if group_of("administrator") in groups:
        return f"/services/{ADMIN}/"
    return "/hub/home"
