"""Arrow tables in a frame: their names and sizes in its header, their bytes one after the other in its body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from ambergate_extension.engine.frames import BrokenFrame


def to_bytes(table: pa.Table) -> bytes:
    """One table as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def from_bytes(body: bytes) -> pa.Table:
    """The table of an Arrow IPC stream."""
    return pa.ipc.open_stream(pa.py_buffer(body)).read_all()


def pack(tables: Mapping[str, pa.Table]) -> tuple[list[list[Any]], bytes]:
    """[name, size] of each table for the header, and the body."""
    bodies = {name: to_bytes(table) for name, table in tables.items()}
    return [[name, len(body)] for name, body in bodies.items()], b"".join(bodies.values())


def unpack(sizes: list[list[Any]], body: bytes) -> dict[str, pa.Table]:
    """The tables of a frame. Raises BrokenFrame where the sizes do not add up to the body."""
    tables, start = {}, 0
    for name, size in sizes:
        tables[str(name)] = from_bytes(body[start : start + int(size)])
        start += int(size)
    if start != len(body):
        raise BrokenFrame("the tables do not fill the frame")
    return tables
