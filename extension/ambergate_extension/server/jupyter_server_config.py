"""The file that `jupyterhub-singleuser --config=` reads. Everything is in `configuration`."""

import os

from ambergate_extension.server.configuration import prepare_folders, single_user_config
from ambergate_extension.settings import read_settings

settings = read_settings(os.environ)
prepare_folders(settings)
get_config().merge(single_user_config(settings))  # type: ignore[name-defined]  # noqa: F821 - traitlets provides it
