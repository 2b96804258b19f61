"""The single-user server's whole configuration, and the environment the hub starts it in.

The hub runs `jupyterhub-singleuser --config=<config_file()>` in `/` with `server_environment(settings)` added to what
JupyterHub itself sets, and nothing else of the hub's own environment.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from traitlets.config import Config

from ambergate_datasets.state import private_folder
from ambergate_extension.sandbox.kernelspecs import KERNEL_NAME, PROVISIONER, SandboxedKernelSpecs
from ambergate_extension.server.contents import BoxedContents
from ambergate_extension.server.kernels import SandboxedKernelManager
from ambergate_extension.settings import Settings

EXTENSION = "ambergate_extension.server.extension"
ALLOWED_EXTENSIONS = frozenset({EXTENSION, "jupyterhub", "jupyterlab"})
_SWITCHED_OFF = ("jupyter_lsp", "jupyter_server_terminals", "notebook_shim", "nbclassic", "jupyter_server_ydoc")

# JupyterLab compiles its settings' JSON schemas with eval; nothing inline runs, nothing is fetched from elsewhere.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "frame-src 'self' blob: data:",
        "frame-ancestors 'none'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
    )
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_PAGE = {
    "disabledExtensions": {
        "@jupyterlab/javascript-extension": True,  # runs output as script, past the policy, by eval
        "@jupyterlab/apputils-extension:announcements": True,
        "@jupyterlab/extensionmanager-extension": True,
        "@jupyterlab/terminal-extension": True,
    }
}


def config_file() -> Path:
    """The file for `jupyterhub-singleuser --config=`."""
    return Path(__file__).with_name("jupyter_server_config.py")


def server_environment(settings: Settings) -> dict[str, str]:
    """What the hub's spawner sets for this server, besides JupyterHub's own variables."""
    home = settings.server_home
    return {
        "AMBERGATE_STATE": str(settings.state.root),
        "AMBERGATE_PROJECT": settings.project,
        "AMBERGATE_ACCOUNT": settings.account,
        "HOME": str(home),
        "PATH": f"{Path(sys.prefix) / 'bin'}:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTER_PATH": "",
        "JUPYTER_CONFIG_PATH": "",
        "JUPYTERHUB_DISABLE_USER_CONFIG": "0",  # it would drop our own folders too: they are trusted
        "IPYTHONDIR": str(home / "ipython"),
        "PYTHONSAFEPATH": "1",
        "PYTHONNOUSERSITE": "1",
    }


def prepare_folders(settings: Settings) -> None:
    """Make the server's private folders, its page configuration and the workspace. Called once, at start."""
    for name in ("config/labconfig", "data", "runtime", "ipython", "settings", "workspaces"):
        private_folder(settings.server_home / name)
    (settings.server_home / "config" / "labconfig" / "page_config.json").write_text(json.dumps(_PAGE))
    private_folder(settings.workspace)
    shutil.rmtree(settings.run_parent, ignore_errors=True)  # what an earlier, killed server left
    private_folder(settings.run_parent)


def single_user_config(settings: Settings) -> Config:
    """Every setting of the single-user server that is not JupyterHub's own."""
    config = Config()
    server = config.ServerApp
    server.root_dir = str(settings.workspace)
    server.terminals_enabled = False
    server.allow_root = True  # the demonstration runs as whoever started it; kernels never do
    server.open_browser = False
    server.reraise_server_extension_failures = True
    server.jpserver_extensions = dict.fromkeys(_SWITCHED_OFF, False) | dict.fromkeys(sorted(ALLOWED_EXTENSIONS), True)
    server.jpserver_extensions.pop("jupyterhub")  # JupyterHub enables it itself
    server.kernel_manager_class = SandboxedKernelManager
    server.kernel_spec_manager_class = SandboxedKernelSpecs
    server.contents_manager_class = BoxedContents
    server.tornado_settings = {"headers": _HEADERS, "cookie_options": {"SameSite": "Lax"}}
    server.max_body_size = server.max_buffer_size = 128 * 1024 * 1024
    config.KernelProvisionerFactory.default_provisioner_name = PROVISIONER
    config.MultiKernelManager.default_kernel_name = KERNEL_NAME
    config.ContentsManager.allow_hidden = False
    config.LabApp.extension_manager = "readonly"
    config.LabApp.news_url = None
    config.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
    config.LabApp.user_settings_dir = str(settings.server_home / "settings")
    config.LabApp.workspaces_dir = str(settings.server_home / "workspaces")
    return config
