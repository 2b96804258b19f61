"""How an answer is written to the socket: a length, a JSON header, and Arrow streams.

4 bytes   length of the header, big-endian
header    JSON: the answer's own header, with `table_bytes` and `mask_bytes`
table     Arrow IPC stream of `table_bytes` bytes, if any
mask      Arrow IPC stream of `mask_bytes` bytes, if any: same shape, true where a cell is suppressed
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from ambergate_extension.door.answering import Answered

CONTENT_TYPE = "application/x-ambergate"


def encode_answer(answer: Answered) -> bytes:
    header = {name: value for name, value in answer.to_header().items() if name != "mask"}  # goes as Arrow
    return encode(header, answer.table, answer.mask)


def encode_failure(message: str, identifier: str = "") -> bytes:
    """A failure of the deployment: never carries data, always something to quote to an operator."""
    finding = {"rule": "door", "message": message, "line": None, "column": None, "hint": None}
    return encode({"verdict": "failed", "findings": [finding], "failure_id": identifier})


def encode(header: Mapping[str, Any], table: pa.Table | None = None, mask: pa.Table | None = None) -> bytes:
    table_bytes, mask_bytes = _stream(table), _stream(mask)
    sizes = {"table_bytes": len(table_bytes), "mask_bytes": len(mask_bytes)}
    head = json.dumps({**header, **sizes}).encode()
    return struct.pack(">I", len(head)) + head + table_bytes + mask_bytes


def _stream(table: pa.Table | None) -> bytes:
    if table is None:
        return b""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())
