"""Python DB-API 2.0 (PEP 249) over the gate, so that `pandas.read_sql` and other tools work as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ambergate_notebook import door
from ambergate_notebook.errors import InterfaceError, NotSupportedError
from ambergate_notebook.questions import frame_of

apilevel = "2.0"
threadsafety = 1
paramstyle = "qmark"

Row = tuple[Any, ...]
Description = tuple[str, str, None, None, None, None, None]


class Connection:
    """A connection is only a place to make cursors: every query is an answer of its own."""

    def __init__(self) -> None:
        self._open = True

    def cursor(self) -> Cursor:
        if not self._open:
            raise InterfaceError("the connection is closed")
        return Cursor()

    def commit(self) -> None:
        """Nothing to commit: a gate only answers."""

    def rollback(self) -> None:
        """Nothing to take back: what was released is in the log."""

    def close(self) -> None:
        self._open = False

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class Cursor:
    """Runs one query at a time; `header` is the gate's header of the last one."""

    arraysize = 1

    def __init__(self) -> None:
        self.description: list[Description] | None = None
        self.rowcount = -1
        self.header: dict[str, Any] = {}
        self._rows: list[Row] | None = None
        self._next = 0
        self._open = True

    def execute(self, operation: str, parameters: Sequence[Any] | None = None) -> Cursor:
        """Run a query. Raises QueryRefused, ResultHeld or GateFailed; parameters are not supported."""
        if not self._open:
            raise InterfaceError("the cursor is closed")
        if parameters:
            raise NotSupportedError("queries take no parameters: the gate judges the whole text")
        reply = door.ask_query(operation)
        if reply.header.get("verdict") != "released" or not reply.table:
            frame_of(reply, operation)
        from ambergate_notebook.tables import rows

        columns, self._rows = rows(reply.table)
        self._next = 0
        self.header = reply.header
        self.description = [(name, kind, None, None, None, None, None) for name, kind in columns]
        self.rowcount = len(self._rows)
        return self

    def executemany(self, operation: str, seq_of_parameters: Sequence[Sequence[Any]]) -> None:
        raise NotSupportedError("queries take no parameters: the gate judges the whole text")

    def fetchone(self) -> Row | None:
        found = self.fetchmany(1)
        return found[0] if found else None

    def fetchmany(self, size: int | None = None) -> list[Row]:
        if self._rows is None:
            raise InterfaceError("execute a query first")
        end = self._next + (self.arraysize if size is None else size)
        found = self._rows[self._next : end]
        self._next += len(found)
        return found

    def fetchall(self) -> list[Row]:
        return self.fetchmany(self.rowcount)

    def close(self) -> None:
        self._open = False
        self._rows = None

    def setinputsizes(self, sizes: Sequence[Any]) -> None:
        """Part of PEP 249; nothing to set."""

    def setoutputsize(self, size: int, column: int | None = None) -> None:
        """Part of PEP 249; nothing to set."""

    def __iter__(self) -> Iterator[Row]:
        while (row := self.fetchone()) is not None:
            yield row


def connect() -> Connection:
    """A connection to this kernel's gate."""
    return Connection()
