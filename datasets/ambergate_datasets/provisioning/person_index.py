"""The dense index of a project's persons: small numbers beside the pseudonyms, by which the engine joins and groups.

A pseudonym is 16 bytes of noise; joining on a number of four takes a third of the time, and tables that are clustered
by it can be read for a range of persons (ambergate_policies/ranges.py). The numbers follow the order of the pseudonyms,
which are keyed hashes, so they tell nothing of anybody. They are stable: who is in the version in use keeps the number,
others get numbers that nobody has had. No table says who had which number: a person who has left is in none.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from ambergate_datasets.engines.quoting import quoted
from ambergate_policies.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class Numbered:
    """The version in use, attached as the database `before`: its person tables, and the first number never used."""

    columns: tuple[tuple[str, str, str], ...]
    """Of each table: its name, the person key, the index."""
    unused: int


def numbered(catalogue: Catalogue) -> Numbered | None:
    """What a project's own copy of the catalogue says of its index; None where there is none yet."""
    tables = {name: (table, table.index) for name, table in catalogue.tables.items() if table.index is not None}
    if not tables:
        return None
    return Numbered(
        tuple((name, str(table.owner), index.column) for name, (table, index) in tables.items()),
        max(index.persons for _, index in tables.values()),
    )


def number_persons(connection: duckdb.DuckDBPyConnection, before: Numbered | None) -> int:
    """Make the temporary table `numbers` (pseudonym, number) for all of `pseudonyms`; returns the first number that
    was never used."""
    connection.execute("CREATE OR REPLACE TEMP TABLE numbers (pseudonym UUID, number UINTEGER)")
    if before is not None:
        known = " UNION ".join(
            f"SELECT {quoted(owner)} AS pseudonym, {quoted(index)} AS number FROM before.main.{quoted(table)}"
            for table, owner, index in before.columns
        )
        connection.execute(f"INSERT INTO numbers SELECT n.* FROM ({known}) n SEMI JOIN pseudonyms USING (pseudonym)")
    first = before.unused if before is not None else 0
    connection.execute(
        f"INSERT INTO numbers SELECT pseudonym, {first} + row_number() OVER (ORDER BY pseudonym) - 1 FROM pseudonyms "
        "ANTI JOIN numbers USING (pseudonym)"
    )
    row = connection.execute("SELECT coalesce(max(number) + 1, 0) FROM numbers").fetchone()
    return max(first, int(row[0]) if row else 0)
