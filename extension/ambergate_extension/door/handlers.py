"""The door's three questions as HTTP: `POST /query`, `GET /held/<reference>`, `GET /catalogue`."""

from __future__ import annotations

import json
from typing import Any, Protocol

from tornado.iostream import StreamClosedError
from tornado.web import Application, RequestHandler

from ambergate_extension.door.answering import Enquiry, Question
from ambergate_extension.door.wire import CONTENT_TYPE, encode, encode_answer, encode_failure

MAX_BODY = 1024 * 1024
_CHUNK = 256 * 1024


class Desk(Protocol):
    """Who answers: `Doors`."""

    async def ask(self, enquiry: Enquiry) -> tuple[int, bytes]: ...

    def abandon(self, enquiry: Enquiry) -> None: ...


def application(kernel_id: str, desk: Desk) -> Application:
    """The application of one kernel's socket: the kernel's identity is this argument and nothing else."""
    bound = {"kernel_id": kernel_id, "desk": desk}
    return Application(
        [
            (r"/query", QueryHandler, bound),
            (r"/held/(H-[A-Z0-9]{4,16})", HeldHandler, bound),
            (r"/catalogue", CatalogueHandler, bound),
        ],
        default_handler_class=UnknownHandler,
        default_handler_args=bound,
        log_function=lambda handler: None,  # tornado's access log would quote what was asked for
    )


class DoorHandler(RequestHandler):
    """Sends every outcome, errors included, in the door's own format."""

    _enquiry: Enquiry | None = None

    def initialize(self, kernel_id: str, desk: Desk) -> None:
        self._kernel_id = kernel_id
        self._desk = desk

    def on_connection_close(self) -> None:
        """The kernel was interrupted or died: its query need not go on."""
        if self._enquiry is not None:
            self._desk.abandon(self._enquiry)

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.set_header("Content-Type", CONTENT_TYPE)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self.finish(encode_failure("the door does not understand this request"))

    def log_exception(self, *exception: Any) -> None:
        """Silent: the gate's errors are logged by id in `Doors`, and a request's text is nobody's business."""

    async def reply(self, question: Question, *, is_query: bool = False) -> None:
        self._enquiry = Enquiry(self._kernel_id, question, is_query)
        status, body = await self._desk.ask(self._enquiry)
        self.set_status(status)
        self.set_header("Content-Length", str(len(body)))
        try:
            for start in range(0, len(body), _CHUNK):
                self.write(body[start : start + _CHUNK])
                await self.flush()
        except StreamClosedError:
            return  # the kernel was interrupted; what was released stays in the log
        self.finish()

    def refuse(self, status: int, message: str) -> None:
        self.set_status(status)
        self.finish(encode_failure(message))


class QueryHandler(DoorHandler):
    async def post(self) -> None:
        if len(self.request.body) > MAX_BODY:
            return self.refuse(413, "a query may be at most 1 MiB long")
        asked = _asked(self.request.body)
        if asked is None:
            return self.refuse(400, 'expected a JSON body {"sql": "..."}, with or without a "purpose"')
        return await self.reply(lambda gate: encode_answer(gate.answer(**asked)), is_query=True)


class HeldHandler(DoorHandler):
    async def get(self, reference: str) -> None:
        await self.reply(lambda gate: encode_answer(gate.fetch(reference)))


class CatalogueHandler(DoorHandler):
    async def get(self) -> None:
        await self.reply(lambda gate: encode({"verdict": "released", "findings": [], **gate.catalogue()}))


class UnknownHandler(DoorHandler):
    def prepare(self) -> None:
        self.refuse(404, "the door has /query, /held/<reference> and /catalogue")


def _asked(body: bytes) -> dict[str, str] | None:
    """The query's text and, where the kernel has chosen one, its purpose; None for anything else."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or not {"sql"} <= set(message) <= {"sql", "purpose"}:
        return None
    return message if all(isinstance(value, str) for value in message.values()) else None
