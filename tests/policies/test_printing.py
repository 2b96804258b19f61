"""Printing: hostile names and texts stay data, and nothing outside the lists is ever printed."""

from __future__ import annotations

from decimal import Decimal

import duckdb
import pytest

from ambergate_policies import printing
from ambergate_policies.algebra.expressions import (
    Arithmetic,
    Call,
    Cast,
    Column,
    Comparison,
    InList,
    Like,
    Literal,
    Logical,
    Owner,
    Span,
)
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.algebra.relations import Scan, ScannedColumn
from ambergate_policies.functions import ALLOWED, Function
from ambergate_policies.printing import PrintingError

HOSTILE = (
    "'", "''", '"', '""', "\\", "\\'", "';", "--", "/*", "*/", "$$", "$1", "?", ":x", "%s", "{}", "\n", "\t", "E'\\n'",
    "x' OR '1'='1", 'x" FROM vault --', "'); DROP TABLE person; --", "(SELECT max(word) FROM vault)", "‘’", "\u2028",
    "\u0430", "😀", "a\rb", "main.vault", "current_user", "{{x}}", "\x1b[0m", "INTERVAL '1' DAY", "NULL", " ", "",
)  # fmt: skip


@pytest.fixture(scope="module")
def engine() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_comes_back_as_itself(engine: duckdb.DuckDBPyConnection, text: str) -> None:
    found = engine.execute(f"SELECT {printing.expression(Literal(text, Kind.TEXT))}").fetchall()
    assert found == [(text,)]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_stays_a_text_inside_every_construct(engine: duckdb.DuckDBPyConnection, text: str) -> None:
    literal = Literal(text, Kind.TEXT)
    nodes = [
        Comparison("=", literal, literal),
        InList(literal, (literal, Literal("x", Kind.TEXT))),
        Logical("AND", (Comparison("=", literal, literal), Literal(True, Kind.BOOL))),
        Comparison("=", Arithmetic("||", literal, literal, Kind.TEXT), Literal(text + text, Kind.TEXT)),
        Comparison("=", Cast(literal, "VARCHAR", Kind.TEXT), literal),
        Comparison("=", Call(ALLOWED["replace"], (literal, literal, literal), Kind.TEXT), literal),
        Call(ALLOWED["starts_with"], (literal, literal), Kind.BOOL),
    ]
    for node in nodes:
        assert engine.execute(f"SELECT {printing.expression(node)}").fetchall() == [(True,)]
    engine.execute(f"SELECT {printing.expression(Like(literal, literal))}").fetchall()


@pytest.mark.parametrize("name", [name for name in HOSTILE if name])
def test_a_hostile_name_is_one_identifier(engine: duckdb.DuckDBPyConnection, name: str) -> None:
    quoted = printing.quoted(name)
    engine.execute(f"CREATE OR REPLACE TEMP TABLE t AS SELECT 7 AS {quoted}")
    column = printing.expression(Column("s1", name, Kind.INT))
    assert engine.execute(f'SELECT {column} FROM t AS "s1"').fetchall() == [(7,)]
    assert engine.execute("SELECT column_name FROM duckdb_columns() WHERE table_name = 't'").fetchall() == [(name,)]


@pytest.mark.parametrize("name", ["", "\0", "a\0b"])
def test_a_name_that_cannot_be_quoted_is_an_error(name: str) -> None:
    with pytest.raises(PrintingError):
        printing.quoted(name)


@pytest.mark.parametrize(
    "node",
    [
        Span(1, "day) FROM vault --"),
        Span(1, "MONTH"),
        Cast(Literal(1, Kind.INT), "INTEGER); DROP TABLE x", Kind.INT),
        Cast(Literal(1, Kind.INT), "BLOB", Kind.INT),
        Comparison("= 1 OR 1 =", Literal(1, Kind.INT), Literal(1, Kind.INT)),  # type: ignore[arg-type]
        Arithmetic("^", Literal(1, Kind.INT), Literal(1, Kind.INT), Kind.INT),  # type: ignore[arg-type]
        Logical("XOR", (Literal(True, Kind.BOOL),)),  # type: ignore[arg-type]
        Call(Function("read_csv", (), Kind.TEXT), (), Kind.TEXT),
        Call(Function("abs", (), Kind.INT), (Literal(1, Kind.INT),), Kind.INT),
        Call(ALLOWED["date_trunc"], (Literal("2020-01-01", Kind.DATE),), Kind.DATE, "(SELECT 1)"),
        Call(ALLOWED["date_trunc"], (Literal("2020-01-01", Kind.DATE),), Kind.DATE, None),
        Column('s1" --', "x", Kind.INT),
        Column("vault", "x", Kind.INT),
        Owner("S1"),
        Literal(Decimal(1), Kind.SPAN),
        Literal("1; DROP TABLE x", Kind.INT),
        Literal("1 OR 1", Kind.NUM),
        Literal("x\0y", Kind.TEXT),
    ],
)
def test_nothing_outside_the_lists_is_printed(node: printing.Expression) -> None:
    with pytest.raises(PrintingError):
        printing.expression(node)


def test_a_division_by_zero_is_null(engine: duckdb.DuckDBPyConnection) -> None:
    for operator in ("/", "//", "%"):
        node = Arithmetic(operator, Literal(1, Kind.INT), Literal(0, Kind.INT), Kind.NUM)  # type: ignore[arg-type]
        assert engine.execute(f"SELECT {printing.expression(node)}").fetchall() == [(None,)]


def test_an_overflow_is_null(engine: duckdb.DuckDBPyConnection) -> None:
    large = Literal(2**62, Kind.INT)
    node = Arithmetic("*", large, large, Kind.INT)
    assert engine.execute(f"SELECT {printing.expression(node)}").fetchall() == [(None,)]


def test_whole_numbers_multiply_in_64_bits(engine: duckdb.DuckDBPyConnection) -> None:
    engine.execute("CREATE OR REPLACE TEMP TABLE n AS SELECT 2000000000::INTEGER AS x")
    node = Arithmetic("*", Column("s1", "x", Kind.INT), Literal(3, Kind.INT), Kind.INT)
    assert engine.execute(f'SELECT {printing.expression(node)} FROM n AS "s1"').fetchall() == [(6_000_000_000,)]


def test_a_scan_reads_only_what_is_used_and_never_the_row_without_a_person() -> None:
    scan = Scan("s1", "person", (ScannedColumn("age", "INTEGER"), ScannedColumn("sex", "VARCHAR")), "person_id", None)
    text = printing.relation(scan, {"s1": {"age"}})
    assert '"sex"' not in text
    assert '("person_id" IS NOT NULL)' in text


def test_the_alias_of_the_person_key_cannot_be_the_name_of_a_column() -> None:
    scan = Scan("s1", "person", (ScannedColumn("o", "INTEGER"),), "person_id", None)
    assert '"person_id" AS "person key"' in printing.relation(scan, {"s1": {"o"}})
