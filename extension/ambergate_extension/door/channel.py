"""The door of a kernel that can connect to nothing: it sends one end of a pair of sockets, which becomes a connection.

A descriptor that comes is taken only if it is a connected stream socket: anything else a kernel might send is closed
unread.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream

_LARGEST = 64
_ONE_DESCRIPTOR = 4


class Channel:
    """Reads one kernel's channel in the running event loop and hands connections to its HTTP server."""

    def __init__(self, channel: socket.socket, server: HTTPServer) -> None:
        self._channel = channel
        self._server = server
        channel.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(channel.fileno(), self._take)

    def close(self) -> None:
        with suppress(OSError, ValueError):
            self._loop.remove_reader(self._channel.fileno())
        self._channel.close()

    def _take(self) -> None:
        try:
            message, descriptors, _, _ = socket.recv_fds(self._channel, _LARGEST, 1)
        except BlockingIOError:
            return
        except OSError:
            message, descriptors = b"", []
        if not message and not descriptors:  # the kernel is gone
            self.close()
            return
        for number, descriptor in enumerate(descriptors):
            connection = _stream(descriptor) if number == 0 else None
            if connection is None:
                os.close(descriptor)
            else:
                self._server.handle_stream(IOStream(connection), ("", 0))


def _stream(descriptor: int) -> socket.socket | None:
    """The connected stream socket behind a descriptor, or None; the descriptor then is still the caller's."""
    try:
        found = socket.socket(fileno=descriptor)
    except OSError:
        return None
    if (found.family, found.type & 0xF) == (socket.AF_UNIX, socket.SOCK_STREAM):
        with suppress(OSError):
            found.getpeername()
            found.setblocking(False)
            return found
    found.detach()
    return None
