"""A query as a page shows it: lines of coloured pieces, with the lines that findings point to marked."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.errors import SqlglotError

_PLAIN = frozenset({TokenType.VAR, TokenType.IDENTIFIER, TokenType.STAR})
_PUNCTUATION = frozenset("()[]{},.;:+-*/%=<>!|&^~")


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its number from 1, (css class, text) pieces, and whether a finding points to it."""

    number: int
    pieces: tuple[tuple[str, str], ...]
    marked: bool


def lines(sql: str, marked: Collection[int] = ()) -> list[Line]:
    """The query cut into lines and pieces. Joining all pieces gives the text back, whatever it is."""
    rows: list[list[tuple[str, str]]] = [[]]
    for style, text in _pieces(sql):
        first, *rest = text.split("\n")
        rows[-1].append((style, first))
        rows.extend([(style, part)] for part in rest)
    return [
        Line(number, tuple((style, text) for style, text in row if text), number in marked)
        for number, row in enumerate(rows, start=1)
    ]


def tables(sql: str) -> set[str]:
    """Names of the tables that the query reads, in lower case; empty if it cannot be parsed."""
    try:
        tree = sqlglot.parse_one(sql, dialect="duckdb")
    except (SqlglotError, RecursionError):
        return set()
    return {table.name.lower() for table in tree.find_all(exp.Table)}


def _pieces(sql: str) -> Iterator[tuple[str, str]]:
    try:
        tokens = sqlglot.tokenize(sql, dialect="duckdb")
    except SqlglotError:
        yield "", sql
        return
    place = 0
    for token in tokens:
        if token.start < place or token.end >= len(sql):
            continue
        gap, text = sql[place : token.start], sql[token.start : token.end + 1]
        if gap:
            yield ("sql-comment" if gap.strip() else ""), gap
        yield _style(token.token_type, text), text
        place = token.end + 1
    if place < len(sql):
        tail = sql[place:]
        yield ("sql-comment" if tail.strip() else ""), tail


def _style(kind: TokenType, text: str) -> str:
    if kind in _PLAIN or text[0] in _PUNCTUATION:
        return ""
    if kind is TokenType.NUMBER:
        return "sql-number"
    if text.startswith("'"):
        return "sql-string"
    return "sql-keyword"
