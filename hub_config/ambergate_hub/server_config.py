"""The single-user server reads this file; everything in it is decided in `ambergate_extension.server`."""

import os

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - Jupyter provides it

c.ServerApp.allow_root = os.geteuid() == 0
c.ServerApp.root_dir = (
    f"{os.environ['AMBERGATE_STATE']}/workspaces/{os.environ['AMBERGATE_ACCOUNT']}/{os.environ['AMBERGATE_PROJECT']}"
)
