"""Held results and decisions against the log: what the tables say must be what the entries say, and nothing more.

The log is proven by signatures; the other tables are believed only as far as they agree with it. So a "release" that
somebody writes into the database releases nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, select

from ambergate_extension.store.held import require
from ambergate_extension.store.ledger import search_columns
from ambergate_extension.store.tables import decision, held_result, log_entry
from ambergate_policies.errors import IntegrityError
from ambergate_policies.log import JSON, Fault, FaultKind


def comment_digest(salt: str, comment: str) -> str:
    """What the log keeps of a comment: it binds the text without publishing it."""
    return hashlib.sha256(f"{salt}\n{comment}".encode()).hexdigest()


def check_decision(row: Row[Any], entry: dict[str, JSON]) -> None:
    """Raises IntegrityError unless the decision is what its (proven) log entry says."""
    body = entry["body"]
    recorded = (
        entry["kind"],
        entry["actor"],
        entry["at"],
        body.get("reference"),
        body.get("decision"),
        body.get("rows"),
        body.get("comment_sha256"),
    )
    rows = json.loads(row.rows) if row.rows is not None else None
    stored = ("review", row.checker, row.at, row.reference, row.choice, rows, comment_digest(row.salt, row.comment))
    require(recorded == stored, f"the decision on {row.reference} is not the one in the log (entry {row.log_index})")


def check_held(row: Row[Any], entry: dict[str, JSON]) -> None:
    """Raises IntegrityError unless the held result is the one that its (proven) log entry names."""
    body = entry["body"]
    recorded = (entry["actor"], entry["project"], entry["at"], body.get("reference"), body.get("sealed_sha256"))
    stored = (row.account, row.project, row.at, row.reference, hashlib.sha256(row.sealed).hexdigest())
    require(recorded == stored, f"{row.reference} is not the result in the log (entry {row.log_index})")


def faults(connection: Connection) -> Iterator[Fault]:
    """Everything in the other tables that disagrees with the log, whose own faults are found elsewhere."""
    entries: dict[int, dict[str, JSON]] = {}
    for row in connection.execute(select(log_entry).order_by(log_entry.c.idx)):
        try:
            entry = json.loads(row.leaf)
            searched = search_columns(entry["body"])
            columns = (entry["index"], entry["kind"], entry["project"], searched["outcome"], searched["reference"])
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        if columns != (row.idx, row.kind, row.project, row.outcome, row.reference):
            message = f"the columns beside entry {row.idx} do not agree with it"
            yield Fault(FaultKind.STATE, row.idx, message)
        if entry["kind"] == "review" or "sealed_sha256" in entry["body"]:
            entries[row.idx] = entry
    yield from _table_faults(connection, entries)


def _table_faults(connection: Connection, entries: dict[int, dict[str, JSON]]) -> Iterator[Fault]:
    seen: set[int] = set()
    for table, check in ((held_result, check_held), (decision, check_decision)):
        for row in connection.execute(select(table).order_by(table.c.log_index)):
            seen.add(row.log_index)
            try:
                check(row, entries[row.log_index])
            except (IntegrityError, KeyError, TypeError, ValueError, AttributeError):
                message = (
                    f"the {table.name.replace('_', ' ')} for {row.reference} is not what entry {row.log_index} says"
                )
                yield Fault(FaultKind.STATE, row.log_index, message)
    for index in sorted(entries.keys() - seen):
        yield Fault(FaultKind.STATE, index, f"what entry {index} records is missing from the store")
