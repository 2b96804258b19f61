"""Where a finding stands: widened from what the parser locates to what a reader would underline.

The parser knows where names and literals stand, not where a call, a CASE, a clause or a statement begins and ends.
"""

from __future__ import annotations

import re
from dataclasses import replace

from sqlglot import TokenType
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Tokenizer

from ambergate_policies.verdict import Finding, Span

LONGEST_TEXT = 4_000
"""A longer text is told of by its first word only, and no rewrite is looked for."""
_CALLED = re.compile(r"\w+\s*\(\s*(?:DISTINCT\s+)?$", re.I)
_PICKING = re.compile(r"(?:\bLIMIT|\bOFFSET|\bTABLESAMPLE|\b(?:USING\s+)?SAMPLE|\bTOP)\s*\(?\s*$", re.I)
_SELECTED = re.compile(r"\(?\s*\bSELECT\s+(?:DISTINCT\s+)?$", re.I)
_CLOSING = {")": "(", "]": "[", "}": "{"}
_CALLS = frozenset({"aggregate", "function", "measure"})

_STATEMENT_HINTS = {
    "UPDATE": "the data cannot be changed: compute what you need in the query, with CASE WHEN ... THEN ... END",
    "INSERT": "the data cannot be changed: write rows of your own as VALUES in FROM",
    "DELETE": "the data cannot be changed: leave rows out with WHERE",
    "MERGE": "the data cannot be changed: compute what you need in the query",
    "ALTER": "tables cannot be changed: compute a column in the query, or in CREATE TABLE name AS SELECT ...",
    "TRUNCATE": "the data cannot be changed: leave rows out with WHERE",
    "COPY": "what is released is a table of the notebook: save it there",
    "EXPORT": "what is released is a table of the notebook: save it there",
    "SET": "there are no settings to change",
    "PRAGMA": "there are no settings to change; DESCRIBE and SHOW TABLES tell what is granted",
    "ATTACH": "there is one database, and it is open",
    "USE": "there is one database, and it is open",
    "INSTALL": "no extensions can be loaded",
    "LOAD": "no extensions can be loaded",
    "EXPLAIN": "run the query itself: how long it took is told with the result",
    "SUMMARIZE": "name the counts and means that you need; DESCRIBE tells the columns",
    "SHOW": "SHOW TABLES and DESCRIBE tell what is granted",
    "DESCRIBE": "SHOW TABLES and DESCRIBE tell what is granted",
    "BEGIN": "there are no transactions: every query stands alone",
    "COMMIT": "there are no transactions: every query stands alone",
}
_RULE_HINTS = {
    "syntax": "write it with SELECT ... FROM ... WHERE ... GROUP BY, or with a subquery; the SQL reference says what "
    "is understood",
    "type": "compare values of one kind; TRY_CAST(x AS DATE) and the like change it",
    "aggregate": "aggregates stand in the select list, in HAVING and in ORDER BY",
    "function": "the SQL reference lists the functions",
    "unknown-column": "DESCRIBE and the table's name tell its columns",
    "unknown-table": "SHOW TABLES lists what is granted",
    "size": "shorten the query, or split it",
    "window": "windows stand in the select list, or in QUALIFY of a subquery",
}


def statements(text: str) -> list[tuple[int, str]]:
    """The statements of a text with the place where each begins."""
    try:
        tokens = Tokenizer(dialect="duckdb").tokenize(text)
    except (SqlglotError, RecursionError, ValueError):
        return [(0, text)]
    found: list[tuple[int, str]] = []
    first: int | None = None
    for token in tokens:
        if token.token_type is TokenType.SEMICOLON:
            if first is not None:
                found.append((first, text[first : token.start].strip()))
            first = None
        elif first is None:
            first = token.start
    return [*found, (first, text[first:].strip())] if first is not None else found


