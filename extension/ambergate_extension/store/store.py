"""The transactional store of a gate and of the review service: the log, held results and decisions on them.

Whatever changes here changes together with its log entry, in one transaction that is on the disk before the caller
goes on; if it cannot be written, OperatorError, and nothing has happened. Nothing here knows who is a checker or a
member of a project: callers have asked the hub and the agreement before.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from sqlalchemy import ColumnElement, Connection, Row, func, select

from ambergate_extension.store import audit, ledger, publication
from ambergate_extension.store.database import Database
from ambergate_extension.store.held import (
    Decision,
    HeldResult,
    HeldTable,
    canonical_reference,
    checked_rows,
    new_reference,
    require,
)
from ambergate_extension.store.keys import SEAL_KEY, SIGNING_KEY, Seal, read_or_make_key, signing_key
from ambergate_extension.store.tables import checkpoint, decision, held_result, log_entry
from ambergate_extension.store.transitions import FINAL, Choice, State, after, explain, obstacle
from ambergate_policies.errors import IntegrityError, OperatorError, Refused, UserError
from ambergate_policies.log import Fault, LogEntry, VerifyingKey, format_time, parse_time, verify

_log = logging.getLogger(__name__)
MAX_COMMENT = 4000


class Store:
    """One store. Safe for threads and for several processes; open it once a process."""

    def __init__(self, database: Database, record: ledger.Ledger, seal: Seal, log_folder: Path) -> None:
        self._database = database
        self._ledger = record
        self._seal = seal
        self._log_folder = log_folder

    @classmethod
    def open(cls, url: str, keys_folder: Path, log_folder: Path, *, busy_seconds: float = 15.0) -> Self:
        """Open the store at an SQLAlchemy URL, making tables and keys on first use.

        Raises OperatorError (cannot be opened, newer schema, key missing), IntegrityError (the keys are not the
        store's, or it is shorter than its published checkpoints).
        """
        database = Database(url, busy_seconds=busy_seconds)
        database.create()
        with database.writing() as connection:  # alone, so that two first openings make one pair of keys
            new = connection.scalar(select(checkpoint.c.size).limit(1)) is None
            signing = signing_key(read_or_make_key(keys_folder / SIGNING_KEY, make=new), log_folder)
            seal = Seal(read_or_make_key(keys_folder / SEAL_KEY, make=new))
            record = ledger.Ledger(signing)
            record.next_index(connection)
        store = cls(database, record, seal, log_folder)
        store._publish()
        return store

    @property
    def verifying_key(self) -> VerifyingKey:
        """The public key that checkpoints are verified with."""
        return self._ledger.verifying

    def close(self) -> None:
        self._database.close()

    # -- the log --------------------------------------------------------------------------------------------------

    def append(self, entry: LogEntry) -> int:
        """Record an entry; returns its index. Raises OperatorError or IntegrityError, and then nothing was recorded."""
        with self._database.writing() as connection:
            index = self._ledger.append(connection, entry)
        self._publish_if_possible()
        return index

    def entries(
        self, *, kinds: Sequence[str] = (), project: str | None = None, newest: int | None = None
    ) -> list[tuple[int, LogEntry]]:
        """Entries with their index, oldest first; or only the `newest` so many, newest first."""
        with self._database.reading() as connection:
            return list(ledger.read_entries(connection, kinds=kinds, project=project, newest=newest))

    def proven(self, kind: str, *, project: str, after: int = -1) -> list[tuple[int, LogEntry]]:
        """Entries of one kind of one project after an index, oldest first, each proven by the signed checkpoints.

        Raises IntegrityError."""
        with self._database.reading() as connection:
            return list(ledger.proven_entries(connection, self._ledger, kind, project, after))

    def tallies(self) -> dict[tuple[str | None, str, str | None], int]:
        """How many entries there are of each (project, kind, outcome): what the public register counts."""
        columns = (log_entry.c.project, log_entry.c.kind, log_entry.c.outcome)
        with self._database.reading() as connection:
            rows = connection.execute(select(*columns, func.count().label("number")).group_by(*columns)).all()
        return {(row.project, row.kind, row.outcome): row.number for row in rows}

    def latest_checkpoint(self) -> str | None:
        """The newest signed note, or None while the log is empty."""
        with self._database.reading() as connection:
            return connection.scalar(select(checkpoint.c.note).order_by(checkpoint.c.size.desc()).limit(1))

    def export_log(self, path: Path) -> None:
        """Write entries and checkpoints as JSON lines for offline verification. Raises OperatorError."""
        with self._database.reading() as connection:
            publication.write_export(connection, path)

    def verify(self, kept: Sequence[str] = ()) -> list[Fault]:
        """All faults of the log, and of held results and decisions against it. Empty means intact."""
        return verify_database(self._database, self.verifying_key, kept)[0]

    # -- held results ---------------------------------------------------------------------------------------------

    def hold(self, entry: LogEntry, held: HeldTable) -> str:
        """Record an entry and seal its result in one transaction; returns the reference.

        The entry's body gains `reference` and `sealed_sha256`, the digest of the sealed bytes. Raises OperatorError.
        """
        if entry.project != held.project or entry.actor != held.account:
            raise ValueError("a result is held under the project and account of its log entry")
        try:
            payload = held.to_payload()
        except ValueError:
            raise UserError("the result has a cell that cannot be kept for review") from None
        with self._database.writing() as connection:
            reference = _unused_reference(connection)
            result = HeldResult(
                reference=reference,
                project=held.project,
                account=held.account,
                agreement=held.agreement,
                at=entry.at.astimezone(UTC),
                checkers_required=held.checkers_required,
                log_index=self._ledger.next_index(connection),
                state=State.WAITING,
            )
            sealed = self._seal.close(payload, result.seal_context())
            body = {**entry.body, "reference": reference, "sealed_sha256": hashlib.sha256(sealed).hexdigest()}
            index = self._ledger.append(connection, replace(entry, body=body))
            connection.execute(held_result.insert().values(sealed=sealed, **_columns(result)))
            require(index == result.log_index, "the log moved inside a transaction")
        self._publish_if_possible()
        return reference

    def held(self, reference: str) -> HeldResult:
        """Everything about a held result, for checkers. Raises UserError if there is none, IntegrityError."""
        with self._database.reading() as connection:
            return self._load(connection, canonical_reference(reference))

    def waiting(self) -> list[HeldResult]:
        """Held results that somebody has to decide on, oldest first, without their tables."""
        return [result for result in self._list() if result.state not in FINAL]

    def decided(self, *, newest: int = 200) -> list[HeldResult]:
        """Held results that are decided, last decided first, without their tables."""
        done = [result for result in self._list() if result.state in FINAL]
        return sorted(done, key=lambda result: result.decisions[-1].log_index, reverse=True)[:newest]

    def held_of(self, project: str, account: str) -> list[HeldResult]:
        """What one researcher has held in one project, oldest first, without the tables."""
        return self._list((held_result.c.project == project) & (held_result.c.account == account))

    def decide(
        self,
        reference: str,
        *,
        checker: str,
        decision: str,
        comment: str,
        at: datetime,
        rows: tuple[int, ...] | None = None,
    ) -> HeldResult:
        """Decide on a held result; a "review" entry and the decision are one transaction. Returns the new state.

        `decision` is "release", "reject" or "return"; `rows` are the rows of a release in part. Raises Refused
        (transitions.obstacle), UserError (no such reference, no comment, bad rows), OperatorError, IntegrityError.
        """
        choice, comment = _checked_choice(decision), _checked_comment(comment)
        with self._database.writing() as connection:
            result = self._load(connection, canonical_reference(reference))
            found = obstacle(
                result.state,
                asked_by=result.account,
                decided_by=[made.checker for made in result.decisions],
                checker=checker,
            )
            if found is not None:
                raise Refused(explain(found))
            table = result.table
            assert table is not None  # noqa: S101 (_load always opens the seal)
            rows = checked_rows(rows, choice, table)
            state = after(result.state, choice, result.checkers_required)
            made = self._record_decision(
                connection, result, state, Decision(checker, choice, comment, at.astimezone(UTC), -1, rows)
            )
        self._publish_if_possible()
        return replace(result, state=state, decisions=(*result.decisions, made))

    def fetch(self, reference: str, *, account: str, project: str) -> HeldResult:
        """What the researcher may see: state and comment, and the table (released rows only) once it is released.

        Raises UserError if the project has no such reference, which is also what other projects' references get.
        `account` need not be the asker: a project's results are its members' (the caller checks membership).
        """
        reference = canonical_reference(reference)
        with self._database.reading() as connection:
            result = self._load(connection, reference, project=project)
        return replace(result, table=result.released_table(), fetched=True)

    # -- inside a transaction -------------------------------------------------------------------------------------

    def _record_decision(self, connection: Connection, result: HeldResult, state: State, made: Decision) -> Decision:
        salt = secrets.token_hex(16)
        body = {
            "reference": result.reference,
            "decision": made.choice.value,
            "state": state.value,
            "rows": list(made.rows) if made.rows is not None else None,
            "comment_sha256": audit.comment_digest(salt, made.comment),
        }
        index = self._ledger.append(connection, LogEntry("review", made.at, made.checker, result.project, body))
        connection.execute(
            decision.insert().values(
                log_index=index,
                reference=result.reference,
                checker=made.checker,
                choice=made.choice.value,
                at=format_time(made.at),
                rows=json.dumps(made.rows) if made.rows is not None else None,
                comment=made.comment,
                salt=salt,
            )
        )
        return replace(made, log_index=index)

    def _load(self, connection: Connection, reference: str, *, project: str | None = None) -> HeldResult:
        """A held result with its seal opened and each decision proven against the log."""
        row = connection.execute(select(held_result).where(held_result.c.reference == reference)).first()
        if row is None or (project is not None and row.project != project):
            raise UserError(f"there is no held result {reference}" + (" in this project" if project else ""))
        rows = connection.execute(
            select(decision).where(decision.c.reference == reference).order_by(decision.c.log_index)
        ).all()
        reviews = select(func.count()).where(log_entry.c.reference == reference, log_entry.c.kind == "review")
        require(connection.scalar(reviews) == len(rows), f"a decision on {reference} is missing from the store")
        for made in rows:
            audit.check_decision(made, self._ledger.proven(connection, made.log_index))
        result = _result(row, rows)
        audit.check_held(row, self._ledger.proven(connection, row.log_index))
        table = HeldTable.from_payload(self._seal.open(row.sealed, result.seal_context()))
        require(table.project == result.project, "a held result lies under another project")
        return replace(result, table=table)

    def _list(self, condition: ColumnElement[bool] | None = None) -> list[HeldResult]:
        listed = [column for column in held_result.c if column.name != "sealed"]
        query = select(*listed).order_by(held_result.c.log_index)
        if condition is not None:
            query = query.where(condition)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
            made: dict[str, list[Row[Any]]] = {}
            for row in connection.execute(select(decision).order_by(decision.c.log_index)):
                made.setdefault(row.reference, []).append(row)
        return [_result(row, made.get(row.reference, [])) for row in rows]

    def _publish(self) -> None:
        with self._database.reading() as connection:
            publication.publish(connection, self._log_folder, self.verifying_key)

    def _publish_if_possible(self) -> None:
        """The entry is recorded by now; a checkpoint file that cannot be written catches up later."""
        try:
            self._publish()
        except OperatorError:
            _log.warning("checkpoints.jsonl cannot be written; it will catch up")


def verify_database(database: Database, key: VerifyingKey, kept: Sequence[str] = ()) -> tuple[list[Fault], int]:
    """All faults of a store's log and of what lies beside it, and its number of entries. Needs no secret key."""
    with database.reading() as connection:
        leaves = [row.leaf for row in connection.execute(select(log_entry.c.leaf).order_by(log_entry.c.idx))]
        lines = [
            publication.checkpoint_line(row)
            for row in connection.execute(select(checkpoint).order_by(checkpoint.c.size))
        ]
        return [*verify(leaves, lines, key, kept), *audit.faults(connection)], len(leaves)


def _unused_reference(connection: Connection) -> str:
    while True:
        reference = new_reference()
        taken = select(held_result.c.reference).where(held_result.c.reference == reference)
        if connection.scalar(taken) is None:
            return reference


def _columns(result: HeldResult) -> dict[str, Any]:
    return {
        "reference": result.reference,
        "log_index": result.log_index,
        "at": format_time(result.at),
        "project": result.project,
        "account": result.account,
        "agreement": result.agreement,
        "checkers_required": result.checkers_required,
    }


def _result(row: Row[Any], decisions: Sequence[Row[Any]]) -> HeldResult:
    made = tuple(_decision(found) for found in decisions)
    state = State.WAITING
    for one in made:
        state = after(state, one.choice, row.checkers_required)
    return HeldResult(
        reference=row.reference,
        project=row.project,
        account=row.account,
        agreement=row.agreement,
        at=parse_time(row.at),
        checkers_required=row.checkers_required,
        log_index=row.log_index,
        state=state,
        decisions=made,
    )


def _decision(row: Row[Any]) -> Decision:
    try:
        rows = tuple(json.loads(row.rows)) if row.rows is not None else None
        return Decision(row.checker, Choice(row.choice), row.comment, parse_time(row.at), row.log_index, rows)
    except (ValueError, TypeError):
        raise IntegrityError("a stored decision cannot be read; run `ambergate log verify`") from None


def _checked_choice(text: str) -> Choice:
    try:
        return Choice(text)
    except ValueError:
        raise UserError(f"a decision is one of: {', '.join(choice.value for choice in Choice)}") from None


def _checked_comment(comment: str) -> str:
    comment = comment.strip()
    if not comment:
        raise UserError("a decision needs a comment: the researcher reads it")
    if len(comment) > MAX_COMMENT:
        raise UserError(f"a comment has at most {MAX_COMMENT} characters")
    return comment
