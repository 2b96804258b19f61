"""Statements that are no question, several of them, and text that is not quite SQL."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from sqlglot import TokenType

from ambergate_policies.advice.cure import Cure
from ambergate_policies.advice.places import statements, unpaired
from ambergate_policies.advice.question import Question
from ambergate_policies.catalogue import Role
from ambergate_policies.spelling import nearest

_KEYWORDS = ("SELECT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "JOIN", "DISTINCT", "BETWEEN", "USING",
             "LEFT", "INNER", "WITH", "BY", "ON", "AS", "AND")  # fmt: skip
_VIEW = re.compile(r"^\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:TEMP(?:ORARY)?\s+)?(?:VIEW|TABLE)\s+(\S+)\s+AS\s+", re.I)
_INTO = re.compile(r"\bINTO\s+#?(\w+)\s+(?=FROM\b)", re.I)
_AROUND = re.compile(r"^\s*(?:EXPLAIN(?:\s+ANALYZE)?|COPY)\s*\(?(.*?)\)?\s*(?:TO\s+.*)?;?\s*$", re.I | re.S)
_TABLE_INFO = re.compile(r"^\s*(?:PRAGMA\s+|CALL\s+)(?:table_info|show)\s*\(\s*['\"]?(\w+)['\"]?\s*\)", re.I)
_TOP = re.compile(r"(\bSELECT\s+)TOP\s*\(?\s*\d+\s*\)?\s+", re.I)
_MOST_MEANS = 6


def _each_alone(question: Question) -> Iterator[str]:
    """Several statements: the last one that asks something, then the others."""
    parts = [text for _, text in statements(question.text)]
    if len(parts) > 1:
        yield from reversed(parts)


def _kept_table(question: Question) -> Iterator[str]:
    """CREATE VIEW, CREATE TEMP TABLE, SELECT INTO: a cohort table, or the question alone."""
    if match := _VIEW.match(question.text):
        rest = question.text[match.end() :]
        yield f"CREATE OR REPLACE TABLE {match[1].strip('#')} AS {rest}"
        yield rest
    if match := _INTO.search(question.text):
        rest = question.text[: match.start()] + question.text[match.end() :]
        yield f"CREATE OR REPLACE TABLE {match[1]} AS {rest}"
        yield rest


def _inside(question: Question) -> Iterator[str]:
    """EXPLAIN and COPY: the question inside. What is released can be saved in the notebook."""
    if match := _AROUND.match(question.text):
        yield match[1]


def _metadata(question: Question) -> Iterator[str]:
    """`PRAGMA table_info`, `information_schema`: what DESCRIBE and SHOW TABLES answer."""
    if match := _TABLE_INFO.match(question.text):
        yield f"DESCRIBE {match[1]}"
    lowered = question.text.lower()
    if any(word in lowered for word in ("information_schema", "duckdb_", "sqlite_master", "pg_catalog", "show ")):
        for name, _, _ in question.granted():
            if re.search(rf"\b{re.escape(name.lower())}\b", lowered):
                yield f"DESCRIBE {name}"
        yield "SHOW TABLES"


def _summary(question: Question) -> Iterator[str]:
    """SUMMARIZE: counts and means of the table's measures."""
    if not question.text.lstrip().upper().startswith("SUMMARIZE"):
        return
    for name, table, granted in question.granted():
        if not re.search(rf"\b{re.escape(name)}\b", question.text, re.I) or table.owner is None:
            continue
        measures = [each for each in granted if each in table.columns and table.columns[each].role is Role.MEASURE]
        means = [f", avg({each}) AS mean_{each}" for each in measures[:_MOST_MEANS]]
        yield f"SELECT count(*) AS n, count(DISTINCT {table.owner}) AS persons{''.join(means)} FROM {name}"


def _without_top(question: Question) -> Iterator[str]:
    """`SELECT TOP 10 *`, of another dialect."""
    if _TOP.search(question.text):
        yield _TOP.sub(r"\1", question.text)


def _pattern_without_quotes(question: Question) -> Iterator[str]:
    """`cause LIKE I2%`."""
    text = re.sub(r"(\bI?LIKE\s+)([\w%]*%[\w%]*)", r"\1'\2'", question.text, flags=re.I)
    if text != question.text:
        yield text


def _order_after_pivot(question: Question) -> Iterator[str]:
    """PIVOT as a statement takes no ORDER BY here: sort the table that is released."""
    if question.text.lstrip().upper().startswith("PIVOT"):
        yield re.sub(r"\s+ORDER\s+BY\s+[^()]*$", "", question.text, flags=re.I)