def unpaired(text: str) -> int | None:
    """Where the first bracket stands that has no other half; None where all have, or none can be told apart."""
    try:
        tokens = Tokenizer(dialect="duckdb").tokenize(text)
    except (SqlglotError, RecursionError, ValueError):
        return None
    opened: list[tuple[str, int]] = []
    for token in tokens:
        bracket = text[token.start : token.end + 1]
        if bracket in _CLOSING.values():
            opened.append((bracket, token.start))
        elif bracket in _CLOSING and (not opened or opened.pop()[0] != _CLOSING[bracket]):
            return token.start
    return opened[0][1] if opened else None


def located(text: str, finding: Finding) -> Finding:
    """A finding with a place a reader would underline."""
    if finding.span is None and finding.rule == "syntax" and len(text) <= LONGEST_TEXT:
        place = unpaired(text)
        if place is not None:
            return replace(finding, span=Span.within(text, place, place + 1), fragment=text[place])
    if finding.span is None and finding.rule in ("statement", "syntax", "size"):
        finding = _of_a_statement(text, finding)
    elif finding.span is not None:
        start, end = _widened(text, finding.span.start, finding.span.end, finding.rule)
        finding = replace(finding, span=Span.within(text, start, end), fragment=text[start:end])
    return finding


def hinted(finding: Finding) -> Finding:
    """A finding with a hint: the rule's own where nothing better is known."""
    return finding if finding.hint else replace(finding, hint=_RULE_HINTS.get(finding.rule))


def _of_a_statement(text: str, finding: Finding) -> Finding:
    """About a whole statement: the second one, or the first word; with what to do instead of such a statement."""
    parts = statements(text) if len(text) <= LONGEST_TEXT else [(len(text) - len(text.lstrip()), text.lstrip()[:80])]
    if not parts or not text.strip():
        return finding
    start, statement = parts[1] if len(parts) > 1 else parts[0]
    word = statement.split(None, 1)[0] if statement else ""
    hint = _STATEMENT_HINTS.get(word.upper(), finding.hint)
    width = len(statement) if len(parts) > 1 else len(word)
    span = Span.within(text, start, start + width)
    hint = finding.hint if len(parts) > 1 else hint
    return replace(finding, span=span, fragment=text[span.start : span.end], hint=hint)


def _widened(text: str, start: int, end: int, rule: str) -> tuple[int, int]:
    start, end = _whole_words(text, start, end)
    if match := _PICKING.search(text[:start]):
        return match.start(), end + (text[end : end + 1] == "%")
    is_query = " from " in text[start:end].lower().replace("\n", " ")
    opening = _CALLED if rule in _CALLS else _SELECTED if is_query else None
    if opening is not None and (match := opening.search(text[:start])):
        start = match.start()
    return start, _closed(text, start, end, called=rule in _CALLS)


def _whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    while start > 0 and end > start and _inside_a_word(text, start):
        start -= 1
    while end < len(text) and end > start and _inside_a_word(text, end):
        end += 1
    return start, end


def _inside_a_word(text: str, place: int) -> bool:
    return all(character.isalnum() or character == "_" for character in text[place - 1 : place + 1])


def _closed(text: str, start: int, end: int, *, called: bool) -> int:
    """To the END of a CASE and the last bracket that were opened inside; with `called`, brackets that follow a name."""
    part = text[start:end]
    if called and text[end : end + 1] == "(" and part.replace("_", "").isalnum():
        end += 1
    words = re.findall(r"\b(?:CASE|END)\b", text[start:end], re.I)
    missing = sum(1 if word.upper() == "CASE" else -1 for word in words)
    if missing > 0 and (match := re.compile(r"[^;]*?\bEND\b" * missing, re.I).match(text, end)):
        end = match.end()
    depth = text.count("(", start, end) - text.count(")", start, end)
    place = end
    while depth > 0 and place < len(text):
        depth += (text[place] == "(") - (text[place] == ")")
        place += 1
    return place if depth == 0 else end
