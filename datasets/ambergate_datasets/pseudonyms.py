"""Keyed pseudonyms: HMAC-SHA256 (RFC 2104) under a key of the project's own, so that two projects cannot be joined.

Each distinct person is hashed once and joined back; event rows are never hashed. What is hashed is the spine's
person index, never an identifier. The keys stay in this process: none is ever part of SQL text, where EXPLAIN,
profiles or errors could show it.
"""

from __future__ import annotations

import hmac

import duckdb
import pyarrow as pa

from ambergate_policies.errors import IntegrityError

PSEUDONYM_BYTES = 16
_BATCH = 200_000


def person_pseudonym(key: bytes, person: int, scope: str = "") -> bytes:
    """The pseudonym of one person of the spine: 16 bytes, written as a UUID.

    `scope` is empty where the project's tables may be joined; otherwise it is the table's name, and the same person
    has another pseudonym in each table.
    """
    message = person.to_bytes(8, "big") + scope.encode("utf-8")
    return hmac.digest(key, message, "sha256")[:PSEUDONYM_BYTES]


def record_pseudonym(key: bytes, value: str) -> bytes:
    """The pseudonym of one record key (episode, visit, attendance): 16 bytes."""
    return hmac.digest(key, value.encode("utf-8"), "sha256")[:PSEUDONYM_BYTES]


def make_person_table(
    connection: duckdb.DuckDBPyConnection, key: bytes, persons_sql: str, *, table: str, scope: str = ""
) -> int:
    """Make the temporary table `table(person, pseudonym)` for the distinct persons that `persons_sql` yields."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} (person BIGINT, pseudonym UUID)")
    persons = connection.execute(f"SELECT DISTINCT person FROM ({persons_sql})").to_arrow_table()
    for batch in persons.to_batches(max_chunksize=_BATCH):
        ids = batch.column(0).to_pylist()
        _append(connection, table, batch.column(0), [person_pseudonym(key, person, scope).hex() for person in ids])
    return int(persons.num_rows)


def make_record_table(connection: duckdb.DuckDBPyConnection, key: bytes, values_sql: str, *, table: str) -> int:
    """Make the temporary table `table(value, pseudonym, number)` for the distinct texts that `values_sql` yields.

    `number` is the pseudonym's first 63 bits, for record keys declared BIGINT. Raises IntegrityError on a collision.
    """
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {table}_text (value VARCHAR, pseudonym UUID)")
    values = connection.execute(f"SELECT DISTINCT value FROM ({values_sql}) WHERE value IS NOT NULL").to_arrow_table()
    for batch in values.to_batches(max_chunksize=_BATCH):
        texts = batch.column(0).to_pylist()
        _append(connection, f"{table}_text", batch.column(0), [record_pseudonym(key, text).hex() for text in texts])
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT value, replace(pseudonym::VARCHAR, '-', '') AS pseudonym, "
        f"(('0x' || left(replace(pseudonym::VARCHAR, '-', ''), 16))::UBIGINT >> 1)::BIGINT AS number FROM {table}_text"
    )
    connection.execute(f"DROP TABLE {table}_text")
    distinct = connection.execute(f"SELECT count(DISTINCT number) FROM {table}").fetchone()
    if distinct is None or distinct[0] != values.num_rows:
        raise IntegrityError("two record keys have the same number: declare the record columns VARCHAR")
    return int(values.num_rows)


def _append(connection: duckdb.DuckDBPyConnection, table: str, keys: pa.Array, hexes: list[str]) -> None:
    connection.register("pseudonym_batch", pa.table({"k": keys, "p": pa.array(hexes, pa.string())}))
    try:
        connection.execute(f"INSERT INTO {table} SELECT k, p::UUID FROM pseudonym_batch")
    finally:
        connection.unregister("pseudonym_batch")
