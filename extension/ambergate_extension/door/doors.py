"""The sockets of this server's kernels and the one gate behind them."""

from __future__ import annotations

import asyncio
import logging
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from socket import socket

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_unix_socket

from ambergate_extension.door.answering import Enquiry, GateKept
from ambergate_extension.door.channel import Channel
from ambergate_extension.door.handlers import MAX_BODY, application
from ambergate_extension.door.wire import encode_failure
from ambergate_policies.errors import AmbergateError

LARGEST_ANSWER = 64 * 1024 * 1024
_WAITING = 16
_HEADROOM = 64 * 1024


class Doors:
    """Opens one listener per kernel; implements the provisioner's `Doorkeeper`.

    Questions run in threads of their own, so that a long query holds up neither the server's pages nor another tab.
    """

    def __init__(self, gate: GateKept, log: logging.Logger) -> None:
        self._gate = gate
        self._log = log
        # The gate answers one query at a time. Listing tables or fetching a held result does not wait for it.
        self._queries = ThreadPoolExecutor(max_workers=1, thread_name_prefix="door-query")
        self._others = ThreadPoolExecutor(max_workers=2, thread_name_prefix="door")
        self._running: Enquiry | None = None
        self._turn = threading.Lock()
        self._listeners: dict[str, HTTPServer] = {}
        self._channels: dict[str, Channel] = {}
        self._waiting = 0

    async def open(self, kernel_id: str, path: Path) -> None:
        """Listen on `path` (0600) for this kernel; an older listener of the same kernel is closed first."""
        await self.close(kernel_id)
        listener = HTTPServer(
            application(kernel_id, self),
            max_body_size=MAX_BODY + _HEADROOM,
            max_buffer_size=MAX_BODY + 2 * _HEADROOM,
            max_header_size=16 * 1024,
            idle_connection_timeout=60,
            body_timeout=30,
        )
        listener.add_socket(bind_unix_socket(str(path), mode=0o600))
        self._listeners[kernel_id] = listener

    async def receive(self, kernel_id: str, channel: socket) -> None:
        """Take this kernel's connections as descriptors that come through `channel`, beside those to its listener."""
        self._channels[kernel_id] = Channel(channel, self._listeners[kernel_id])

    async def close(self, kernel_id: str) -> None:
        if (channel := self._channels.pop(kernel_id, None)) is not None:
            channel.close()
        listener = self._listeners.pop(kernel_id, None)
        if listener is not None:
            listener.stop()
            await listener.close_all_connections()

    async def close_all(self) -> None:
        """Close every listener, then the gate."""
        for kernel_id in list(self._listeners):
            await self.close(kernel_id)
        await asyncio.get_running_loop().run_in_executor(None, self._gate.close)
        for threads in (self._queries, self._others):
            threads.shutdown(wait=False, cancel_futures=True)

    async def warm_up(self) -> None:
        """Open the gate before the first question; a failure is told to whoever asks."""
        await asyncio.get_running_loop().run_in_executor(self._queries, self._try_gate)

    async def ask(self, enquiry: Enquiry) -> tuple[int, bytes]:
        """HTTP status and encoded answer of one question. Never raises, never shows another library's message."""
        if self._waiting >= _WAITING:
            return 429, encode_failure("too many queries are waiting: let the running ones finish first")
        self._waiting += 1
        threads = self._queries if enquiry.is_query else self._others
        try:
            return await asyncio.get_running_loop().run_in_executor(threads, self._answer, enquiry)
        finally:
            self._waiting -= 1

    def abandon(self, enquiry: Enquiry) -> None:
        """Nobody waits for this answer any more: do not begin it, or end it if it is what the gate is running."""
        with self._turn:
            enquiry.abandoned = True
            if self._running is enquiry:
                self._gate.get().cancel()

    def _answer(self, enquiry: Enquiry) -> tuple[int, bytes]:
        try:
            gate = self._gate.get()
            if not self._begin(enquiry):
                return 499, encode_failure("the query was interrupted")
            answer = enquiry.question(gate)
        except AmbergateError as error:
            return error.http_status, self._failed(enquiry, error, str(error))
        except Exception as error:
            return 500, self._failed(enquiry, error, "the gate failed on this query")
        finally:
            self._end(enquiry)
        if len(answer) > LARGEST_ANSWER:
            return 500, encode_failure("the cleared table is too large to send: ask for fewer groups")
        return 200, answer

    def _begin(self, enquiry: Enquiry) -> bool:
        with self._turn:
            if enquiry.is_query and not enquiry.abandoned:
                self._running = enquiry
            return not enquiry.abandoned

    def _end(self, enquiry: Enquiry) -> None:
        with self._turn:
            if self._running is enquiry:
                self._running = None

    def _failed(self, enquiry: Enquiry, error: Exception, message: str) -> bytes:
        identifier = uuid.uuid4().hex[:8]
        self._log.error("door: failure %s, kernel %s, %s", identifier, enquiry.kernel_id, type(error).__name__)
        return encode_failure(message, identifier)

    def _try_gate(self) -> None:
        try:
            self._gate.get()
        except AmbergateError as error:
            self._log.error("%s", error)
