"""The store's tables. All but the schema version are append-only; in SQLite, triggers refuse UPDATE and DELETE.

The columns beside a sealed or hashed one are for searching. None is believed: `log_entry.leaf` is proven by the
signed checkpoints, `held_result` is bound by its seal, `decision` by its log entry.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    DDL,
    Column,
    Dialect,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    event,
)


class Bytes(TypeDecorator[bytes]):
    """Bytes even where somebody put text into an SQLite column: what is no longer what was stored must be judged."""

    impl = LargeBinary
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> bytes:
        return value if isinstance(value, bytes) else str(value).encode("utf-8")


class Words(TypeDecorator[str]):
    """Text even where somebody put something else into an SQLite column."""

    impl = Text
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> str:
        return value if isinstance(value, str) else repr(value)


SCHEMA_VERSION = 1
metadata = MetaData()

schema_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True))

log_entry = Table(
    "log_entry",
    metadata,
    Column("idx", Integer, primary_key=True, autoincrement=False),
    Column("leaf", Bytes, nullable=False),
    Column("kind", String(40), nullable=False, index=True),
    Column("project", String(40), nullable=True, index=True),
    Column("outcome", String(40), nullable=True),
    Column("reference", String(40), nullable=True, index=True),
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("size", Integer, primary_key=True, autoincrement=False),
    Column("note", Words, nullable=False),
    Column("leaf", Words, nullable=False),
    Column("frontier", Words, nullable=False),
)

held_result = Table(
    "held_result",
    metadata,
    Column("reference", String(12), primary_key=True),
    Column("log_index", Integer, ForeignKey("log_entry.idx"), nullable=False, unique=True),
    Column("at", String(27), nullable=False),
    Column("project", String(40), nullable=False, index=True),
    Column("account", String(40), nullable=False),
    Column("agreement", String(60), nullable=False),
    Column("checkers_required", Integer, nullable=False),
    Column("sealed", Bytes, nullable=False),
)

decision = Table(
    "decision",
    metadata,
    Column("log_index", Integer, ForeignKey("log_entry.idx"), primary_key=True, autoincrement=False),
    Column("reference", String(12), ForeignKey("held_result.reference"), nullable=False, index=True),
    Column("checker", String(40), nullable=False),
    Column("choice", String(10), nullable=False),
    Column("at", String(27), nullable=False),
    Column("rows", Text, nullable=True),
    Column("comment", Words, nullable=False),
    Column("salt", Words, nullable=False),
    UniqueConstraint("reference", "checker"),
)

APPEND_ONLY = (log_entry, checkpoint, held_result, decision)


def _trigger(table: Table, name: str, when: str) -> None:
    """Let the database itself refuse; against mistakes, not against somebody who owns the file."""
    statement = (
        f"CREATE TRIGGER IF NOT EXISTS {table.name}_{name} BEFORE {when} "
        f"BEGIN SELECT RAISE(ABORT, '{table.name} is append-only'); END"
    )
    ddl = DDL(statement).execute_if(dialect="sqlite")  # type: ignore[no-untyped-call]
    event.listen(table, "after_create", ddl)


for _table in APPEND_ONLY:
    (_key,) = _table.primary_key.columns
    _taken = f"WHEN EXISTS (SELECT 1 FROM {_table.name} WHERE {_key.name} = NEW.{_key.name})"
    _trigger(_table, "no_update", f"UPDATE ON {_table.name}")
    _trigger(_table, "no_delete", f"DELETE ON {_table.name}")
    _trigger(_table, "no_replace", f"INSERT ON {_table.name} {_taken}")  # INSERT OR REPLACE deletes silently
