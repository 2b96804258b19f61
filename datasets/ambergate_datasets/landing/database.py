"""The landing database of one catalogue: where it is, and how the red zone's steps open it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from ambergate_datasets.engines.connection import Limits, attach, connect
from ambergate_datasets.state import StateFolder

DEFAULT_LIMITS = Limits()


def landing_path(state: StateFolder, catalogue: str) -> Path:
    """The catalogue's landing database; encrypted with `KeyStore.landing_key`."""
    return state.red / catalogue / "landing.duckdb"


def manifest_path(state: StateFolder, catalogue: str) -> Path:
    return state.red / catalogue / "manifest.json"


@contextmanager
def open_red(
    path: Path, key: bytes, *, read_only: bool, limits: Limits = DEFAULT_LIMITS
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the landing database attached as `red`; what it spills is encrypted and gone at the end.

    Insertion order is kept, so that lines are counted in the order of a file and sorted tables stay sorted.
    """
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".spill-") as spill:
        connection = connect(limits, Path(spill))
        try:
            connection.execute("SET preserve_insertion_order = true")
            attach(connection, path, key, alias="red", read_only=read_only)
            yield connection
        finally:
            connection.close()
