"""The one kernel there is. No folder is searched, so that no planted `kernel.json` can name another provisioner."""

from __future__ import annotations

from typing import Any

from ipykernel.kernelspec import RESOURCES
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel

KERNEL_NAME = "python3"
PROVISIONER = "ambergate-sandbox"


class SandboxedKernelSpecs(KernelSpecManager):
    """Knows the sandboxed Python kernel and refuses every other name.

    It keeps the name `python3` so that notebooks from elsewhere open without a question, and go back again.
    """

    def find_kernel_specs(self) -> dict[str, str]:
        return {KERNEL_NAME: str(RESOURCES)}

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        if kernel_name != KERNEL_NAME:
            raise NoSuchKernel("no such kernel")
        return KernelSpec(
            argv=["/bin/false"],  # the provisioner writes the command; any other would start nothing
            display_name="Ambergate (Python 3)",
            language="python",
            interrupt_mode="message",  # signals do not cross into the box
            metadata={"kernel_provisioner": {"provisioner_name": PROVISIONER}, "supported_encryption": "curve"},
            resource_dir=str(RESOURCES),
        )

    def install_kernel_spec(self, *arguments: Any, **options: Any) -> str:
        raise NoSuchKernel("kernels cannot be installed here")

    def remove_kernel_spec(self, name: str) -> str:
        raise NoSuchKernel("kernels cannot be removed here")
