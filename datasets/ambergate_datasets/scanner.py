"""The last look before a project is published: is anything in it that identifies a person?

Three searches over every column but the owner: NHS numbers by their check digit (ten digits pass it by chance once
in eleven), full postcodes, and values that stand in the landing's own identifier columns. It finds mistakes (a
number in a code column, a name in a free text), not a determined adversary. A refusal names the column and the
number of values, never a value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb, exp, log

import duckdb

from ambergate_datasets.engines.quoting import quoted
from ambergate_datasets.progress import SILENT, Progress
from ambergate_policies.catalogue import Column, ColumnType, IdentifierKind, Table
from ambergate_policies.errors import Refused

PASS_BY_CHANCE = 1 / 11
UNLIKELY = 1e-5  # with every number valid, five numbers are enough for a refusal
FEW = 3
SHARE_OF_NAMES = 0.5
_NUMBERS = {ColumnType.INTEGER, ColumnType.BIGINT, ColumnType.DOUBLE, ColumnType.DECIMAL}
_UNIQUE = (IdentifierKind.NHS_NUMBER, IdentifierKind.SOURCE_PERSON, IdentifierKind.LOCAL_PATIENT_ID)
_SHARED = (IdentifierKind.FORENAME, IdentifierKind.SURNAME, IdentifierKind.ADDRESS, IdentifierKind.POSTCODE)
_SHORTEST = 8  # shorter keys meet ordinary numbers by accident
_POSTCODE = "[A-Z]{1,2}[0-9][A-Z0-9]? ?[0-9][ABD-HJLNP-UW-Z]{2}"
_POSTCODE_WITHIN = "\\b[A-Z]{1,2}[0-9][A-Z0-9]? [0-9][ABD-HJLNP-UW-Z]{2}\\b"


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """A table of the project: its name, its columns, and its whole entry in the catalogue."""

    name: str
    columns: dict[str, Column]
    declared: Table


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A column that looks as if it identified people."""

    table: str
    column: str
    what: str
    values: int


def refuse_identifiers(
    connection: duckdb.DuckDBPyConnection, tables: tuple[PublishedTable, ...], *, progress: Progress = SILENT
) -> None:
    """Scan `project` against `red`. Raises Refused, naming every suspicious column."""
    progress.stage("looking for identifiers", len(tables))
    found: list[Suspicion] = []
    for table in tables:
        found += scan_table(connection, table)
        progress.advance(1)
    progress.done()
    if found:
        lines = [f"{s.table}.{s.column}: {s.values} values look like {s.what}" for s in found]
        raise Refused("nothing is published, because the project would identify people:\n" + "\n".join(lines))


def scan_table(connection: duckdb.DuckDBPyConnection, published: PublishedTable) -> Iterator[Suspicion]:
    """Every suspicion about one table of `project`."""
    for name, column in published.columns.items():
        if column.type is not ColumnType.VARCHAR and column.type not in _NUMBERS:
            continue
        text = quoted(name) if column.type is ColumnType.VARCHAR else f"TRY_CAST({quoted(name)} AS HUGEINT)"
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE scanned AS SELECT DISTINCT {text}::VARCHAR AS value "
            f"FROM project.main.{quoted(published.name)} WHERE {text} IS NOT NULL"
        )
        for what, values in _suspicious(connection, published, column):
            yield Suspicion(published.name, name, what, values)


def _suspicious(
    connection: duckdb.DuckDBPyConnection, published: PublishedTable, column: Column
) -> Iterator[tuple[str, int]]:
    ten_digits, valid = _nhs_numbers(connection)
    if valid and chance_of(valid, ten_digits) < UNLIKELY:
        yield "NHS numbers", valid
    if published.declared.kind == "person" and column.type is ColumnType.VARCHAR:
        if (postcodes := _postcodes(connection)) >= FEW:
            yield "full postcodes", postcodes
        yield from _known_identifiers(connection, published)


def chance_of(valid: int, numbers: int) -> float:
    """Probability that at least `valid` of `numbers` random ten-digit numbers pass the check digit (binomial tail)."""
    if numbers > 1000:  # Chernoff's bound, which is never smaller than the true tail
        share = valid / numbers
        if share <= PASS_BY_CHANCE:
            return 1.0
        rest = (1 - share) * log((1 - share) / (1 - PASS_BY_CHANCE)) if share < 1 else 0.0
        return exp(-numbers * (share * log(share / PASS_BY_CHANCE) + rest))
    p = PASS_BY_CHANCE
    return sum(comb(numbers, k) * p**k * (1 - p) ** (numbers - k) for k in range(valid, numbers + 1))


def _nhs_numbers(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """How many values are ten digits, and how many of those have a valid check digit."""
    weighted = " + ".join(f"{11 - place} * digits[{place}:{place}]::INTEGER" for place in range(1, 10))
    row = connection.execute(
        f"SELECT count(*), count(*) FILTER ((({weighted}) + digits[10:10]::INTEGER) % 11 = 0) FROM "
        "(SELECT DISTINCT regexp_replace(value, '[ -]', '', 'g') AS digits FROM scanned "
        "WHERE regexp_full_match(value, '[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}'))"
    ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def _postcodes(connection: duckdb.DuckDBPyConnection) -> int:
    row = connection.execute(
        "SELECT count(*) FROM scanned WHERE regexp_full_match(upper(value), ?) OR regexp_matches(upper(value), ?)",
        [_POSTCODE, _POSTCODE_WITHIN],
    ).fetchone()
    return int(row[0]) if row else 0


def _known_identifiers(connection: duckdb.DuckDBPyConnection, published: PublishedTable) -> Iterator[tuple[str, int]]:
    """Values that stand in an identifier column of the same landed table."""
    for name, column in published.declared.columns.items():
        if column.identifier not in (*_UNIQUE, *_SHARED):
            continue
        shared = column.identifier in _SHARED
        row = connection.execute(
            f"SELECT count(*), (SELECT count(*) FROM scanned) FROM scanned WHERE value IN "
            f"(SELECT {quoted(name)}::VARCHAR FROM red.landed.{quoted(published.name)}) AND length(value) >= ?",
            [FEW if shared else _SHORTEST],
        ).fetchone()
        same, values = (int(row[0]), int(row[1])) if row else (0, 0)
        if same >= FEW and (not shared or same / values > SHARE_OF_NAMES):
            yield f"the identifier {name!r}", same
