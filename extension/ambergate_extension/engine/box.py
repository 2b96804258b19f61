"""The box of an engine worker: the project's database file, a folder to spill into, the folders of cohort tables.

Everything keeps the path that it has on this host, so that a statement means the same inside and outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import ambergate_datasets
import ambergate_extension
import ambergate_policies
from ambergate_datasets.engines.connection import Limits
from ambergate_extension.sandbox import box, seccomp
from ambergate_extension.sandbox.box import Backend, Box, Shared

PACKAGES = Path("/opt/ambergate")
_OURS = (ambergate_policies, ambergate_datasets, ambergate_extension)
_OVERHEAD_MB = 1024  # the interpreter, Arrow, a result and its copy on the way out, the scratch database
_RESERVED_MB = 4096  # address space that allocators reserve and do not use
_LARGEST_FILE_MB = 64 * 1024
_TEMPORARY = Path("/tmp")  # noqa: S108 - inside the box, private and limited in size


def engine_box(backend: Backend, database: Path, temp: Path, folders: Mapping[Path, bool], limits: Limits) -> Box:
    """`folders`: those of cohort tables, and whether the worker writes there."""
    packages = PACKAGES if backend.own_view else temp / "packages"
    sources = [Path(str(package.__file__)).resolve().parent for package in _OURS]
    if not backend.own_view:
        _link(packages, sources)
    return Box(
        shared=(
            *(Shared(source, packages / source.name if backend.own_view else source) for source in sources),
            *(Shared(file.resolve(), file) for file in (database, write_ahead(database)) if file.exists()),
            *(Shared(folder, folder, writable=writable) for folder, writable in folders.items()),
            Shared(temp, temp, writable=True),
        ),
        scratch=(_TEMPORARY,) if backend.own_view else (),
        environment={
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": "/",
            "PYTHONPATH": str(packages),
            "PYTHONNOUSERSITE": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            # An arena for each thread, or one of a gibibyte that is not used, would use up what may be allocated.
            "MALLOC_ARENA_MAX": "2",
            "ARROW_DEFAULT_MEMORY_POOL": "system",
        },
        folder=Path("/"),
        filter=seccomp.program(shared_host=not backend.own_view),
        limits=box.Limits(
            memory_mb=memory_mb(limits) + _RESERVED_MB,
            processes=256,
            open_files=256,
            file_mb=_LARGEST_FILE_MB,
            scratch_mb=16,
        ).on(backend),
    )


def _link(folder: Path, sources: Sequence[Path]) -> None:
    """Where Python finds our packages without seeing what is beside them."""
    folder.mkdir(mode=0o700)
    for source in sources:
        (folder / source.name).symlink_to(source)


def rlimits(box: Box, limits: Limits) -> dict[str, int]:
    """What the worker sets for itself: the box's limits, and what it may write to in memory."""
    return {**box.limits.rlimits(), "RLIMIT_DATA": memory_mb(limits) * 1024 * 1024}


def memory_mb(limits: Limits) -> int:
    """All memory of a worker. The engine's own limit does not count what a single value takes."""
    return limits.memory_mb + _OVERHEAD_MB


def write_ahead(database: Path) -> Path:
    """What a database that was not closed has beside it."""
    return database.with_name(f"{database.name}.wal")
