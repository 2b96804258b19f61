"""Frames between a gate and its engine worker: a JSON header and bytes, each with its length before it."""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO

_LENGTHS = struct.Struct(">IQ")
MAX_HEADER = 16 * 1024 * 1024
MAX_BODY = 4 * 1024 * 1024 * 1024


class BrokenFrame(Exception):
    """The other side has gone or speaks nonsense."""


def write_frame(stream: BinaryIO, header: dict[str, Any], body: bytes = b"") -> None:
    """Send one frame and flush it."""
    text = json.dumps(header).encode("utf-8")
    stream.write(_LENGTHS.pack(len(text), len(body)))
    stream.write(text)
    stream.write(body)
    stream.flush()


def read_frame(stream: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """Receive one frame. Raises BrokenFrame at the end of the stream or for a length that cannot be meant."""
    head, body = _LENGTHS.unpack(_exactly(stream, _LENGTHS.size))
    if head > MAX_HEADER or body > MAX_BODY:
        raise BrokenFrame("frame too large")
    try:
        header = json.loads(_exactly(stream, head))
    except ValueError:
        raise BrokenFrame("header is not JSON") from None
    if not isinstance(header, dict):
        raise BrokenFrame("header is not an object")
    return header, _exactly(stream, body)


def _exactly(stream: BinaryIO, size: int) -> bytes:
    parts: list[bytes] = []
    while size > 0:
        part = stream.read(size)
        if not part:
            raise BrokenFrame("end of stream")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
