"""Writing a project's tables: granted columns under the project's own pseudonyms, clustered by person.

Beside the pseudonym stands the dense index of its person (`person_index.py`)."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from ambergate_datasets.engines.quoting import literal, quoted
from ambergate_datasets.keys import ProjectKeys
from ambergate_datasets.progress import Progress
from ambergate_datasets.provisioning.derivations import column_expression
from ambergate_datasets.provisioning.grants import GrantedTable
from ambergate_datasets.provisioning.person_index import Numbered, number_persons
from ambergate_datasets.provisioning.report import TableLineage
from ambergate_datasets.provisioning.rows import sort_rows
from ambergate_datasets.pseudonyms import make_person_table, make_record_table
from ambergate_policies.catalogue import Column, ColumnType, PersonIndex, Role
from ambergate_policies.places import ONLY_INDEX, PERSON_INDEX


def build_tables(
    connection: duckdb.DuckDBPyConnection,
    granted: tuple[GrantedTable, ...],
    keys: ProjectKeys,
    *,
    linked: bool,
    before: Numbered | None,
    progress: Progress,
) -> Built:
    """Fill the attached database `project` from `red`.

    `linked` false: the agreement forbids joining tables on the person, so each table has pseudonyms of its own.
    `before`: the version in use, whose persons keep their numbers.
    """
    connection.execute("CREATE OR REPLACE TEMP TABLE everybody (person BIGINT)")
    connection.execute("CREATE OR REPLACE TEMP TABLE pseudonyms (person BIGINT, pseudonym UUID, scope VARCHAR)")
    progress.stage("provisioning tables", 2 * len(granted))
    persons = {table.name: table for table in granted if table.is_person}
    lineage = {}
    for table in persons.values():
        lineage[table.name] = _sort(connection, table, keys, linked)
        progress.advance(1)
    index = number_persons(connection, before)
    for table in granted:
        if table.is_person:
            _build_person(connection, table, keys, linked, unique=_is_unique(lineage[table.name]))
        else:
            lineage[table.name] = _copy(connection, table)
        progress.advance(1)
    progress.done()
    row = connection.execute("SELECT count(DISTINCT person) FROM everybody").fetchone()
    return Built(
        tuple(lineage[table.name] for table in granted),
        int(row[0]) if row else 0,
        {name: PersonIndex(persons=index, unique=_is_unique(lineage[name])) for name in persons} if index else {},
    )


@dataclass(frozen=True, slots=True)
class Built:
    """`persons`: how many distinct ones there are; `indexes`: what the kernel may know of each table's index."""

    lineage: tuple[TableLineage, ...]
    persons: int
    indexes: dict[str, PersonIndex]


def _is_unique(lineage: TableLineage) -> bool:
    return lineage.persons == lineage.provisioned


def _sort(
    connection: duckdb.DuckDBPyConnection, granted: GrantedTable, keys: ProjectKeys, linked: bool
) -> TableLineage:
    """Work out the rows that belong (`kept_<table>`) and the pseudonyms of their persons."""
    lineage = sort_rows(connection, granted, kept=_kept(granted))
    scope = "" if linked else granted.name
    connection.execute(f"INSERT INTO everybody SELECT DISTINCT person FROM {_kept(granted)}")
    new = (
        f"SELECT person FROM {_kept(granted)} WHERE person NOT IN "
        f"(SELECT person FROM pseudonyms WHERE scope = {literal(scope)})"
    )
    make_person_table(connection, keys.person, new, table="more_pseudonyms", scope=scope)
    connection.execute(f"INSERT INTO pseudonyms SELECT person, pseudonym, {literal(scope)} FROM more_pseudonyms")
    return lineage


def _kept(granted: GrantedTable) -> str:
    return quoted(f"kept {granted.name}")


def _build_person(
    connection: duckdb.DuckDBPyConnection, granted: GrantedTable, keys: ProjectKeys, linked: bool, *, unique: bool
) -> None:
    scope = "" if linked else granted.name
    joins, expressions = [], []
    for index, (name, column) in enumerate(granted.columns.items()):
        if column.role is Role.RECORD:
            joins.append(_record_join(connection, granted, name, column, keys, f"record_{index}"))
            value = "pseudonym" if column.type is ColumnType.VARCHAR else "number"
            expressions.append(f"record_{index}.{value} AS {quoted(name)}")
        else:
            expressions.append(f"{column_expression(name, column, 't')} AS {quoted(name)}")
    owner, place = quoted(str(granted.table.owner)), quoted(ONLY_INDEX if unique else PERSON_INDEX)
    items = [f"p.pseudonym AS {owner}", *expressions, f"n.number AS {place}"]
    order = ", ".join(["n.number", *(str(position) for position in range(2, len(items)))])
    connection.execute(
        f"CREATE TABLE project.main.{quoted(granted.name)} AS "
        f"SELECT {', '.join(items)} FROM red.landed.{quoted(granted.name)} t JOIN {_kept(granted)} k USING (row_id) "
        f"JOIN (SELECT * FROM pseudonyms WHERE scope = {literal(scope)}) p USING (person) "
        f"JOIN numbers n USING (pseudonym) {' '.join(joins)} ORDER BY {order}"
    )
    connection.execute(f"DROP TABLE {_kept(granted)}")


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
    values = f"SELECT {text} AS value FROM red.landed.{quoted(granted.name)} t JOIN {_kept(granted)} USING (row_id)"
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
