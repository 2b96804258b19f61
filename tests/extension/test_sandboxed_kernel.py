"""A real kernel in the real box: what works in it, and what it must not see."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import zmq
import zmq.asyncio
from tornado.web import HTTPError

from ambergate_extension.sandbox import seccomp
from ambergate_extension.sandbox.box import Backend, Limits, SandboxUnavailable, python_folders
from ambergate_extension.sandbox.bubblewrap import Bubblewrap
from ambergate_extension.sandbox.canary import prove
from ambergate_extension.sandbox.kernelspecs import SandboxedKernelSpecs
from ambergate_extension.sandbox.provisioner import canonical_kernel_id
from ambergate_extension.sandbox.run_folder import SOCKET_PATH_LIMIT, make_run_folder
from ambergate_extension.server.kernels import SandboxedKernelManager
from ambergate_policies.errors import OperatorError

InKernel = Callable[[Callable[[Any], Awaitable[None]]], None]


def test_a_kernel_computes_plots_and_writes_to_its_workspace(in_kernel: InKernel) -> None:
    async def body(kernel: Any) -> None:
        assert (await kernel.run("1+1")).text == "2"
        plotted = await kernel.run("import matplotlib.pyplot as plt; plt.plot([1, 2]);")
        assert any("image/png" in message["content"].get("data", {}) for message in plotted.messages)
        await kernel.run("open('note.txt', 'w').write('mine')")
        assert (kernel.workspace / "note.txt").read_text() == "mine"

    in_kernel(body)


def test_a_kernel_reaches_no_network(in_kernel: InKernel) -> None:
    async def body(kernel: Any) -> None:
        interfaces = await kernel.run("import socket; [name for _, name in socket.if_nameindex()]")
        assert interfaces.text == "['lo']"
        reached = await kernel.run("socket.create_connection(('1.1.1.1', 53), timeout=2)")
        assert reached.status == "error"

    in_kernel(body)


def test_a_kernel_sees_no_keys_no_state_and_no_other_process(
    in_kernel: InKernel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "master.key").write_text("secret")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "canary-token")

    async def body(kernel: Any) -> None:
        found = await kernel.run(f"import os; [os.path.exists({str(tmp_path)!r}), os.path.exists('/etc/passwd')]")
        assert found.text == "[False, False]"
        everything = await kernel.run("print(sorted(os.environ.items()), open('/proc/1/cmdline').read())")
        assert "canary-token" not in everything.text
        assert str(kernel.run_folder) not in everything.text
        processes = await kernel.run("sum(name.isdigit() for name in os.listdir('/proc'))")
        assert int(processes.text) <= 3
        written = await kernel.run("import sys; open(sys.prefix + '/planted.py', 'w')")
        assert written.status == "error"

    in_kernel(body)


def test_denied_system_calls_answer_no(in_kernel: InKernel) -> None:
    async def body(kernel: Any) -> None:
        code = """
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def fails(call):
    ctypes.set_errno(0)
    return call() == -1 and ctypes.get_errno()
def family(number):
    try:
        socket.socket(number, socket.SOCK_RAW).close()
        return False
    except OSError:
        return True
print(fails(lambda: libc.unshare(0x10000000)), fails(lambda: libc.ptrace(0, 0, 0, 0)),
      fails(lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None)), family(17), family(38), family(40))
