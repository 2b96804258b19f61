"""Asking the gate: HTTP over the one unix socket that this kernel has."""

from __future__ import annotations

import http.client
import json
import os
import socket
import struct
from dataclasses import dataclass
from typing import Any

from ambergate_notebook.errors import InterfaceError, OperationalError

SOCKET_VARIABLE = "AMBERGATE_DOOR"
INHERITED = "fd:"
LONGEST_QUERY = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reply:
    """The gate's answer as it came: a header, and the table and mask as Arrow IPC streams (empty: none)."""

    header: dict[str, Any]
    table: bytes
    mask: bytes


@dataclass(slots=True)
class Purpose:
    """What this kernel's queries are for, as an id of the agreement's; None until one is chosen."""

    chosen: str | None = None


PURPOSE = Purpose()


def ask_query(sql: str) -> Reply:
    """Put one query to the gate, for the chosen purpose. Raises OperationalError where the gate cannot be reached."""
    purpose = {} if PURPOSE.chosen is None else {"purpose": PURPOSE.chosen}
    body = json.dumps({"sql": sql, **purpose}).encode()
    if len(body) > LONGEST_QUERY:
        raise InterfaceError("a query may be at most 1 MiB long")
    return _ask("POST", "/query", body)


def ask_held(reference: str) -> Reply:
    """Ask after a held result. `reference` is the gate's, like `H-7F3K2M`."""
    plain = reference.strip().upper()
    if not plain.startswith("H-") or not plain[2:].isalnum():
        raise InterfaceError("a reference looks like H-7F3K2M")
    return _ask("GET", f"/held/{plain}")


def ask_catalogue() -> dict[str, Any]:
    """What this project has been granted."""
    return _ask("GET", "/catalogue").header


class _Door(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("door")
        self._path = path

    def connect(self) -> None:
        if self._path.startswith(INHERITED):
            self.sock = _sent_through(int(self._path.removeprefix(INHERITED)))
            return
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self._path)


def _sent_through(descriptor: int) -> socket.socket:
    """A connection made by sending its other end: for a kernel that may connect to nothing."""
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with theirs, socket.socket(fileno=os.dup(descriptor)) as channel:
        socket.send_fds(channel, [b"c"], [theirs.fileno()])
    return mine


def _ask(method: str, path: str, body: bytes | None = None) -> Reply:
    where = os.environ.get(SOCKET_VARIABLE)
    if not where:
        raise InterfaceError("this Python does not run in an Ambergate project: open a notebook there")
    door = _Door(where)
    try:
        door.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        content = door.getresponse().read()
    except (OSError, http.client.HTTPException):
        raise OperationalError("the gate does not answer: restart the kernel, then tell the data centre") from None
    finally:
        door.close()
    return _parse(content)


def _parse(content: bytes) -> Reply:
    try:
        (length,) = struct.unpack_from(">I", content)
        header = json.loads(content[4 : 4 + length])
        start, middle = 4 + length, 4 + length + header["table_bytes"]
        return Reply(header, content[start:middle], content[middle : middle + header["mask_bytes"]])
    except (struct.error, ValueError, KeyError, TypeError):
        raise OperationalError("the gate's answer cannot be read: the server was updated, restart the kernel") from None
