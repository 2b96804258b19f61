"""The decision log in the store: appending in O(log n), reading entries that are proven by signed checkpoints.

Every append checks that the newest checkpoint is signed by this store's key and fits its frontier, so that a log that
was tampered with at its end is never extended. Everything here happens inside a transaction of the caller.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Row, func, select

from ambergate_extension.store.held import require
from ambergate_extension.store.tables import checkpoint, log_entry
from ambergate_policies.errors import IntegrityError, UserError
from ambergate_policies.log import (
    GENESIS,
    JSON,
    BadCheckpoint,
    Checkpoint,
    Frontier,
    LogEntry,
    SealedEntry,
    VerifyingKey,
    leaf_hash,
    open_note,
    parse_time,
    sign,
)

_TAMPERED = "the decision log is not what was signed; keep everything and run `ambergate log verify`"


@dataclass(frozen=True, slots=True)
class Ledger:
    """The log under one signing key."""

    key: Ed25519PrivateKey

    @property
    def verifying(self) -> VerifyingKey:
        return VerifyingKey(self.key.public_key())

    def next_index(self, connection: Connection) -> int:
        """The index that the next entry will have."""
        return self._head(connection)[0].size

    def append(self, connection: Connection, entry: LogEntry) -> int:
        """Write the entry and its checkpoint; returns its index. Raises IntegrityError, UserError."""
        frontier, previous = self._head(connection)
        try:
            leaf = SealedEntry(frontier.size, previous, entry).leaf()
        except ValueError:
            raise UserError("the entry holds something that the log cannot spell") from None
        index, digest = frontier.size, leaf_hash(leaf)
        frontier = frontier.append(digest)
        note = sign(Checkpoint(frontier.size, frontier.root(), entry.at), self.key)
        connection.execute(
            log_entry.insert().values(
                idx=index, leaf=leaf, kind=entry.kind, project=entry.project, **search_columns(entry.body)
            )
        )
        connection.execute(
            checkpoint.insert().values(size=frontier.size, note=note, leaf=digest.hex(), frontier=frontier.to_text())
        )
        return index

    def proven(self, connection: Connection, index: int) -> dict[str, JSON]:
        """The entry at `index`, proven by the signed checkpoints before and after it. Raises IntegrityError."""
        leaf = connection.scalar(select(log_entry.c.leaf).where(log_entry.c.idx == index))
        if leaf is None:
            raise IntegrityError(_TAMPERED)
        before = self._frontier(connection, index)
        after = self._frontier(connection, index + 1)
        require(before.append(leaf_hash(leaf)) == after, _TAMPERED)
        found: dict[str, JSON] = json.loads(leaf)
        return found

    def _head(self, connection: Connection) -> tuple[Frontier, str]:
        size = connection.scalar(select(func.max(checkpoint.c.size))) or 0
        newest = connection.scalar(select(func.max(log_entry.c.idx)))
        last = connection.execute(select(log_entry).where(log_entry.c.idx == size - 1)).first() if size else None
        require(newest == (size - 1 if size else None) and (last is not None or size == 0), _TAMPERED)
        previous = leaf_hash(last.leaf).hex() if last is not None else GENESIS
        return self._frontier(connection, size), previous

    def _frontier(self, connection: Connection, size: int) -> Frontier:
        """The frontier noted at this size, believed because its root is the signed one."""
        if size == 0:
            return Frontier()
        row = connection.execute(select(checkpoint).where(checkpoint.c.size == size)).first()
        if row is None:
            raise IntegrityError(_TAMPERED)
        try:
            signed = open_note(row.note, self.verifying)
            frontier = Frontier.from_text(row.frontier)
        except (BadCheckpoint, ValueError):
            raise IntegrityError(_TAMPERED) from None
        require(signed.size == frontier.size == size and signed.root == frontier.root(), _TAMPERED)
        return frontier


def search_columns(body: dict[str, JSON]) -> dict[str, str | None]:
    """What is kept beside an entry for searching: what it led to (a query's verdict, the state after a review; the
    register counts by it), and the reference of the held result that it is about."""
    found = {"outcome": body.get("verdict", body.get("state")), "reference": body.get("reference")}
    return {name: value if isinstance(value, str) and len(value) <= 40 else None for name, value in found.items()}


def read_entries(
    connection: Connection,
    *,
    kinds: Sequence[str] = (),
    project: str | None = None,
    newest: int | None = None,
) -> Iterator[tuple[int, LogEntry]]:
    """Entries with their index, oldest first; or only the `newest` so many, newest first. Not proven one by one."""
    query = select(log_entry)
    if kinds:
        query = query.where(log_entry.c.kind.in_(kinds))
    if project is not None:
        query = query.where(log_entry.c.project == project)
    order = log_entry.c.idx if newest is None else log_entry.c.idx.desc()
    query = query.order_by(order).limit(newest)
    for row in connection.execute(query):
        yield row.idx, _entry(row)


def proven_entries(
    connection: Connection, ledger: Ledger, kind: str, project: str, after: int
) -> Iterator[tuple[int, LogEntry]]:
    """Entries of a kind and project after an index, believed because the checkpoints around each are signed."""
    query = select(log_entry.c.idx).where(
        log_entry.c.kind == kind, log_entry.c.project == project, log_entry.c.idx > after
    )
    for row in connection.execute(query.order_by(log_entry.c.idx)).all():
        found = ledger.proven(connection, row.idx)
        require(
            (found["index"], found["kind"], found["project"]) == (row.idx, kind, project),
            f"log entry {row.idx} is not what stands beside it; run `ambergate log verify`",
        )
        yield row.idx, LogEntry(found["kind"], parse_time(found["at"]), found["actor"], project, found["body"])


def _entry(row: Row[Any]) -> LogEntry:
    try:
        found = json.loads(row.leaf)
        return LogEntry(found["kind"], parse_time(found["at"]), found["actor"], found["project"], found["body"])
    except (ValueError, KeyError, TypeError):
        raise IntegrityError(f"log entry {row.idx} cannot be read; run `ambergate log verify`") from None
