"""Groups of processes (cgroups) as a whole: how much memory, how many processes and processors a kernel may use.

Used where this server may make groups below its own: cgroup v2 that was delegated to it, or v1 folders that it may
write to. Where it may not, `watch` does the counting alone. A box joins its groups before anything of it runs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ambergate_extension.sandbox.box import Allowance

ROOT = Path("/sys/fs/cgroup")
TRUSTED = "ambergate-trusted"
_MEBIBYTE = 1024 * 1024
_PERIOD = 100_000
_CONTROLLERS = ("memory", "pids", "cpu")
_LIMITS = ("memory.max", "memory.high", "memory.limit_in_bytes", "cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us")
_JOIN = 'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 97; shift; done; shift; exec "$@"'


def joining(groups: Sequence[Path]) -> list[str]:
    """What to put before a command so that it runs in these groups: nothing, or a shell that joins and goes on."""
    return ["/bin/sh", "-c", _JOIN, "sh", *map(str, groups), "--"] if groups else []


@dataclass(frozen=True, slots=True)
class Groups:
    """Where groups can be made, by controller. `unified`: one folder for all of them (cgroup v2)."""

    folders: Mapping[str, Path]
    unified: bool

    def make(self, name: str, allowance: Allowance) -> tuple[Path, ...]:
        """The groups of one kernel, with its limits. Raises OSError."""
        made: list[Path] = []
        try:
            for controller, folder in self.folders.items():
                group = folder / name
                group.mkdir(exist_ok=True)
                made.append(group)
                for file, value in _settings(controller, allowance, self.unified):
                    (group / file).write_text(value)
        except OSError:
            remove(made)
            raise
        return tuple(dict.fromkeys(made))


def available(root: Path = ROOT) -> Groups | None:
    """Where this process may make groups with limits; None where it may not. One is made to see."""
    with suppress(OSError):
        groups = _found(root, dict(_own()))
        if groups is not None:
            remove(groups.make(f"probe-{os.getpid()}", Allowance()))
            return groups
    return None


def _found(root: Path, own: Mapping[str, str]) -> Groups | None:
    if (root / "cgroup.controllers").exists():
        return _delegated(root / own.get("", "/").lstrip("/"))
    folders = {name: root / name / own[name].lstrip("/") for name in _CONTROLLERS if name in own}
    if "memory" in folders and all(_can_make_groups(folder) for folder in folders.values()):
        return Groups(folders, unified=False)
    return None


def remove(groups: Sequence[Path]) -> None:
    """Remove the groups of a kernel that has ended; a group is busy until its last process is gone."""
    for group in groups:
        with suppress(OSError):
            (group / "cgroup.kill").write_text("1")
        for _ in range(50):
            try:
                group.rmdir()
                break
            except FileNotFoundError:
                break
            except OSError:
                time.sleep(0.02)


def limit_files(joined: Sequence[Path], root: Path = ROOT) -> list[Path]:
    """The files in which a process of these groups, and of this process's own, reads its limits: engines insist."""
    places = list(joined)
    with suppress(OSError):
        for controller, path in _own():
            places.append(root / controller / path.lstrip("/"))
    return [place / name for place in places for name in _LIMITS if (place / name).exists()]


def _settings(controller: str, allowance: Allowance, unified: bool) -> Iterator[tuple[str, str]]:
    memory = str(allowance.memory_mb * _MEBIBYTE)
    quota = str(int(allowance.processors * _PERIOD))
    if unified:
        yield from (("memory.max", memory), ("memory.oom.group", "1"), ("pids.max", str(allowance.processes)))
        yield ("cpu.max", f"{quota} {_PERIOD}")
    elif controller == "memory":
        yield ("memory.limit_in_bytes", memory)
    elif controller == "pids":
        yield ("pids.max", str(allowance.processes))
    else:
        yield from (("cpu.cfs_period_us", str(_PERIOD)), ("cpu.cfs_quota_us", quota))


def _own() -> Iterator[tuple[str, str]]:
    """This process's groups: (controller, path), the controller "" for cgroup v2."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield (controller, path)


def _delegated(own: Path) -> Groups | None:
    """cgroup v2: a group with processes of its own cannot share out limits, so the trusted ones move one level down."""
    parent = own.parent if own.name == TRUSTED else own
    if not _can_make_groups(parent):
        return None
    if own is parent:
        trusted = parent / TRUSTED
        trusted.mkdir(exist_ok=True)
        for process in (parent / "cgroup.procs").read_text().split():
            with suppress(ProcessLookupError):
                (trusted / "cgroup.procs").write_text(process)
    (parent / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in _CONTROLLERS))
    return Groups({"": parent}, unified=True)


def _can_make_groups(folder: Path) -> bool:
    return os.access(folder, os.W_OK) and os.access(folder / "cgroup.procs", os.W_OK)
