"""Pseudonyms: keyed, the same for one person in one project, and of no use outside it."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import duckdb
import pytest

from ambergate_datasets.pseudonyms import make_person_table, make_record_table, person_pseudonym, record_pseudonym

KEY, OTHER = b"k" * 32, b"o" * 32


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def test_a_pseudonym_is_the_head_of_an_hmac_of_the_spine_index() -> None:
    expected = hmac.new(KEY, (5).to_bytes(8, "big"), hashlib.sha256).digest()[:16]
    assert person_pseudonym(KEY, 5) == expected


def test_the_table_holds_each_person_once_with_the_same_pseudonym(connection: duckdb.DuckDBPyConnection) -> None:
    sql = "SELECT (i % 1000)::BIGINT AS person FROM range(5000) t(i)"
    assert make_person_table(connection, KEY, sql, table="p") == 1000
    rows = connection.execute("SELECT person, pseudonym FROM p").fetchall()
    assert {(person, pseudonym.bytes) for person, pseudonym in rows} == {
        (person, person_pseudonym(KEY, person)) for person in range(1000)
    }


def test_two_keys_share_no_pseudonym_and_no_order(connection: duckdb.DuckDBPyConnection) -> None:
    for key, table in ((KEY, "a"), (OTHER, "b")):
        make_person_table(connection, key, "SELECT i::BIGINT AS person FROM range(2000) t(i)", table=table)
    shared = connection.execute("SELECT count(*) FROM a JOIN b USING (pseudonym)").fetchone()
    assert shared == (0,)
    correlation = connection.execute(
        "SELECT corr(x, y) FROM (SELECT row_number() OVER (ORDER BY a.pseudonym) AS x, "
        "row_number() OVER (ORDER BY b.pseudonym) AS y FROM a JOIN b USING (person))"
    ).fetchone()
    assert correlation is not None
    assert abs(correlation[0]) < 0.1, "the order of one project's pseudonyms says nothing about another's"


def test_without_linkage_one_person_has_another_pseudonym_in_each_table() -> None:
    names = {person_pseudonym(KEY, 7, scope) for scope in ("", "stay", "visit")}
    assert len(names) == 3


def test_record_keys_are_pseudonyms_too_as_text_and_as_number(connection: duckdb.DuckDBPyConnection) -> None:
    sql = "SELECT v AS value FROM (VALUES ('101'), ('102'), ('101'), (NULL)) t(v)"
    assert make_record_table(connection, KEY, sql, table="r") == 2
    for value, pseudonym, number in connection.execute("SELECT value, pseudonym, number FROM r").fetchall():
        expected = record_pseudonym(KEY, value)
        assert pseudonym == expected.hex()
        assert number == int.from_bytes(expected[:8], "big") >> 1


def test_the_key_is_in_no_sql_profile_or_error(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    profile = tmp_path / "profile.json"
    connection.execute("PRAGMA enable_profiling = 'json'")
    connection.execute(f"PRAGMA profiling_output = '{profile}'")
    make_person_table(connection, KEY, "SELECT i::BIGINT AS person FROM range(10) t(i)", table="p")
    with pytest.raises(duckdb.Error) as caught:
        make_person_table(connection, KEY, "SELECT nothing AS person", table="p")
    seen = profile.read_text() + str(caught.value) + str(connection.execute("FROM duckdb_settings()").fetchall())
    assert KEY.hex() not in seen
    assert KEY.decode() not in seen
