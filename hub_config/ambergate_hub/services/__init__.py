"""The hub's services: review (output checkers), register (everybody), admin (administrators).

Each is one small tornado process that JupyterHub starts and proxies: `python -m ambergate_hub.services.review`.
Pages work without scripts, and the content security policy allows none.
"""

from ambergate_hub.services.definitions import service_definitions

__all__ = ["service_definitions"]
