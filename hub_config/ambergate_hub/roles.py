"""The hub's roles: what each account may do, as narrow as JupyterHub's scopes can say it.

JupyterHub's own `user` role lets a person mint tokens of full power, and its `admin` role opens everybody's
server. Neither is used: every account gets exactly the roles made here, again at each login and refresh.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ambergate_hub.accounts import AccountRole

RoleModel = dict[str, Any]

REVIEW, REGISTER, ADMIN, CULLER = "review", "register", "admin", "idle-culler"

_SERVICES: dict[AccountRole, tuple[str, ...]] = {
    "researcher": (REGISTER,),
    "checker": (REVIEW, REGISTER),
    "administrator": (ADMIN, REGISTER),
}

_IDENTITY = ["read:users:name!user", "read:users:groups!user"]
BARE_USER: RoleModel = {"name": "user", "description": "May know its own name and groups", "scopes": _IDENTITY}


def group_of(role: AccountRole) -> str:
    """The hub group of a kind of account, by which services know their people."""
    return f"{role}s"


def roles_of(account: str, role: AccountRole, projects: Iterable[str]) -> list[RoleModel]:
    """Every role of one account: its kind's services, and one role for each project it is named on."""
    services = [f"access:services!service={service}" for service in _SERVICES[role]]
    return [
        {"name": f"kind-{role}", "description": f"Services of a {role}", "scopes": [*_IDENTITY, *services]},
        *(_project_role(account, slug) for slug in projects),
    ]


def _project_role(account: str, slug: str) -> RoleModel:
    server = f"!server={account}/{slug}"
    return {
        "name": f"project-{slug}.{account}",
        "description": f"{account} on {slug}",
        "scopes": [f"servers{server}", f"access:servers{server}", "users:activity!user"],  # the last is for the culler
    }


def service_roles() -> list[RoleModel]:
    """The roles of our services: the culler and the administrators' page may stop servers, nobody else."""
    return [
        {
            "name": "service-idle-culler",
            "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
            "services": [CULLER],
        },
        {
            "name": "service-admin",
            "scopes": ["list:users", "read:users:name", "read:servers", "delete:servers"],
            "services": [ADMIN],
        },
    ]
