"""Which index a person has on the spine, the same from landing to landing.

`red.spine.source_identity(source_person, person)` remembers it under a key: the person's NHS number, or for persons
without one a digest of the identity by which they were first known. The table is shared with `linkage_source`, and
landing carries it over, so that a person keeps their pseudonym in a project when an extract is refreshed, and an
index never passes from one person to another.
"""

from __future__ import annotations

import duckdb

NUMBER_KEY = "'nhs-number:' || number"
IDENTITY_KEY = (
    "'identity:' || sha256(concat_ws(chr(31), coalesce(dob::VARCHAR, '?'), coalesce(sex, '?'), "
    "coalesce(postcode, '?'), coalesce(forename, '?'), coalesce(surname, '?'), alone))"
)


def recall_indexes(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the temporary table `remembered(key, person)` from what earlier linkages left."""
    connection.execute("CREATE OR REPLACE TEMP TABLE remembered (key VARCHAR PRIMARY KEY, person BIGINT)")
    known = connection.execute(
        "SELECT 1 FROM duckdb_tables() WHERE database_name = 'red' AND schema_name = 'spine' "
        "AND table_name = 'source_identity'"
    ).fetchone()
    if known is not None:
        connection.execute("INSERT INTO remembered FROM red.spine.source_identity")


def assign(connection: duckdb.DuckDBPyConnection, table: str, key: str) -> None:
    """Give every row of `table` without an index the next free one, in the order of the key; who has one keeps it."""
    connection.execute(
        "INSERT INTO remembered SELECT key, "
        "(SELECT coalesce(max(person), -1) FROM remembered) + row_number() OVER (ORDER BY key) "
        f"FROM (SELECT DISTINCT {key} AS key FROM {table}) WHERE key NOT IN (SELECT key FROM remembered)"
    )


def remember_indexes(connection: duckdb.DuckDBPyConnection) -> None:
    """Write new indexes into `red.spine.source_identity`."""
    connection.execute("CREATE SCHEMA IF NOT EXISTS red.spine")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS red.spine.source_identity (source_person VARCHAR PRIMARY KEY, person BIGINT)"
    )
    connection.execute(
        "INSERT INTO red.spine.source_identity SELECT key, person FROM remembered "
        "WHERE key NOT IN (SELECT source_person FROM red.spine.source_identity) ORDER BY person"
    )
