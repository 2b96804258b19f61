"""The server's kernel manager: holds the housing that every kernel is started in, and drops what clients add."""

from __future__ import annotations

from typing import Any

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from traitlets import Any as AnyTrait
from traitlets import default

from ambergate_extension.sandbox.kernelspecs import KERNEL_NAME
from ambergate_extension.sandbox.provisioner import canonical_kernel_id


class SandboxedKernelManager(AsyncMappingKernelManager):
    """Starts the one kernel there is. `housing` is set by the extension after the canary; without it nothing starts."""

    housing = AnyTrait(None, allow_none=True)

    @default("transport_encryption")
    def _required(self) -> str:
        return "required"

    @default("default_kernel_name")
    def _one_kernel(self) -> str:
        return KERNEL_NAME

    async def _async_start_kernel(
        self, *, kernel_id: str | None = None, path: Any = None, kernel_name: str | None = None, **ignored: Any
    ) -> str:
        """Start a kernel. `path`, environment and arguments are the client's and are not used."""
        if kernel_id is not None:
            canonical_kernel_id(kernel_id)
        started: str = await super()._async_start_kernel(kernel_id=kernel_id, kernel_name=kernel_name)
        return started

    start_kernel = _async_start_kernel  # type: ignore[assignment]  # as jupyter-server itself does
