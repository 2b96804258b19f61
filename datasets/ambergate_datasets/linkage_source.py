"""Linkage by the person key that a source assigned itself (method `source`): OMOP, artificial HES, study data.

Fills the schema `spine` of a landing database for tables that have an identifier `source_person` and no links yet:
`person(person)`, `link(table_name, row_id, person, method)` and, so that a person keeps their index when the same
source is landed again, `source_identity(source_person, person)`. The persons of a catalogue are those of its
`spine: true` tables, if it has any with such a key; else those of all. A row whose person is not among them stays
unlinked and is counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from ambergate_datasets.engines.quoting import literal, quoted
from ambergate_policies.catalogue import Catalogue, IdentifierKind, Table

METHOD = "source"


@dataclass(frozen=True, slots=True)
class SourceLinkage:
    """One table's result: `rows == linked + orphans`."""

    table: str
    rows: int
    linked: int
    orphans: int
    persons: int


def source_person_column(table: Table) -> str | None:
    """The column that holds the source's own person key, if the table has one."""
    return next((n for n, c in table.columns.items() if c.identifier is IdentifierKind.SOURCE_PERSON), None)


def waiting_tables(
    connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, *, alias: str = "red"
) -> dict[str, str]:
    """Landed tables with rows, a source's person key (the value) and no links yet. Reads only."""
    return {
        name: column
        for name, column in _keyed_tables(connection, catalogue, alias).items()
        if _any(connection, f"SELECT 1 FROM {alias}.landed.{quoted(name)} LIMIT 1")
        and not _has_links(connection, alias, name)
    }


def link_sources(
    connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, *, alias: str = "red"
) -> tuple[SourceLinkage, ...]:
    """Link every table that has a source's person key and no links yet. `alias` is attached for writing.

    The same rows in another order give the same index: new persons are numbered in the order of their key.
    """
    waiting = waiting_tables(connection, catalogue, alias=alias)
    if not waiting:
        return ()
    keyed = _keyed_tables(connection, catalogue, alias)
    _create(connection, alias)
    connection.execute("BEGIN")
    try:
        defining = [name for name in keyed if catalogue.tables[name].spine] or list(keyed)
        _number_persons(connection, alias, {name: keyed[name] for name in defining})
        results = tuple(_link_table(connection, alias, name, column) for name, column in waiting.items())
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return results


def carry_identities(connection: duckdb.DuckDBPyConnection, *, before: str, alias: str = "red") -> None:
    """Take over the persons' indexes from an earlier landing (attached as `before`), so that pseudonyms stay.

    Without this a person's pseudonym in a project would change whenever an extract is refreshed, and two releases
    over the same people could not be compared any more.
    """
    if _exists(connection, before, "spine", "source_identity"):
        _create(connection, alias)
        connection.execute(f"INSERT INTO {alias}.spine.source_identity FROM {before}.spine.source_identity")


def _create(connection: duckdb.DuckDBPyConnection, alias: str) -> None:
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {alias}.spine")
    for table in (
        "person (person BIGINT PRIMARY KEY)",
        "link (table_name VARCHAR, row_id BIGINT, person BIGINT, method VARCHAR)",
        "source_identity (source_person VARCHAR PRIMARY KEY, person BIGINT)",
    ):
        connection.execute(f"CREATE TABLE IF NOT EXISTS {alias}.spine.{table}")


def _exists(connection: duckdb.DuckDBPyConnection, alias: str, schema: str, table: str) -> bool:
    row = connection.execute(
        "SELECT 1 FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? AND table_name = ?",
        [alias, schema, table],
    ).fetchone()
    return row is not None


def _keyed_tables(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, alias: str) -> dict[str, str]:
    return {
        name: column
        for name, table in catalogue.tables.items()
        if (column := source_person_column(table)) is not None and _exists(connection, alias, "landed", name)
    }


def _has_links(connection: duckdb.DuckDBPyConnection, alias: str, name: str) -> bool:
    return _exists(connection, alias, "spine", "link") and _any(
        connection, f"SELECT 1 FROM {alias}.spine.link WHERE table_name = {literal(name)} LIMIT 1"
    )


def _any(connection: duckdb.DuckDBPyConnection, sql: str) -> bool:
    return connection.execute(sql).fetchone() is not None


def _number_persons(connection: duckdb.DuckDBPyConnection, alias: str, defining: dict[str, str]) -> None:
    """Give each new person the next free index; who has one keeps it."""
    keys = " UNION ".join(
        f"SELECT DISTINCT {quoted(column)}::VARCHAR AS source_person FROM {alias}.landed.{quoted(name)} "
        f"WHERE {quoted(column)} IS NOT NULL"
        for name, column in defining.items()
    )
    spine = f"{alias}.spine"
    connection.execute(
        f"INSERT INTO {spine}.source_identity "
        "SELECT source_person, (SELECT coalesce(max(p), -1) FROM "
        f"(SELECT max(person) AS p FROM {spine}.person UNION ALL SELECT max(person) FROM {spine}.source_identity)) "
        f"+ row_number() OVER (ORDER BY source_person) FROM ({keys}) "
        f"WHERE source_person NOT IN (SELECT source_person FROM {spine}.source_identity)"
    )
    connection.execute(
        f"INSERT INTO {spine}.person (person) SELECT i.person FROM {spine}.source_identity i JOIN ({keys}) k "
        f"USING (source_person) WHERE i.person NOT IN (SELECT person FROM {spine}.person)"
    )


def _link_table(connection: duckdb.DuckDBPyConnection, alias: str, name: str, column: str) -> SourceLinkage:
    connection.execute(
        f"INSERT INTO {alias}.spine.link (table_name, row_id, person, method) "
        f"SELECT {literal(name)}, t.row_id, i.person, '{METHOD}' FROM {alias}.landed.{quoted(name)} t "
        f"JOIN {alias}.spine.source_identity i ON i.source_person = t.{quoted(column)}::VARCHAR "
        f"JOIN {alias}.spine.person USING (person)"
    )
    row = connection.execute(
        f"SELECT (SELECT count(*) FROM {alias}.landed.{quoted(name)}), count(*), count(DISTINCT person) "
        f"FROM {alias}.spine.link WHERE table_name = ?",
        [name],
    ).fetchone()
    rows, linked, persons = row if row is not None else (0, 0, 0)
    return SourceLinkage(name, rows, linked, rows - linked, persons)
