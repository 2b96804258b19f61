"""The store's tables. All but the schema version are append-only, and triggers refuse UPDATE and DELETE.

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


def _guard(table: Table, statement: str, dialect: str) -> None:
    """Let the database itself refuse; against mistakes, not against somebody who owns it."""
    ddl = DDL(statement).execute_if(dialect=dialect)  # type: ignore[no-untyped-call]
    event.listen(table, "after_create", ddl)


def _sqlite_guards(table: Table) -> None:
    (key,) = table.primary_key.columns
    taken = f"WHEN EXISTS (SELECT 1 FROM {table.name} WHERE {key.name} = NEW.{key.name})"
    refusal = f"BEGIN SELECT RAISE(ABORT, '{table.name} is append-only'); END"
    for name, when in {
        "no_update": f"UPDATE ON {table.name}",
        "no_delete": f"DELETE ON {table.name}",
        "no_replace": f"INSERT ON {table.name} {taken}",  # INSERT OR REPLACE deletes silently
    }.items():
        _guard(table, f"CREATE TRIGGER {table.name}_{name} BEFORE {when} {refusal}", "sqlite")


def _postgresql_guards(table: Table) -> None:
    function = f"{table.name}_is_append_only"
    body = f"BEGIN RAISE EXCEPTION '{table.name} is append-only'; END"
    _guard(table, f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$", "postgresql")
    trigger = f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table.name}"
    _guard(table, f"{trigger} FOR EACH STATEMENT EXECUTE FUNCTION {function}()", "postgresql")


for _table in APPEND_ONLY:
    _sqlite_guards(_table)
    _postgresql_guards(_table)
