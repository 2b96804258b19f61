"""The identities that landed rows carry: identifiers brought to one spelling, each distinct combination once.

Makes temporary tables, which live in memory and in encrypted spill only:

`identity(id, tbl, spine, shadow, number, number_text, dob, sex, postcode, forename, surname, local_key, weight)`
    one row for each distinct combination in each table; `weight` is its number of landed rows. `number` is a valid
    NHS number or NULL; `number_text` what stood there if it is not valid. `shadow` marks rows removed by objection:
    they are never linked, but known to the linkage so that an objector's unnumbered record is recognised as theirs
    and not given to somebody similar.
`carried(tbl, row_id, id)`
    which landed row carries which identity.
"""

from __future__ import annotations

from datetime import date

import duckdb

from ambergate_datasets.optout.nhs_number import normalised_sql, valid_sql
from ambergate_policies.catalogue import Catalogue, IdentifierKind, Table

FIRST_BIRTH = date(1895, 1, 1)
"""HESID: an earlier date of birth is not a date of birth."""

_PARTS = ("number", "number_text", "dob", "sex", "postcode", "forename", "surname", "local_key")


def linkable_tables(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> list[str]:
    """Landed person tables with identifiers to link by; those with the source's own person key are not ours."""
    landed = {
        row[0]
        for row in connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = 'red' AND schema_name = 'landed'"
        ).fetchall()
    }
    chosen = []
    for name, table in catalogue.tables.items():
        kinds = {column.identifier for column in table.columns.values()} - {None}
        if table.kind == "person" and name in landed and kinds and IdentifierKind.SOURCE_PERSON not in kinds:
            chosen.append(name)
    return chosen


def gather(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, tables: list[str], *, today: date) -> None:
    """Make `identity` and `carried` from the landed tables. `red.optout.before_linkage` may be absent."""
    types = "tbl VARCHAR, row_id BIGINT, spine BOOLEAN, shadow BOOLEAN, number VARCHAR, number_text VARCHAR, dob DATE, "
    types += "sex VARCHAR, postcode VARCHAR, forename VARCHAR, surname VARCHAR, local_key VARCHAR"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE stated ({types})")
    for name in tables:
        connection.execute(f"INSERT INTO stated {_stated(connection, name, catalogue.tables[name], today)}")
    keys = ", ".join(("tbl", "spine", "shadow", *_PARTS))
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE identity AS SELECT row_number() OVER (ORDER BY tbl, first_row) - 1 AS id, "
        f"* EXCLUDE (first_row) FROM (SELECT {keys}, count(*) AS weight, min(row_id) AS first_row "
        "FROM stated GROUP BY ALL)"
    )
    same = " AND ".join(f"i.{part} IS NOT DISTINCT FROM s.{part}" for part in _PARTS)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE carried AS SELECT s.tbl, s.row_id, i.id FROM stated s "
        f"JOIN identity i ON i.tbl = s.tbl AND i.shadow = s.shadow AND {same}"
    )
    connection.execute("DROP TABLE stated")


def _stated(connection: duckdb.DuckDBPyConnection, name: str, table: Table, today: date) -> str:
    """A SELECT of one table's identifiers, normalised; what a table lacks is NULL."""
    of = {column.identifier: f't."{key}"::VARCHAR' for key, column in table.columns.items() if column.identifier}
    number = of.get(IdentifierKind.NHS_NUMBER)
    valid = valid_sql(number) if number else "NULL"
    invalid = f"CASE WHEN {valid} IS NULL THEN {normalised_sql(number)} END" if number else "NULL"
    provider, local = of.get(IdentifierKind.PROVIDER), of.get(IdentifierKind.LOCAL_PATIENT_ID)
    shadow = "false"
    if _has_objections(connection):
        shadow = f"row_id IN (SELECT row_id FROM red.optout.before_linkage WHERE table_name = '{name}')"
    return (
        f"SELECT '{name}', row_id, {str(table.spine).lower()}, {shadow}, {valid}, {invalid}, "
        f"{_birth(of.get(IdentifierKind.DATE_OF_BIRTH), today)}, {_sex(of.get(IdentifierKind.SEX))}, "
        f"{_postcode(of.get(IdentifierKind.POSTCODE))}, {_name(of.get(IdentifierKind.FORENAME))}, "
        f"{_name(of.get(IdentifierKind.SURNAME))}, "
        f"{f'upper({provider}) || chr(31) || upper({local})' if provider and local else 'NULL'} "
        f'FROM red.landed."{name}" t'
    )


def _has_objections(connection: duckdb.DuckDBPyConnection) -> bool:
    row = connection.execute(
        "SELECT 1 FROM duckdb_tables() WHERE database_name = 'red' AND schema_name = 'optout' "
        "AND table_name = 'before_linkage'"
    ).fetchone()
    return row is not None


def _birth(column: str | None, today: date) -> str:
    if column is None:
        return "NULL"
    born = f"try_cast({column} AS DATE)"
    return f"CASE WHEN {born} BETWEEN DATE '{FIRST_BIRTH}' AND DATE '{today}' THEN {born} END"


def _sex(column: str | None) -> str:
    if column is None:
        return "NULL"
    male, female = f"upper({column}) IN ('M', 'MALE', '1')", f"upper({column}) IN ('F', 'FEMALE', '2')"
    return f"CASE WHEN {male} THEN 'M' WHEN {female} THEN 'F' END"


def _postcode(column: str | None) -> str:
    """Capital letters and digits alone. ZZ... stands for no known address in Britain and links nobody."""
    if column is None:
        return "NULL"
    plain = f"regexp_replace(upper({column}), '[^A-Z0-9]', '', 'g')"
    return f"CASE WHEN length({plain}) BETWEEN 4 AND 8 AND NOT starts_with({plain}, 'ZZ') THEN {plain} END"


def _name(column: str | None) -> str:
    if column is None:
        return "NULL"
    return f"nullif(regexp_replace(upper(strip_accents({column})), '[^A-Z]', '', 'g'), '')"