def _interval(question: Question) -> Iterator[str]:
    """`> 30 days`: a difference of dates is a number of days; added to a date it is an interval."""
    for written in (r"\1", r"INTERVAL \1 \2"):
        yield re.sub(r"\b(\d+)\s+(day|week|month|year)s?\b", written, question.text, flags=re.I)


def _keyword(question: Question) -> Iterator[str]:
    """FORM for FROM, GRUOP for GROUP: before the place where reading failed, the last such word first."""
    span = question.finding.span
    known = {name.lower() for name, table, columns in question.granted() for name in (name, *columns)}
    for token in reversed(question.tokens()):
        if token.token_type is not TokenType.VAR or token.text.lower() in known:
            continue
        if span is not None and token.start > span.end:
            continue
        for guess in _keywords_like(token.text.upper()):
            yield question.replaced(token.start, token.end + 1, guess)


def _keywords_like(word: str) -> list[str]:
    """Keywords with the same letters, then those spelt alike."""
    return nearest(word, _KEYWORDS, most=2)


def _comma(question: Question) -> Iterator[str]:
    """A comma that is missing, or one too many."""
    tokens = question.tokens()
    for one, then in itertools.pairwise(tokens):
        names = (TokenType.VAR, TokenType.IDENTIFIER, TokenType.R_PAREN)
        if one.token_type in names and then.token_type is TokenType.VAR and then.end - one.start < 200:
            yield question.replaced(one.end + 1, one.end + 1, ",")
    for one, then in itertools.pairwise(tokens):
        if one.token_type is TokenType.COMMA and then.token_type in (
            TokenType.FROM,
            TokenType.R_PAREN,
            TokenType.COMMA,
        ):
            yield question.replaced(one.start, one.end + 1, "")


def _bracket(question: Question) -> Iterator[str]:
    """A bracket that is left open is closed before the next clause or at the end; one too many is left out."""
    place = unpaired(question.text)
    if place is None:
        return
    if question.text[place] in ")]}":
        yield question.replaced(place, place + 1, "")
        return
    closing = {"(": ")", "[": "]", "{": "}"}[question.text[place]]
    for match in re.finditer(r"\s*(?:,|\s(?:FROM|WHERE|GROUP|HAVING|ORDER|AS|JOIN)\b)", question.text[place:], re.I):
        yield question.replaced(place + match.start(), place + match.start(), closing)
    yield question.text.rstrip().rstrip(";") + closing


def _empty_clause(question: Question) -> Iterator[str]:
    """`GROUP BY` or `WHERE` with nothing behind it."""
    yield re.sub(r"\s+(?:GROUP\s+BY|ORDER\s+BY|WHERE|HAVING|AND)\s*;?\s*$", "", question.text, flags=re.I)


_STATEMENT = frozenset({"statement", "syntax"})
CURES: tuple[Cure, ...] = (
    Cure("several statements", _STATEMENT, _each_alone),
    Cure(
        "a view or a temporary table",
        _STATEMENT | {"row-level"},
        _kept_table,
        "CREATE [OR REPLACE] TABLE name AS SELECT person_id, ... keeps rows of persons inside, under a name",
    ),
    Cure("EXPLAIN or COPY", _STATEMENT, _inside),
    Cure("metadata of the engine", _STATEMENT | {"unknown-table"}, _metadata),
    Cure("SUMMARIZE", _STATEMENT, _summary),
    Cure("TOP", frozenset({"syntax"}), _without_top, "there is no TOP: a result may end in LIMIT"),
    Cure(
        "a pattern without quotes",
        frozenset({"syntax"}),
        _pattern_without_quotes,
        "put patterns in single quotes",
    ),
    Cure(
        "ORDER BY after PIVOT",
        frozenset({"syntax"}),
        _order_after_pivot,
        "PIVOT takes no ORDER BY here: leave it out, and sort the table that is released",
    ),
    Cure(
        "a number of days in words",
        frozenset({"syntax"}),
        _interval,
        "a difference of dates is a number of days; INTERVAL 30 DAY is added to a date",
    ),
    Cure(
        "a clause with nothing in it", frozenset({"syntax", "row-level"}), _empty_clause, "a clause has nothing in it"
    ),
    Cure(
        "a keyword misspelt",
        frozenset({"syntax", "unknown-table", "row-level", "statement"}),
        _keyword,
        "a keyword seems to be misspelt",
    ),
    Cure(
        "a comma missing or too many",
        frozenset({"syntax", "unknown-column", "row-level"}),
        _comma,
        "a comma seems to be missing, or to be one too many",
    ),
    Cure("brackets that do not match", frozenset({"syntax"}), _bracket, "the brackets do not match"),
)
