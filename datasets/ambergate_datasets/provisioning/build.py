"""Writing a project's tables: granted columns under the project's own pseudonyms, ordered by person."""

from __future__ import annotations

import duckdb

from ambergate_datasets.engines.quoting import quoted
from ambergate_datasets.keys import ProjectKeys
from ambergate_datasets.progress import Progress
from ambergate_datasets.provisioning.derivations import column_expression
from ambergate_datasets.provisioning.grants import GrantedTable
from ambergate_datasets.provisioning.report import TableLineage
from ambergate_datasets.provisioning.rows import sort_rows
from ambergate_datasets.pseudonyms import make_person_table, make_record_table
from ambergate_policies.catalogue import Column, ColumnType, Role


def build_tables(
    connection: duckdb.DuckDBPyConnection,
    granted: tuple[GrantedTable, ...],
    keys: ProjectKeys,
    *,
    linked: bool,
    progress: Progress,
) -> tuple[tuple[TableLineage, ...], int]:
    """Fill the attached database `project` from `red`; returns the lineage and the number of distinct persons.

    `linked` false: the agreement forbids joining tables on the person, so each table has pseudonyms of its own.
    """
    connection.execute("CREATE OR REPLACE TEMP TABLE everybody (person BIGINT)")
    progress.stage("provisioning tables", len(granted))
    lineage = []
    for table in granted:
        lineage.append(_build_person(connection, table, keys, linked) if table.is_person else _copy(connection, table))
        progress.advance(1)
    progress.done()
    row = connection.execute("SELECT count(DISTINCT person) FROM everybody").fetchone()
    return tuple(lineage), int(row[0]) if row else 0


def _build_person(
    connection: duckdb.DuckDBPyConnection, granted: GrantedTable, keys: ProjectKeys, linked: bool
) -> TableLineage:
    lineage = sort_rows(connection, granted)
    connection.execute("INSERT INTO everybody SELECT DISTINCT person FROM kept")
    scope = "" if linked else granted.name
    make_person_table(connection, keys.person, "SELECT person FROM kept", table="pseudonyms", scope=scope)
    joins, expressions = [], []
    for index, (name, column) in enumerate(granted.columns.items()):
        if column.role is Role.RECORD:
            joins.append(_record_join(connection, granted, name, column, keys, f"record_{index}"))
            value = "pseudonym" if column.type is ColumnType.VARCHAR else "number"
            expressions.append(f"record_{index}.{value} AS {quoted(name)}")
        else:
            expressions.append(f"{column_expression(name, column, 't')} AS {quoted(name)}")
    owner = quoted(str(granted.table.owner))
    connection.execute(
        f"CREATE TABLE project.main.{quoted(granted.name)} AS "
        f"SELECT {', '.join([f'p.pseudonym AS {owner}', *expressions])} FROM red.landed.{quoted(granted.name)} t "
        f"JOIN kept k USING (row_id) JOIN pseudonyms p USING (person) {' '.join(joins)} ORDER BY ALL"
    )
    return lineage


def _record_join(
    connection: duckdb.DuckDBPyConnection,
    granted: GrantedTable,
    name: str,
    column: Column,
    keys: ProjectKeys,
    alias: str,
) -> str:
    """A record key is one domain for the whole project, so that tables can still be joined on it."""
    text = f"({column_expression(name, column, 't')})::VARCHAR"
    values = f"SELECT {text} AS value FROM red.landed.{quoted(granted.name)} t JOIN kept USING (row_id)"
    make_record_table(connection, keys.record, values, table=alias)
    return f"LEFT JOIN {alias} ON {alias}.value = {text}"


def _copy(connection: duckdb.DuckDBPyConnection, granted: GrantedTable) -> TableLineage:
    columns = ", ".join(f"{column_expression(n, c, 't')} AS {quoted(n)}" for n, c in granted.columns.items())
    connection.execute(
        f"CREATE TABLE project.main.{quoted(granted.name)} AS "
        f"SELECT {columns} FROM red.landed.{quoted(granted.name)} t ORDER BY ALL"
    )
    row = connection.execute(f"SELECT count(*) FROM project.main.{quoted(granted.name)}").fetchone()
    rows = int(row[0]) if row else 0
    return TableLineage(table=granted.name, landed=rows, provisioned=rows)
