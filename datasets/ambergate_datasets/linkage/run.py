"""Linkage of one landing: identifiers in, person spine out (`red.spine`)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import duckdb

from ambergate_datasets.linkage.deterministic import (
    NUMBERED,
    UNNUMBERED,
    add_unnumbered_persons,
    make_persons,
    run_passes,
)
from ambergate_datasets.linkage.identities import gather, linkable_tables
from ambergate_datasets.linkage.indexes import recall_indexes, remember_indexes
from ambergate_datasets.linkage.probabilistic import link_undecided
from ambergate_datasets.linkage.report import LinkageReport, TableLinkage
from ambergate_datasets.progress import SILENT, Progress
from ambergate_policies.catalogue import Catalogue
from ambergate_policies.log import LogEntry

Record = Callable[[LogEntry], int]

_SINGLE_SHARE = 0.995

_WORKINGS = [
    *("stated", "identity", "carried", "remembered", "numbered", "unknown", "newcomer", "known_person", "known"),
    *("decided", "single_table", "candidate", "chosen", "splink_person", "splink_record"),
]


def link(
    connection: duckdb.DuckDBPyConnection,
    catalogue: Catalogue,
    *,
    at: datetime,
    record: Record,
    progress: Progress = SILENT,
    actor: str = "operator",
) -> LinkageReport:
    """Link every landed person table that has identifiers, and replace their links in `red.spine`.

    Writes `person(person)`, `link(table_name, row_id, person, method)`, `number(person, nhs_number)` and its log entry,
    all or nothing. Rows removed by objection get no link. `red.optout.persons` goes: until `remove_after_linkage` has
    run on the new links, no table with a policy on objections can be provisioned. Tables with the source's own person
    key are the business of `linkage_source.link_sources`.
    """
    tables = linkable_tables(connection, catalogue)
    connection.execute("DROP TABLE IF EXISTS red.optout.persons")
    progress.stage("linkage", 5)
    try:
        gather(connection, catalogue, tables, today=at.date())
        progress.advance(1)
        precision = _decide_all(connection, progress)
        report = _report(connection, tables, precision)
        _publish(connection, tables, lambda: record(LogEntry("linkage", at, actor, None, report.to_json())))
    finally:
        _drop_workings(connection)
    progress.advance(1)
    progress.done()
    return report


def _publish(connection: duckdb.DuckDBPyConnection, tables: list[str], record: Callable[[], int]) -> None:
    """Spine and log entry in one: if either cannot be written, the spine stays as it was."""
    connection.execute("BEGIN")
    try:
        _write_spine(connection, tables)
        record()
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _decide_all(connection: duckdb.DuckDBPyConnection, progress: Progress) -> float | None:
    """Every pass in its order; returns the probabilistic model's estimate of its own precision."""
    recall_indexes(connection)
    make_persons(connection)
    run_passes(connection, NUMBERED)
    run_passes(connection, UNNUMBERED)
    progress.advance(1)
    _find_single_tables(connection)
    if not _any_numbers(connection):
        add_unnumbered_persons(connection)
    estimates = link_undecided(connection)
    progress.advance(1)
    if add_unnumbered_persons(connection):
        run_passes(connection, UNNUMBERED)
    progress.advance(1)
    return estimates.expected_precision


def _any_numbers(connection: duckdb.DuckDBPyConnection) -> bool:
    row = connection.execute("SELECT 1 FROM known_person LIMIT 1").fetchone()
    return row is not None


def _find_single_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Tables that hold one record per person, judged by the rows that exact rules linked: deaths, for example."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE single_table AS SELECT tbl FROM decided JOIN identity USING (id) "
        f"GROUP BY tbl HAVING count(DISTINCT person) >= {_SINGLE_SHARE} * sum(weight)"
    )


def _write_spine(connection: duckdb.DuckDBPyConnection, tables: list[str]) -> None:
    """Links of other tables, made by the source's own person key, stay with their persons."""
    remember_indexes(connection)
    connection.execute("DROP TABLE IF EXISTS red.spine.number")
    connection.execute("CREATE TABLE IF NOT EXISTS red.spine.person (person BIGINT PRIMARY KEY)")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS red.spine.link (table_name VARCHAR, row_id BIGINT, person BIGINT, method VARCHAR)"
    )
    connection.execute("DELETE FROM red.spine.link WHERE list_contains($1, table_name)", [tables])
    connection.execute("DELETE FROM red.spine.person WHERE person NOT IN (SELECT person FROM red.spine.link)")
    connection.execute(
        "INSERT INTO red.spine.person SELECT DISTINCT person FROM known_person "
        "ANTI JOIN red.spine.person USING (person) ORDER BY 1"
    )
    connection.execute(
        "INSERT INTO red.spine.link SELECT c.tbl, c.row_id, d.person, d.method FROM carried c "
        "JOIN decided d USING (id) JOIN identity i USING (id) WHERE NOT i.shadow ORDER BY 1, 2"
    )
    connection.execute(
        "CREATE TABLE red.spine.number AS SELECT person, number AS nhs_number FROM known_person "
        "WHERE number IS NOT NULL ORDER BY person"
    )


def _report(connection: duckdb.DuckDBPyConnection, tables: list[str], precision: float | None) -> LinkageReport:
    persons, unnumbered = connection.execute("SELECT count(*), count(*) - count(number) FROM known_person").fetchall()[
        0
    ]
    return LinkageReport(tuple(_table_report(connection, name) for name in tables), persons, unnumbered, precision)


def _table_report(connection: duckdb.DuckDBPyConnection, name: str) -> TableLinkage:
    rows = connection.execute(
        "SELECT CASE WHEN i.shadow THEN 'removed' WHEN d.id IS NULL AND i.number IS NOT NULL THEN 'contradicted' "
        "WHEN d.id IS NULL THEN 'unlinked' ELSE 'by ' || d.method END, sum(i.weight)::BIGINT "
        "FROM identity i LEFT JOIN decided d USING (id) WHERE i.tbl = $1 GROUP BY 1 ORDER BY 1",
        [name],
    ).fetchall()
    counts = {str(fate): int(count) for fate, count in rows}
    contradicted = counts.get("contradicted", 0)
    return TableLinkage(
        table=name,
        rows=sum(counts.values()),
        removed=counts.get("removed", 0),
        linked={fate.removeprefix("by "): n for fate, n in counts.items() if fate.startswith("by ")},
        unlinked=counts.get("unlinked", 0) + contradicted,
        contradicted=contradicted,
    )


def _drop_workings(connection: duckdb.DuckDBPyConnection) -> None:
    """Identifiers do not stay in memory longer than the linkage: the connection's own tables all go."""
    workings = connection.execute(
        "SELECT database_name, schema_name, table_name FROM duckdb_tables() "
        "WHERE database_name IN ('memory', 'temp') AND (starts_with(table_name, '__splink') "
        "OR list_contains($1, table_name))",
        [_WORKINGS],
    ).fetchall()
    for database, schema, table in workings:
        connection.execute(f'DROP TABLE "{database}"."{schema}"."{table}"')
