"""JupyterHub's configuration, the hub services for checkers, administrators and the public, and the command."""
