"""What a worker finds out about its own confinement before it is given a key, and the gate's judgement of it."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ambergate_extension.sandbox.confinement import is_hidden

_NO_CAPABILITIES = "0" * 16
_ALSO_SET = frozenset({"PWD", "LC_CTYPE", "OLDPWD", "SHLVL", "_"})
ELSEWHERE = ("/etc/passwd", "/etc/hostname", "/root", "/home", "/var", "/sys", "/run", "/boot")


def report(secret: Sequence[str]) -> dict[str, Any]:
    """Facts only. `secret`: paths that must not be there."""
    with Path("/proc/self/status").open() as lines:
        status = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return {
        "capabilities": sorted({status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")}),
        "bounding": status["CapBnd"],
        "no_new_privileges": status["NoNewPrivs"],
        "filters": int(status.get("Seccomp_filters", "0")) if status["Seccomp"] == "2" else 0,
        "hidden": is_hidden(),
        "socket": _happens(lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).close()),
        "process": _happens(_fork),
        "root_writable": _happens(lambda: os.close(os.open("/ambergate-probe", os.O_WRONLY | os.O_CREAT, 0o600))),
        "visible": [path for path in secret if os.path.lexists(path)],
        "readable": [path for path in secret if _happens(lambda path=path: _read(path))],
        "processes": _processes(),
        "environment": sorted(os.environ),
        "limits": {name: resource.getrlimit(getattr(resource, name))[1] for name in ("RLIMIT_AS", "RLIMIT_CORE")},
    }


def faults(
    report: Mapping[str, Any], *, environment: Mapping[str, str], confined: bool, own_view: bool
) -> Iterator[str]:
    """Every way in which a worker falls short of what was ordered. `confined`: whether there is a box around it at
    all, `own_view`: whether that box has a file system and processes of its own."""
    if report.get("no_new_privileges") != "1" or report.get("filters", 0) < (2 if confined else 1):
        yield "the system call filter is not active"
    if report.get("socket") is not False or report.get("process") is not False:
        yield "the engine can open sockets or start programs"
    if report.get("hidden") is not True or report.get("limits", {}).get("RLIMIT_CORE") != 0:
        yield "the engine's memory can be dumped"
    if report.get("limits", {}).get("RLIMIT_AS", -1) <= 0:
        yield "the engine's memory is not limited"
    if not confined:
        return
    # Who may gain no privileges has no use for the bounding set, and only root can empty it.
    if report.get("capabilities") != [_NO_CAPABILITIES] or (own_view and report.get("bounding") != _NO_CAPABILITIES):
        yield "the engine has capabilities"
    if report.get("root_writable") is not False:
        yield "the engine's root can be written"
    if report.get("readable") != [] or (own_view and report.get("visible") != []):
        yield "files that are not the engine's are visible to it"
    if own_view and not 0 < report.get("processes", 0) <= 3:
        yield "other processes are visible to the engine"
    if not set(report.get("environment", ["?"])) <= environment.keys() | _ALSO_SET:
        yield "the server's environment leaks into the engine"


def _happens(attempt: Any) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _read(path: str) -> None:
    if Path(path).is_dir():
        os.listdir(path)  # noqa: PTH208 - the system call that is asked about
    else:
        os.close(os.open(path, os.O_RDONLY))


def _processes() -> int:
    try:
        return sum(name.isdigit() for name in os.listdir("/proc"))  # noqa: PTH208
    except OSError:
        return 0
