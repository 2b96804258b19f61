"""Removing objectors from a landing: rows by their own NHS number before linkage, persons after it.

The second pass finds what the first cannot: a record without a usable number that linkage shows to belong to somebody
who objected; a registration at a practice other than the one that recorded the objection. Whoever cannot be shown to
be permitted is out: a person of whom no valid number is known, a record linked to nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime

import duckdb

from ambergate_datasets.optout.lists import Objections
from ambergate_datasets.optout.nhs_number import valid_sql
from ambergate_datasets.progress import SILENT, Progress
from ambergate_policies.catalogue import Catalogue, IdentifierKind, OptOutPolicy, Table
from ambergate_policies.errors import OperatorError
from ambergate_policies.log import JSON, LogEntry

TYPE_1 = "type-1"
NATIONAL = "national"

Record = Callable[[LogEntry], int]


@dataclass(frozen=True, slots=True)
class OptOutReport:
    """Counts of one pass. `received`: numbers on each list. `removed`: table -> reason -> rows (a row with both
    reasons counts under each). `persons`: reason -> persons out, after linkage. `unlinked`: table -> rows of nobody."""

    stage: str
    received: dict[str, int]
    permitted_dated: str | None
    removed: dict[str, dict[str, int]]
    persons: dict[str, int]
    unlinked: dict[str, int]

    def to_json(self) -> dict[str, JSON]:
        """The body of the log entry: counts and dates alone."""
        return asdict(self)


def remove_before_linkage(
    connection: duckdb.DuckDBPyConnection,
    catalogue: Catalogue,
    objections: Objections,
    *,
    at: datetime,
    record: Record,
    progress: Progress = SILENT,
    actor: str = "operator",
) -> OptOutReport:
    """Fill `red.optout.before_linkage` from the number on each row; starts the schema `optout` anew.

    `red.optout.persons` is not there again until `remove_after_linkage` has run: provisioning waits for it.
    Raises OperatorError if a practice whose records were landed sent no Type 1 list.
    """
    progress.stage("objections before linkage", len(catalogue.tables))
    _start(connection, objections)
    _require_practice_lists(connection, catalogue, objections)
    for name, table in catalogue.tables.items():
        number = _column(table, IdentifierKind.NHS_NUMBER)
        if table.kind == "person" and number is not None and _landed(connection, name):
            _exclude_rows(connection, name, number, catalogue.sources[table.source].opt_out)
        progress.advance(1)
    progress.done()
    report = OptOutReport("before-linkage", _received(objections), _dated(objections), _before(connection), {}, {})
    record(LogEntry(kind="opt-out", at=at, actor=actor, project=None, body=report.to_json()))
    return report


def remove_after_linkage(
    connection: duckdb.DuckDBPyConnection,
    catalogue: Catalogue,
    objections: Objections,
    *,
    at: datetime,
    record: Record,
    progress: Progress = SILENT,
    actor: str = "operator",
) -> OptOutReport:
    """Fill `red.optout.persons` from every valid number that linkage gathered for a person (`red.spine.number`).

    The reasons hold for the person; whether a reason reaches a source is the source's policy.
    """
    progress.stage("objections after linkage", 1)
    _load_lists(connection, objections)
    connection.execute("BEGIN")
    try:
        _exclude_all_persons(connection, catalogue, objections)
        report = OptOutReport(
            "after-linkage",
            _received(objections),
            _dated(objections),
            _removed_after(connection, catalogue),
            _persons_by_reason(connection),
            _unlinked(connection, catalogue),
        )
        record(LogEntry(kind="opt-out", at=at, actor=actor, project=None, body=report.to_json()))
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    for name in ("type_1_list", "permitted_list"):
        connection.execute(f"DROP TABLE IF EXISTS {name}")
    progress.advance(1)
    progress.done()
    return report


def _exclude_all_persons(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, objections: Objections) -> None:
    connection.execute("CREATE OR REPLACE TABLE red.optout.persons (person BIGINT, reason VARCHAR)")
    _gather_numbers(connection, catalogue)
    unknown = "SELECT person FROM red.spine.person ANTI JOIN red.spine.number USING (person)"
    if objections.type_1 is not None:
        objected = "SELECT person FROM red.spine.number JOIN type_1_list USING (nhs_number)"
        _exclude_persons(connection, TYPE_1, f"{objected} UNION {unknown}")
    if objections.permitted is not None:
        outside = "SELECT person FROM red.spine.number ANTI JOIN permitted_list USING (nhs_number)"
        _exclude_persons(connection, NATIONAL, f"{outside} UNION {unknown}")


def _persons_by_reason(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    query = "SELECT reason, count(*) FROM red.optout.persons GROUP BY 1 ORDER BY 1"
    return {str(reason): int(count) for reason, count in connection.execute(query).fetchall()}


def reasons_of(policy: OptOutPolicy) -> tuple[str, ...]:
    """The reasons that reach a source under its policy."""
    return tuple(reason for reason, holds in ((TYPE_1, policy.type_1), (NATIONAL, policy.national)) if holds)


def _start(connection: duckdb.DuckDBPyConnection, objections: Objections) -> None:
    connection.execute("DROP SCHEMA IF EXISTS red.optout CASCADE")
    connection.execute("CREATE SCHEMA red.optout")
    connection.execute("CREATE TABLE red.optout.before_linkage (table_name VARCHAR, row_id BIGINT, reason VARCHAR)")
    _load_lists(connection, objections)


def _load_lists(connection: duckdb.DuckDBPyConnection, objections: Objections) -> None:
    for name, numbers in (("type_1_list", objections.type_1), ("permitted_list", objections.permitted)):
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} (nhs_number VARCHAR)")
        connection.execute(f"INSERT INTO {name} SELECT unnest($1::VARCHAR[])", [sorted(numbers or ())])


def _require_practice_lists(
    connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, objections: Objections
) -> None:
    """Every practice that sent records must have sent its list too, if only an empty one."""
    if objections.type_1 is None:
        return
    for name, table in catalogue.tables.items():
        practice = _column(table, IdentifierKind.PROVIDER)
        policy = catalogue.sources[table.source].opt_out
        if not policy.type_1 or practice is None or not _landed(connection, name):
            continue
        row = connection.execute(
            f'SELECT count(DISTINCT "{practice}") FROM red.landed."{name}" WHERE NOT list_contains($1, "{practice}")',
            [sorted(objections.practices)],
        ).fetchone()
        if row is not None and row[0]:
            raise OperatorError(
                f"{row[0]} practices have rows in {name!r} but sent no Type 1 objection list: "
                "ask them for it (an empty one if nobody objected)"
            )


def _exclude_rows(connection: duckdb.DuckDBPyConnection, name: str, number: str, policy: OptOutPolicy) -> None:
    """Rows whose own number is on the dissent list, or valid and not on the allow list."""
    rows = f'(SELECT row_id, {valid_sql(_quoted(number))} AS nhs_number FROM red.landed."{name}")'
    into = "INSERT INTO red.optout.before_linkage"
    if policy.type_1:
        connection.execute(
            f"{into} SELECT '{name}', row_id, '{TYPE_1}' FROM {rows} SEMI JOIN type_1_list USING (nhs_number)"
        )
    if policy.national:
        connection.execute(
            f"{into} SELECT '{name}', row_id, '{NATIONAL}' FROM {rows} ANTI JOIN permitted_list USING (nhs_number) "
            "WHERE nhs_number IS NOT NULL"
        )


def _gather_numbers(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    """Add the valid numbers of all linked rows to those that linkage itself found a person by."""
    connection.execute("CREATE TABLE IF NOT EXISTS red.spine.number (person BIGINT, nhs_number VARCHAR)")
    for name, table in catalogue.tables.items():
        number = _column(table, IdentifierKind.NHS_NUMBER)
        if table.kind != "person" or number is None or not _landed(connection, name):
            continue
        connection.execute(
            f"INSERT INTO red.spine.number SELECT DISTINCT person, {valid_sql(_quoted(number))} AS found "
            f'FROM red.landed."{name}" JOIN red.spine.link l USING (row_id) '
            f"WHERE l.table_name = '{name}' AND found IS NOT NULL EXCEPT FROM red.spine.number"
        )


def _exclude_persons(connection: duckdb.DuckDBPyConnection, reason: str, persons: str) -> None:
    connection.execute(f"INSERT INTO red.optout.persons SELECT DISTINCT person, '{reason}' FROM ({persons}) ORDER BY 1")


def _removed_after(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> dict[str, dict[str, int]]:
    """Rows that the second pass takes out of each table, by the reasons that reach its source."""
    rows = connection.execute(
        "SELECT table_name, reason, count(*) FROM red.spine.link JOIN red.optout.persons USING (person) "
        "ANTI JOIN red.optout.before_linkage b USING (table_name, row_id) GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    removed: dict[str, dict[str, int]] = {}
    for name, reason, count in rows:
        if reason in reasons_of(catalogue.sources[catalogue.tables[name].source].opt_out):
            removed.setdefault(name, {})[reason] = count
    return removed


def _before(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, int]]:
    removed: dict[str, dict[str, int]] = {}
    for name, reason, count in connection.execute(
        "SELECT table_name, reason, count(*) FROM red.optout.before_linkage GROUP BY ALL ORDER BY ALL"
    ).fetchall():
        removed.setdefault(name, {})[reason] = count
    return removed


def _unlinked(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name, table in catalogue.tables.items():
        if table.kind == "person" and _landed(connection, name):
            row = connection.execute(
                f'SELECT count(*) FROM red.landed."{name}" '
                "WHERE row_id NOT IN (SELECT row_id FROM red.spine.link WHERE table_name = $1) "
                "AND row_id NOT IN (SELECT row_id FROM red.optout.before_linkage WHERE table_name = $1)",
                [name],
            ).fetchone()
            counts[name] = int(row[0]) if row else 0
    return counts


def _received(objections: Objections) -> dict[str, int]:
    received: dict[str, int] = {}
    if objections.type_1 is not None:
        received |= {"type_1_numbers": len(objections.type_1), "type_1_lists": len(objections.practices)}
    if objections.permitted is not None:
        received["permitted_numbers"] = len(objections.permitted)
    return received


def _dated(objections: Objections) -> str | None:
    return objections.permitted_dated.isoformat() if objections.permitted_dated else None


def _column(table: Table, kind: IdentifierKind) -> str | None:
    return next((name for name, column in table.columns.items() if column.identifier is kind), None)


def _landed(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    row = connection.execute(
        "SELECT 1 FROM duckdb_tables() WHERE database_name = 'red' AND schema_name = 'landed' AND table_name = $1",
        [name],
    ).fetchone()
    return row is not None


def _quoted(name: str) -> str:
    return f'"{name}"'
