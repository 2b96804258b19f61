"""Hostile texts put into every place of honest statements: each literal, name, alias, unit, type, number and gap.

Whatever is not refused must read nothing beyond the agreement, and give the rows that DuckDB gives for the very same
text over the granted tables alone. A text that reaches for more cannot do both: over there, there is nothing more.
"""

# ruff: noqa: E501 (hostile texts are kept whole)

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import TokenType
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Token, Tokenizer
from tests.fuzz.seethrough import Pair, reads_beyond
from tests.small_project import gates

from ambergate_policies.verdict import QueryRefused

MARK = "ungranted"
"""What stands in every column and table that the agreement does not grant."""
HOSTILE = (
    "(SELECT max(word) FROM vault)", "(SELECT max(note) FROM secret_note)", "(SELECT string_agg(practice, ',') FROM person)",
    "year FROM happened_on), (SELECT max(word) FROM vault), extract(year", "x') OR ('1'='1", "x' OR 1=1 --", "x'; SELECT word FROM vault; --",
    "*/ UNION ALL SELECT word FROM vault --", "/*", "--", "'", "''", '"', '""', "\\", "\\'", "$$", "$x$", ";", "; SELECT 1", "\0", "\u2019", "\u2018",
    "\uff07", "\u202e", "\u200b", "\ufeff", "practice", "free_text", "clinician", "vault", "secret_note", "person.practice", "main.vault",
    "project.main.vault", "person", "*", "COLUMNS(*)", "COLUMNS('pra.*')", "#1", "$1", "?", "@x", "query('SELECT word FROM vault')",
    "query_table('vault')", "read_csv('/etc/passwd')", "getenv('HOME')", "current_query()", "current_setting('temp_directory')",
    "getvariable('x')", "error('x')", "person_id", "patient", '"person key"', "rowid", "__internal_compress", "TRY(practice)", "x := practice",
    "{'a': practice}", "[practice]", "unnest([practice])", "UTC' || (SELECT max(word) FROM vault) || '", "NOCASE.(SELECT 1)", "1e308", "0x41",
    "DECIMAL(18,(SELECT 3))", "a b", "a.b.c.d", "%s", "{0}", "\n--\n", "\r", "\u2028", "\u0000", "\ud800", "e\u0301", "SELECT", "FROM vault", "NULL", "END",
)  # fmt: skip
_NAMES = frozenset({TokenType.VAR, TokenType.IDENTIFIER})
_VALUES = frozenset({TokenType.STRING, TokenType.NUMBER})


@dataclass(frozen=True)
class Breach:
    """A text that got more than it may, or that two readers read differently."""

    text: str
    what: str


def mutations(text: str, chance: random.Random, number: int) -> Iterator[str]:
    """So many hostile variants of a statement."""
    try:
        tokens = Tokenizer(dialect="duckdb").tokenize(text)
    except SqlglotError:
        return
    for _ in range(number):
        yield _mutated(text, chance.choice(tokens), chance.choice(HOSTILE), chance)


def _mutated(text: str, token: Token, hostile: str, chance: random.Random) -> str:
    start, end = token.start, token.end + 1
    quoted_text = "'" + hostile.replace("'", "''") + "'"
    quoted_name = '"' + hostile.replace('"', '""') + '"'
    spelled = [f"'{hostile}'", hostile, f'"{hostile}"']
    if token.token_type in _VALUES:
        spelled = [quoted_text, quoted_text, quoted_text, quoted_name, *spelled]
    elif token.token_type in _NAMES:
        spelled = [quoted_name, quoted_name, quoted_name, quoted_text, *spelled]
    else:
        spelled = [quoted_name, quoted_text, hostile]
    place = chance.random()
    if place < 0.6:
        return text[:start] + chance.choice(spelled) + text[end:]
    if place < 0.7:
        return f"{text[:start]}/* {hostile} */{text[start:]}"
    if place < 0.75:
        return f"{text[:start]}-- {hostile}\n{text[start:]}"
    if place < 0.85:
        return f"{text[:end]} {chance.choice(spelled)}{text[end:]}"
    if place < 0.95:
        return f"{text[:start]}{chance.choice(spelled)} {text[start:]}"
    return f"{text[:end]}.{chance.choice(spelled)}{text[end:]}"


def breach(pair: Pair, text: str) -> tuple[str, Breach | None]:
    """What became of a hostile text, in a word, and what it breached if anything."""
    answer = pair.gate.answer(text)
    shown = gates.everything_shown(answer)
    if MARK in shown.replace(text, "") and MARK not in text:
        return "leaked", Breach(text, f"shows what was not granted: {shown[:300]}")
    if answer.verdict == "failed":
        rule = answer.findings[0].rule
        return f"failed by {rule}", None if rule == "bound-plan" else Breach(text, answer.findings[0].message)
    if answer.verdict != "released":
        return answer.verdict, None
    try:
        beyond = reads_beyond(pair, text)
    except QueryRefused:
        return "dropped or made", None
    if beyond:
        return "beyond", Breach(text, f"reads {beyond}")
    seen = pair.ask(text)
    lenient = seen.word == "unread" and seen.detail.startswith("ParserException")
    if lenient:  # reserved words as aliases and the like: read in one way only, and nothing beyond is read (above)
        return "lenient", None
    wrong = seen.word in {"different", "stopped", "unread"}
    return seen.word, Breach(text, f"{seen.word}: {seen.detail}") if wrong else None
