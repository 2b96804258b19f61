"""What Jupyter calls to start a kernel: a box, with its own run folder and its own door to the gate.

Name, environment, working folder and arguments that a client may have sent are not used. There is no other way to
start a kernel: without `KernelHousing`, which the server's extension makes after the canary, this raises.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from socket import AF_UNIX, SOCK_SEQPACKET, socket, socketpair
from typing import Any, Protocol

from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from ambergate_extension.sandbox import cgroups
from ambergate_extension.sandbox.box import Allowance, Backend, Limits, SandboxUnavailable, limited
from ambergate_extension.sandbox.kernel_box import NOTICE, Rooms, kernel_box, rooms
from ambergate_extension.sandbox.run_folder import KERNEL_PORTS, RunFolder, make_run_folder
from ambergate_extension.sandbox.watch import Watch, Watched

_LAUNCH = "from ipykernel.kernelapp import launch_new_instance; launch_new_instance()"


class Doorkeeper(Protocol):
    """Opens the socket through which one kernel, and only that one, may ask the gate."""

    async def open(self, kernel_id: str, path: Path) -> None: ...

    async def receive(self, kernel_id: str, channel: socket) -> None:
        """For a kernel that can connect to nothing: connections come as descriptors through `channel`."""

    async def close(self, kernel_id: str) -> None: ...


@dataclass(frozen=True, slots=True)
class KernelHousing:
    """Where this server's kernels live. `backend` is the builder whose box the canary proved; `groups` is where the
    system itself counts what a kernel uses, if it lets us; `watch` counts in any case."""

    backend: Backend
    workspace: Path
    run_parent: Path
    doors: Doorkeeper
    limits: Limits = field(default_factory=Limits)
    allowance: Allowance = field(default_factory=Allowance)
    groups: cgroups.Groups | None = None
    watch: Watch = field(default_factory=Watch)


class SandboxProvisioner(LocalProvisioner):
    """Starts each kernel in a box of its own; the entry point `ambergate-sandbox`."""

    _run: RunFolder | None = None
    _groups: tuple[Path, ...] = ()
    _notice = ""
    _theirs: socket | None = None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Make the run folder, the two connection files and the door. Returns the command and nothing else."""
        canonical_kernel_id(self.kernel_id)
        housing = self._housing()
        if self._run is None:
            self._run = make_run_folder(housing.run_parent)
        else:
            await _apart(self._run.forget_sockets)
        try:
            self._speak_over(self._run)
            await super().pre_launch(transport_encryption="required")
            inside = rooms(housing.backend, housing.workspace, self._run)
            self._run.write_connection(self.connection_info, inside.kernel)
            await housing.doors.open(self.kernel_id, self._run.door)
        except BaseException:
            await self._leave()
            raise
        return {"cmd": kernel_command(housing.limits.on(housing.backend), inside)}

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Start the box; whatever was passed besides the command is ignored."""
        housing = self._housing()
        if self._run is None:
            raise SandboxUnavailable("a kernel was started before its folder was made")
        try:
            if housing.groups is not None:
                self._groups = housing.groups.make(f"kernel-{self.kernel_id}", housing.allowance)
            notice, self._notice = self._notice, ""
            passed = [] if housing.backend.own_view else [await self._channel(housing)]
            box = kernel_box(
                housing.backend, housing.workspace, self._run, housing.limits.on(housing.backend),
                processes=self._groups, more={NOTICE: notice} if notice else {},
                door=f"fd:{passed[0]}" if passed else None,
            )  # fmt: skip
            self.process = housing.backend.start(box, cmd, pass_fds=passed)
            watched = Watched(self.process, housing.workspace, housing.allowance, self._was_ended)
            housing.watch.add(self.kernel_id, watched)
            self._close_channel()  # the kernel has it now
        except OSError as error:
            await self._leave()
            raise SandboxUnavailable(f"a group of processes cannot be made ({error.strerror})") from None
        except BaseException:
            await self._leave()
            raise
        self.pid = self.pgid = self.process.pid
        return self.connection_info

    async def cleanup(self, restart: bool = False) -> None:
        """Close the door and remove the run folder, unless the kernel is only restarted."""
        if not restart:
            await self._leave()

    def resolve_path(self, path_str: str) -> str | None:
        """Nothing: paths of the box mean nothing outside it."""
        return None

    async def _channel(self, housing: KernelHousing) -> int:
        """A pair of sockets between the door and the kernel; returns the kernel's end."""
        self._close_channel()
        ours, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
        await housing.doors.receive(self.kernel_id, ours)
        self._theirs = theirs
        return theirs.fileno()

    def _close_channel(self) -> None:
        theirs, self._theirs = self._theirs, None
        if theirs is not None:
            theirs.close()

    def _was_ended(self, message: str) -> None:
        """The watch ended this kernel: the one that is started in its place tells why."""
        self._notice = message

    def _housing(self) -> KernelHousing:
        housing = getattr(getattr(self.parent, "parent", None), "housing", None)
        if not isinstance(housing, KernelHousing):
            raise SandboxUnavailable("kernels start only inside an Ambergate server whose sandbox has been proved")
        return housing

    def _speak_over(self, run: RunFolder) -> None:
        kernel: Any = self.parent
        kernel.transport = "ipc"
        kernel.ip = run.zmq_address
        for number, port in enumerate(KERNEL_PORTS, start=1):
            setattr(kernel, port, number)

    async def _leave(self) -> None:
        self._close_channel()
        self._housing().watch.remove(self.kernel_id)
        await self._housing().doors.close(self.kernel_id)
        groups, self._groups = self._groups, ()
        await _apart(lambda: cgroups.remove(groups))
        if self._run is not None:
            await _apart(self._run.remove)
            self._run = None


async def _apart(work: Callable[[], None]) -> None:
    """Off the event loop: how much there is to delete is up to the kernel."""
    await asyncio.get_running_loop().run_in_executor(None, work)


def kernel_command(limits: Limits, inside: Rooms) -> list[str]:
    """The command inside the box: ipykernel with the notebook package loaded."""
    arguments = ["-f", str(inside.connection_file), "--IPKernelApp.extensions=ambergate_notebook"]
    return [*limited(limits, _LAUNCH), *arguments]


def canonical_kernel_id(kernel_id: str) -> str:
    """The id back, if it is a UUID in its usual spelling. Raises SandboxUnavailable for anything a path could abuse."""
    try:
        canonical = str(uuid.UUID(kernel_id))
    except (ValueError, AttributeError, TypeError):
        canonical = ""
    if not canonical or canonical != kernel_id:
        raise SandboxUnavailable("a kernel id must be a UUID")
    return kernel_id
