"""Opening the store's database, and the one way into it: a transaction that either happens as a whole or not at all.

SQLite runs in WAL mode and every writing transaction begins IMMEDIATE, so that two gates take turns from their first
read on; `synchronous=FULL` because a result leaves only when its log entry is on the disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, select, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from ambergate_extension.store import tables
from ambergate_policies.errors import OperatorError

_READ_ONLY = "ambergate_read_only"
_POSTGRESQL_LOCK = 0x616D626572  # "amber": one advisory lock, taken by every writing transaction

_REASONS = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_BUSY": "it stayed locked by another process",
    "SQLITE_READONLY": "it is read-only",
    "SQLITE_CANTOPEN": "it cannot be opened",
    "SQLITE_CORRUPT": "the file is damaged",
    "SQLITE_NOTADB": "the file is not a database",
    "SQLITE_IOERR": "the disk reports an error",
    "SQLITE_CONSTRAINT": "it refuses to change what is recorded",
}


class Database:
    """One SQLAlchemy engine with the store's transaction rules. Raises OperatorError for all that goes wrong in it."""

    def __init__(self, url: str, *, busy_seconds: float = 15.0) -> None:
        try:
            parsed = make_url(url)
            if parsed.get_backend_name() == "sqlite" and parsed.database:
                _private_file(Path(parsed.database))
            self.engine = create_engine(parsed)
        except (ArgumentError, ImportError, OSError):
            raise OperatorError("the store cannot be opened: check its URL, its folder and its driver") from None
        if self.engine.dialect.name == "sqlite":
            _prepare_sqlite(self.engine, busy_seconds)

    def create(self) -> None:
        """Make what is missing. Raises OperatorError if the store was made by a newer version."""
        with self.writing() as connection:
            tables.metadata.create_all(connection)
            version = connection.scalar(select(tables.schema_version.c.version))
            if version is None:
                connection.execute(tables.schema_version.insert().values(version=tables.SCHEMA_VERSION))
            elif version != tables.SCHEMA_VERSION:
                raise OperatorError(f"the store has schema version {version}; this Ambergate knows 1")

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction that is alone in the store from its start, committed at the end or not at all."""
        with _translated("written"), self.engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _POSTGRESQL_LOCK})
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view; nothing can be written."""
        options: dict[str, Any] = {_READ_ONLY: True}
        if self.engine.dialect.name == "postgresql":
            options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with _translated("read"), self.engine.connect().execution_options(**options) as connection:
            yield connection

    def close(self) -> None:
        self.engine.dispose()


def _private_file(path: Path) -> None:
    """A new database is readable by its owner only; SQLite gives its companions the same mode."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        path.touch(mode=0o600)


def _prepare_sqlite(engine: Engine, busy_seconds: float) -> None:
    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        for pragma in (
            f"busy_timeout = {int(busy_seconds * 1000)}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "trusted_schema = OFF",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        read_only = connection.get_execution_options().get(_READ_ONLY, False)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


@contextmanager
def _translated(verb: str) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:  # its text can quote parameters: say only what an operator can act on
        raise OperatorError(f"the store cannot be {verb}: {_reason(error)}") from None


def _reason(error: SQLAlchemyError) -> str:
    name = getattr(getattr(error, "orig", None), "sqlite_errorname", "")
    return next((reason for code, reason in _REASONS.items() if name.startswith(code)), type(error).__name__)
