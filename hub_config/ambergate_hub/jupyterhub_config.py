"""JupyterHub reads this file; everything in it is decided in `ambergate_hub.configuration`."""

import os

from ambergate_hub.configuration import configure
from ambergate_hub.settings import settings_from

configure(get_config(), settings_from(os.environ))  # type: ignore[name-defined]  # noqa: F821 - JupyterHub provides it
