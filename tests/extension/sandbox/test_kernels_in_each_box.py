"""The same kernels, in the same way, in each kind of box: what researchers do works, what they must not does not."""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from tests.attacks.system.kernels import Boxed, run


@dataclass(frozen=True)
class OneRow:
    table: pa.Table = field(default_factory=lambda: pa.table({"n": [120]}))
    mask: pa.Table = field(default_factory=lambda: pa.table({"n": [False]}))

    def to_header(self) -> dict[str, Any]:
        return {"verdict": "released", "findings": []}


class OneRowGate:
    """Answers every query with the same row."""

    def answer(self, sql: str, *, purpose: str | None = None) -> OneRow:
        return OneRow()

    def fetch(self, reference: str) -> OneRow:
        return OneRow()

    def catalogue(self) -> dict[str, Any]:
        return {"project": "demo", "tables": []}

    def cancel(self) -> None:
        """Nothing runs long."""

    def close(self) -> None:
        """Nothing is open."""


def test_it_computes_plots_and_keeps_files(boxed: Boxed) -> None:
    async def body() -> None:
        async with boxed.kernels() as kernels:
            kernel = await kernels.start()
            assert await kernel.run("import numpy, pandas; int(numpy.ones((200, 200)).sum())") == "40000"
            await kernel.run("import matplotlib.pyplot as plt; plt.plot([1, 2]);")
            assert any("image/png" in message["content"].get("data", {}) for message in kernel.messages)
            code = "import os, shutil; open('a.txt', 'w').write('mine'); shutil.copy('a.txt', 'b.txt'); os.mkdir('d')"
            await kernel.run(f"{code}; os.replace('b.txt', 'd/c.txt')")
            assert (kernels.workspace / "d" / "c.txt").read_text() == "mine"
            assert await kernel.run("import subprocess; subprocess.run(['ls'], capture_output=True).stdout") == (
                repr(b"a.txt\nd\n")
            )

    run(body())


def test_it_asks_the_gate_again_and_again_and_from_threads(boxed: Boxed) -> None:
    code = """
import ambergate_notebook as an
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(4) as threads:
    print(sum(int(frame.iloc[0, 0]) for frame in threads.map(lambda _: an.query('SELECT count(*) FROM t'), range(12))))
"""
    assert boxed.output(code, gate=OneRowGate()) == str(12 * 120)


def test_comms_reach_the_browser_and_back(boxed: Boxed) -> None:
    code = """
from comm import create_comm
heard = []
channel = create_comm(target_name='jupyter.widget', comm_id='c1', data={'state': {}})
channel.on_msg(lambda message: heard.append(message['content']['data']['value']))
"""

    async def body() -> None:
        async with boxed.kernels() as kernels:
            kernel = await kernels.start()
            opened: list[str] = []
            await kernel.client.execute_interactive(
                code, timeout=60, output_hook=lambda message: opened.append(message["msg_type"])
            )
            assert "comm_open" in opened
            message = kernel.client.session.msg("comm_msg", {"comm_id": "c1", "data": {"value": 41}})
            kernel.client.shell_channel.send(message)
            assert await kernel.run("heard[0] + 1") == "42"

    run(body())


def test_interrupt_restart_and_shutdown(boxed: Boxed) -> None:
    async def body() -> None:
        async with boxed.kernels() as kernels:
            kernel = await kernels.start()
            sleeping = asyncio.ensure_future(kernel.run("x = 1\nimport time; time.sleep(60)"))
            await asyncio.sleep(1)
            began = time.monotonic()
            await kernel.manager.interrupt_kernel()
            assert "KeyboardInterrupt" in await sleeping
            assert time.monotonic() - began < 20
            await kernel.manager.restart_kernel()
            await kernel.ready()
            assert "NameError" in await kernel.run("x")
            process = kernel.manager.provisioner.process
            await kernels.stop(kernel)
            assert process.poll() is not None
            assert list(kernels.run_parent.iterdir()) == []

    run(body())


