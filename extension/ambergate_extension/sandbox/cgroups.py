"""Joining groups of processes (cgroups) before a box starts, so that nothing of it ever runs outside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_JOIN = 'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 97; shift; done; shift; exec "$@"'


def joining(groups: Sequence[Path]) -> list[str]:
    """What to put before a command so that it runs in these groups: nothing, or a shell that joins and goes on."""
    return ["/bin/sh", "-c", _JOIN, "sh", *map(str, groups), "--"] if groups else []
