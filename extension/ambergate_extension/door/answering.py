"""What the door needs of a gate, and how one is opened when the first question comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from ambergate_policies.errors import AmbergateError, OperatorError

Question = Callable[["Answering"], bytes]

_SECONDS_BEFORE_ANOTHER_TRY = 10.0


class Answered(Protocol):
    """One answer: a header that may always be shown, and the cleared table if there is one."""

    @property
    def table(self) -> pa.Table | None: ...

    @property
    def mask(self) -> pa.Table | None: ...

    def to_header(self) -> dict[str, Any]: ...


class Answering(Protocol):
    """A gate. Its methods block and may be called from any thread."""

    def answer(self, sql: str, *, purpose: str | None = None) -> Answered:
        """`purpose`: the agreement's purpose that is asked for, by id, where the kernel has chosen one."""

    def fetch(self, reference: str) -> Answered: ...

    def catalogue(self) -> Mapping[str, Any]: ...

    def cancel(self) -> None:
        """End the running query, from another thread."""

    def close(self) -> None: ...


@dataclass(eq=False, slots=True)
class Enquiry:
    """One question of one kernel. `abandoned` once nobody waits for its answer any more."""

    kernel_id: str
    question: Question
    is_query: bool = False
    abandoned: bool = False


class GateKept:
    """Opens the gate once and keeps it; after a failure, the next question later on tries again."""

    def __init__(self, opener: Callable[[], Answering], clock: Callable[[], float] = time.monotonic) -> None:
        self._opener = opener
        self._clock = clock
        self._lock = threading.Lock()
        self._gate: Answering | None = None
        self._failure: tuple[float, str] | None = None

    def get(self) -> Answering:
        """The gate, opened if need be (blocking). Raises OperatorError, whose text may be shown."""
        with self._lock:
            if self._gate is None:
                self._gate = self._open()
            return self._gate

    def close(self) -> None:
        with self._lock:
            if self._gate is not None:
                self._gate.close()
                self._gate = None

    def _open(self) -> Answering:
        if self._failure and self._clock() - self._failure[0] < _SECONDS_BEFORE_ANOTHER_TRY:
            raise OperatorError(self._failure[1])
        try:
            return self._opener()
        except AmbergateError as error:
            self._failure = (self._clock(), f"the gate could not start: {error}")
        except Exception as error:
            # Another library's message may quote what it read: only its kind is told.
            self._failure = (self._clock(), f"the gate could not start ({type(error).__name__})")
        raise OperatorError(self._failure[1])