"""
        assert (await kernel.run(code)).text.split() == ["1", "1", "1", "True", "True", "True"]

    in_kernel(body)


def test_memory_files_and_scratch_space_are_limited(a_kernel: Callable[..., Any]) -> None:
    async def body() -> None:
        async with a_kernel(Limits(memory_mb=3000, file_mb=8, scratch_mb=16)) as kernel:
            assert "MemoryError" in str((await kernel.run("bytearray(4 << 30)")).messages)
            assert "File too large" in str((await kernel.run("open('big', 'wb').write(bytes(9 << 20))")).messages)
            code = "for n in range(3): open(f'/tmp/{n}', 'wb').write(bytes(7 << 20))"
            assert "No space left" in str((await kernel.run(code)).messages)
            assert (await kernel.run("1+1")).text == "2"

    asyncio.run(body())


def test_an_interrupt_crosses_into_the_box(in_kernel: InKernel) -> None:
    async def body(kernel: Any) -> None:
        sleeping = asyncio.ensure_future(kernel.run("import time; time.sleep(60)"))
        await asyncio.sleep(1)
        before = time.monotonic()
        await kernel.manager.interrupt_kernel()
        assert (await sleeping).status == "error"
        assert time.monotonic() - before < 10

    in_kernel(body)


def test_a_restarted_kernel_is_fresh_and_leaves_nothing_behind_at_the_end(in_kernel: InKernel) -> None:
    left: list[Path] = []

    async def body(kernel: Any) -> None:
        left.append(kernel.run_folder)
        await kernel.run("x = 1")
        await kernel.manager.restart_kernel()
        await kernel.client.wait_for_ready(timeout=60)
        assert (await kernel.run("x")).status == "error"
        assert len(list(kernel.run_folder.iterdir())) == 1

    in_kernel(body)
    assert list(left[0].iterdir()) == []


def test_a_kernel_that_dies_is_started_again_in_a_fresh_box(in_kernel: InKernel) -> None:
    async def body(kernel: Any) -> None:
        await kernel.run("x = 1")
        first = kernel.manager.provisioner.pid
        kernel.client.execute("import os; os._exit(1)")
        for _ in range(100):
            await asyncio.sleep(0.2)
            if kernel.manager.provisioner.pid != first:
                break
        await kernel.client.wait_for_ready(timeout=60)
        assert (await kernel.run("x")).status == "error"
        assert (await kernel.run("1+1")).text == "2"

    in_kernel(body)


def test_a_kernel_cannot_make_the_server_read_another_kernels_output(a_kernel: Callable[[], Any]) -> None:
    """It replaces its output socket by a link to another kernel's: without the other's key nothing comes through."""

    async def body() -> None:
        async with a_kernel() as victim, a_kernel() as attacker:
            target = Path(f"{victim.manager.ip}-{victim.manager.iopub_port}")
            link = f"/run/ambergate/kernel/zmq-{attacker.manager.iopub_port}"
            swapped = await attacker.run(
                f"import os; os.remove({link!r}); os.symlink({str(target)!r}, {link!r}); 'done'"
            )
            assert "done" in swapped.text
            assert await _overheard(attacker.manager, victim, attacker.manager.curve_publickey) is False
            # The link does lead to the victim: with the victim's own key the same socket hears it.
            assert await _overheard(attacker.manager, victim, victim.manager.curve_publickey) is True

    asyncio.run(body())


async def _overheard(listener: Any, speaker: Any, server_key: bytes) -> bool:
    """Whether anything of `speaker` arrives at a new connection to the listener's output socket."""
    context = zmq.asyncio.Context()
    heard = context.socket(zmq.SUB)
    heard.curve_publickey, heard.curve_secretkey = zmq.curve_keypair()
    heard.curve_serverkey = server_key
    heard.subscribe(b"")
    heard.connect(f"ipc://{listener.ip}-{listener.iopub_port}")
    await asyncio.sleep(0.5)
    await speaker.run("print('canary-9912')")
    try:
        return bool(await heard.poll(1500))
    finally:
        context.destroy(linger=0)


def test_socket_paths_fit_and_traffic_is_local(in_kernel: InKernel) -> None:
    async def body(kernel: Any) -> None:
        assert kernel.manager.transport == "ipc"
        (run,) = kernel.run_folder.iterdir()
        assert len(os.fsencode(run / "kernel" / "zmq-5")) <= SOCKET_PATH_LIMIT

    in_kernel(body)


def test_without_a_working_bubblewrap_there_is_no_kernel(short_folder: Path) -> None:
    for binaries in ([], [Path("/bin/false")], [Path("/bin/echo")], [Path("/nonexistent/bwrap")]):
        with pytest.raises(SandboxUnavailable):
            prove(short_folder / "run", [], backends=[Bubblewrap(binary) for binary in binaries])


def test_a_server_without_a_proved_sandbox_starts_no_kernel(tmp_path: Path) -> None:
    kernels = SandboxedKernelManager(
        root_dir=str(tmp_path), kernel_spec_manager=SandboxedKernelSpecs(), connection_dir=str(tmp_path)
    )
    with pytest.raises(HTTPError, match="sandbox has been proved"):
        asyncio.run(kernels.start_kernel())
    assert not kernels._pending_kernels


def test_a_visible_private_folder_fails_the_canary(proved_backend: Backend, short_folder: Path) -> None:
    with pytest.raises(SandboxUnavailable, match="private folders"):
        prove(short_folder / "run", [python_folders()[0]], backends=[proved_backend])


@pytest.mark.parametrize("forged", ["..", "../../etc", "a/b", "", "K" * 36, "{00000000-0000-0000-0000-000000000000}"])
def test_only_a_uuid_is_a_kernel_id(forged: str) -> None:
    with pytest.raises(SandboxUnavailable):
        canonical_kernel_id(forged)


def test_no_other_kernelspec_exists_and_none_can_be_added() -> None:
    specs = SandboxedKernelSpecs()
    assert list(specs.get_all_specs()) == ["python3"]
    for name in ("evil", "Python3", "../python3"):
        with pytest.raises(KeyError):
            specs.get_kernel_spec(name)
    with pytest.raises(KeyError):
        specs.install_kernel_spec("/tmp", "evil")


def test_a_link_in_the_place_of_the_connection_file_is_not_followed(short_folder: Path) -> None:
    folder, victim = make_run_folder(short_folder / "run"), short_folder / "victim"
    victim.write_text("mine")
    folder.connection_file.symlink_to(victim)
    with pytest.raises(FileExistsError):
        folder.write_connection({"key": b"k"})
    assert victim.read_text() == "mine"
    folder.remove()


def test_run_folders_have_short_paths_wherever_the_state_folder_is(tmp_path: Path) -> None:
    folder = make_run_folder(tmp_path / ("long" * 30))
    try:
        assert len(os.fsencode(folder.door)) <= SOCKET_PATH_LIMIT
        assert folder.path.stat().st_mode & 0o777 == 0o700
    finally:
        folder.remove()


def test_the_system_call_filter_exists_for_two_machines_and_no_other() -> None:
    assert len(seccomp.program("x86_64")) % 8 == 0
    assert seccomp.program("x86_64") != seccomp.program("aarch64")
    with pytest.raises(OperatorError):
        seccomp.program("riscv64")
