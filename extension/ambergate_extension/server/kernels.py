"""The server's kernel manager: holds the housing that every kernel is started in, and drops what clients add."""

from __future__ import annotations

from typing import Any

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.web import HTTPError
from traitlets import Any as AnyTrait
from traitlets import default

from ambergate_extension.sandbox.kernelspecs import KERNEL_NAME
from ambergate_extension.sandbox.provisioner import canonical_kernel_id
from ambergate_policies.errors import OperatorError


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
        """Start a kernel. `path`, environment and arguments are the client's and are not used.

        Raises HTTPError: 400 for what a client asked wrongly, 503 with the operator's advice where there is no sandbox.
        """
        if kernel_name not in (None, KERNEL_NAME):
            raise HTTPError(400, f"there is one kernel here: {KERNEL_NAME}")
        if kernel_id is not None:
            _canonical(kernel_id)
        try:
            started: str = await super()._async_start_kernel(kernel_id=kernel_id, kernel_name=KERNEL_NAME)
        except OperatorError as error:
            self._forget_failed_starts()
            raise HTTPError(503, str(error)) from None
        return started

    start_kernel = _async_start_kernel  # type: ignore[assignment]  # as jupyter-server itself does

    def _forget_failed_starts(self) -> None:
        # jupyter_client keeps a failed start as pending for ever, and then cannot shut the server down.
        for kernel_id in [kept for kept in self._pending_kernels if kept not in self._kernels]:
            if self._pending_kernels[kernel_id].done():
                del self._pending_kernels[kernel_id]


def _canonical(kernel_id: str) -> None:
    try:
        canonical_kernel_id(kernel_id)
    except OperatorError as error:
        raise HTTPError(400, str(error)) from None
