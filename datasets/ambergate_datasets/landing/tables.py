"""Landing one table: stage its files as text, type and check them, keep the rejects, land the rest."""

from __future__ import annotations

from pathlib import Path

import duckdb

from ambergate_datasets.engines.quoting import literal, quoted
from ambergate_datasets.files import file_digest
from ambergate_datasets.landing.checks import (
    HEADER_ROW,
    blanked_condition,
    broken_rules,
    header_row_condition,
    typed_expression,
)
from ambergate_datasets.landing.extracts import (
    Extract,
    find_files,
    landed_columns,
    open_extract,
    stage_extract,
)
from ambergate_datasets.landing.report import FileReport, TableReport
from ambergate_policies.catalogue import ColumnType, Files, Role, Table
from ambergate_policies.errors import OperatorError, UserError


def create_schemas(connection: duckdb.DuckDBPyConnection) -> None:
    """The schemas that landing fills, in the attached database `red`."""
    connection.execute("CREATE SCHEMA red.landed")
    connection.execute("CREATE SCHEMA red.rejects")
    shape = "(table_name VARCHAR, line BIGINT, column_name VARCHAR, rule VARCHAR, file_number INTEGER)"
    connection.execute(f"CREATE TABLE red.rejects.rejected {shape}")
    connection.execute(f"CREATE TABLE red.rejects.blanked {shape}")


def open_extracts(
    connection: duckdb.DuckDBPyConnection, folder: Path, name: str, table: Table, files: Files
) -> list[Extract]:
    """Every file of a table with its header checked; empty if the table is optional and was not delivered."""
    return [open_extract(connection, path, folder, name, table, files) for path in find_files(folder, name, files)]


def refuse_unusable_rules(connection: duckdb.DuckDBPyConnection, name: str, table: Table) -> None:
    """Try every column's type and rules on no rows at all. Raises UserError: the catalogue's turn."""
    _stage(connection, table)
    for column_name, column in landed_columns(table).items():
        text, raw = quoted(column_name), quoted("raw_" + column_name)
        typed = f"SELECT {typed_expression(column_name, column)} AS {text}, {text} AS {raw} FROM staged"
        for rule, condition in {"type": "true", **broken_rules(column_name, column)}.items():
            try:
                connection.execute(f"SELECT 1 FROM ({typed}) WHERE {condition}")
            except duckdb.Error:
                raise UserError(
                    f"table {name}: column {column_name}: {rule!r} does not fit the type {column.type.value}, "
                    "or is written wrongly, in the catalogue"
                ) from None
    connection.execute("DROP TABLE staged")


def land_table(
    connection: duckdb.DuckDBPyConnection, name: str, table: Table, files: Files, extracts: list[Extract]
) -> TableReport:
    """Land one table into `red.landed`. Raises OperatorError if a file is broken or no row of it is usable."""
    _stage(connection, table)
    reports = []
    for number, extract in enumerate(extracts, start=1):
        records = stage_extract(connection, extract, table, files, number)
        reports.append(FileReport(extract.name, file_digest(extract.path), records))
    _type(connection, table)
    _reject(connection, name, table, extracts)
    landed = _keep(connection, name, table)
    records = sum(report.records for report in reports)
    if records and not landed:
        worst = ", ".join(_counts(connection, "rejected", name))
        raise OperatorError(f"table {name}: every row breaks a rule of the catalogue ({worst}); nothing is landed")
    return TableReport(
        table=name,
        files=tuple(reports),
        records=records,
        landed=landed,
        rejected=records - landed,
        rejects_by_rule=_counts(connection, "rejected", name),
        blanked=_counts(connection, "blanked", name),
        undeclared_columns=max((extract.undeclared for extract in extracts), default=0),
        absent=not extracts,
    )


def _stage(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    columns = "".join(f", {quoted(column)} VARCHAR" for column in landed_columns(table))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE staged (file_number INTEGER, line BIGINT{columns})")


def _type(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    parts = ["file_number", "line"]
    for name, column in landed_columns(table).items():
        parts += [f"{typed_expression(name, column)} AS {quoted(name)}", f"{quoted(name)} AS {quoted('raw_' + name)}"]
    connection.execute(f"CREATE OR REPLACE TEMP TABLE typed AS SELECT {', '.join(parts)} FROM staged")
    connection.execute("DROP TABLE staged")


def _reject(connection: duckdb.DuckDBPyConnection, name: str, table: Table, extracts: list[Extract]) -> None:
    columns = landed_columns(table)
    if extracts:
        headers = {column: columns[column].source_column or column for column in columns}
        condition = header_row_condition(headers)
        _record(connection, "rejected", name, "*", HEADER_ROW, condition)
    for column_name, column in columns.items():
        for rule, condition in broken_rules(column_name, column).items():
            _record(connection, "rejected", name, column_name, rule, condition)
        if column.role is Role.IDENTIFIER and column.type is not ColumnType.VARCHAR:
            _record(connection, "blanked", name, column_name, "type", blanked_condition(column_name))


def _record(
    connection: duckdb.DuckDBPyConnection, kept_in: str, name: str, column: str, rule: str, condition: str
) -> None:
    connection.execute(
        f"INSERT INTO red.rejects.{kept_in} "
        f"SELECT {literal(name)}, line, {literal(column)}, {literal(rule)}, file_number FROM typed WHERE {condition}"
    )


def _keep(connection: duckdb.DuckDBPyConnection, name: str, table: Table) -> int:
    columns = "".join(f", {quoted(column)}" for column in landed_columns(table))
    connection.execute(
        f"CREATE TABLE red.landed.{quoted(name)} AS "
        f"SELECT row_number() OVER (ORDER BY file_number, line) AS row_id{columns} FROM typed "
        f"ANTI JOIN (FROM red.rejects.rejected WHERE table_name = {literal(name)}) USING (file_number, line)"
    )
    connection.execute("DROP TABLE typed")
    row = connection.execute(f"SELECT count(*) FROM red.landed.{quoted(name)}").fetchone()
    return int(row[0]) if row else 0


def _counts(connection: duckdb.DuckDBPyConnection, kept_in: str, name: str) -> dict[str, int]:
    rows = connection.execute(
        f"SELECT column_name || ': ' || rule, count(*) FROM red.rejects.{kept_in} WHERE table_name = ? "
        "GROUP BY ALL ORDER BY ALL",
        [name],
    ).fetchall()
    return {str(key): int(count) for key, count in rows}