def test_nothing_of_a_box_outlives_it(boxed: Boxed, tmp_path: Path) -> None:
    marker = f"ambergate-leftover-{os.getpid()}"
    code = f"""
import os, subprocess, sys
subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)', {marker!r}])
if os.fork() == 0:
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(300)', {marker!r}])
    os._exit(0)
'started'
"""

    async def body() -> None:
        async with boxed.kernels() as kernels:
            kernel = await kernels.start()
            await kernel.run(code)
            assert await kernel.run("1 + 1") == "2"
            assert len(_processes(marker)) == 2
            await kernel.ends("import os; os._exit(1)")
            for _ in range(50):
                await asyncio.sleep(0.1)
                if not _processes(marker):
                    break
            assert _processes(marker) == []

    run(body())


def test_it_reaches_nothing_that_is_not_its_own(boxed: Boxed, tmp_path: Path) -> None:
    secret = tmp_path / "master.key"
    secret.write_text("canary-3391")
    secret.chmod(0o600)
    code = f"""
import json, os, signal, socket
def happens(attempt):
    try:
        attempt()
        return True
    except OSError:
        return False
secret = {str(secret)!r}
print(json.dumps({{
    "read": happens(lambda: open(secret)), "list": happens(lambda: os.listdir({str(tmp_path)!r})),
    "write": happens(lambda: open(secret, "a")), "remove": happens(lambda: os.remove(secret)),
    "link": happens(lambda: os.link(secret, "linked")),
    "environment": happens(lambda: open("/proc/{os.getpid()}/environ").read()),
    "signal": happens(lambda: os.kill({os.getpid()}, 0)), "passwd": happens(lambda: open("/etc/shadow")),
    "tcp": happens(lambda: socket.create_connection(("127.0.0.1", 22), timeout=1)),
    "out": happens(lambda: socket.create_connection(("1.1.1.1", 53), timeout=1)),
    "udp": happens(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("1.1.1.1", 53))),
    "limits": happens(lambda: __import__("resource").prlimit({os.getpid()}, __import__("resource").RLIMIT_CORE)),
    "environment holds": sorted(name for name in os.environ if name.startswith(("AMBER", "JUPYTERHUB"))),
}}))
happens(lambda: os.chmod(secret, 0o777)); happens(lambda: os.utime(secret, (0, 0)))
"""
    os.environ["JUPYTERHUB_API_TOKEN"] = "canary-token"
    try:
        shown = boxed.output(code)
    finally:
        del os.environ["JUPYTERHUB_API_TOKEN"]
    found = json.loads(shown.splitlines()[0])
    assert found.pop("environment holds") == ["AMBERGATE_DOOR"]
    assert not any(found.values()), found
    assert secret.stat().st_mode & 0o777 == 0o600
    assert secret.stat().st_mtime > 1
    assert secret.read_text() == "canary-3391"


def test_what_comes_through_a_channel_is_taken_only_if_it_is_a_connection(boxed: Boxed) -> None:
    if boxed.backend.own_view:
        return  # there is no channel: the door is a socket with a path
    code = """
import os, socket, ambergate_notebook as an
channel = socket.socket(fileno=os.dup(int(os.environ['AMBERGATE_DOOR'].removeprefix('fd:'))))
mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
for descriptors in ([os.open('/dev/null', os.O_RDONLY)], [theirs.fileno()], [0, 1, 2, 3], os.pipe()):
    socket.send_fds(channel, [b'c'], list(descriptors))
channel.send(b'no descriptor')
print(int(an.query('SELECT count(*) FROM t').iloc[0, 0]))
"""
    assert boxed.output(code, gate=OneRowGate()) == "120"


def _processes(marker: str) -> list[str]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if marker.encode() in (folder / "cmdline").read_bytes():
                    found.append(folder.name)
            except OSError:
                continue
    return found
