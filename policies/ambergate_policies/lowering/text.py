"""Reading the researcher's text: limits, parsing with sqlglot, and where each tree node stands in the text."""

from __future__ import annotations

import itertools
import logging
import re
from collections import Counter
from collections.abc import Sequence
from datetime import date

import sqlglot
from sqlglot import Token, TokenType, exp
from sqlglot.errors import SqlglotError
from sqlglot.tokens import Tokenizer

from ambergate_policies.verdict import Decision, Finding, QueryRefused, Span

logging.getLogger("sqlglot").disabled = True
"""Its warnings quote the researcher's text, which may hold a person's number: no log may."""
MAX_CHARACTERS = 64 * 1024
MAX_NESTING = 40
MAX_TOKENS = 12_000


class Reading:
    """One query text, its tree, and the day that `current_date` means. `refuse` points at a node. `scanned`: where
    in the tree each scan of a table stands, by the kernel's alias for it."""

    def __init__(self, text: str, today: date) -> None:
        self.text = text
        self.today = today
        self.scanned: dict[str, exp.Expr] = {}
        self.listed = False
        """Whether `IN [...]` occurs, which sqlglot reads as `IN (...)`."""
        self.tree = self._parse()

    def refuse(
        self,
        rule: str,
        message: str,
        node: exp.Expr | None = None,
        *,
        hint: str | None = None,
        clause: str | None = None,
    ) -> QueryRefused:
        """A refusal by `rule` that underlines `node`."""
        span = self.span(node) if node is not None else None
        fragment = self.text[span.start : span.end] if span else None
        return QueryRefused(Finding(rule, Decision.REFUSE, message, span, fragment, hint, clause))

    def span(self, node: exp.Expr) -> Span | None:
        """The characters from the first to the last token that sqlglot located below `node`."""
        starts: list[int] = []
        ends: list[int] = []
        for part in node.walk():
            if "start" in part.meta:
                starts.append(int(part.meta["start"]))
                ends.append(int(part.meta["end"]) + 1)
        if not starts:
            return self.span(node.parent) if node.parent is not None else None
        start, end = min(starts), max(ends)
        return Span.within(self.text, start, self._closed(start, end))

    def _closed(self, start: int, end: int) -> int:
        """sqlglot does not locate closing parentheses: take those that belong to what is already inside."""
        open_ones = self.text.count("(", start, end) - self.text.count(")", start, end)
        while open_ones > 0 and end < len(self.text) and self.text[end] in ") \t\n":
            open_ones -= self.text[end] == ")"
            end += 1
        return end

    def _parse(self) -> exp.Expr:
        if len(self.text) > MAX_CHARACTERS:
            raise self.refuse("size", f"the query is longer than {MAX_CHARACTERS} characters", hint="split the query")
        if _UNREADABLE.search(self.text):
            hint = "type the query again; copied text can hold characters that are not seen"
            raise self.refuse("syntax", "the query holds a character that is not seen", hint=hint)
        self._check_tokens()
        try:
            statements = [tree for tree in sqlglot.parse(self.text, read="duckdb") if tree is not None]
        except SqlglotError as error:
            raise self._syntax(error) from None
        except (RecursionError, ValueError, TypeError, AttributeError, KeyError, IndexError):
            raise self.refuse("syntax", "the query cannot be read") from None
        if len(statements) != 1:
            raise self.refuse("statement", "exactly one statement is allowed per query", hint="run them one by one")
        return statements[0]

    def _check_tokens(self) -> None:
        """Bound the nesting before parsing: the compiled parser would exhaust the stack of the process."""
        try:
            tokens = Tokenizer(dialect="duckdb").tokenize(self.text)
        except (SqlglotError, RecursionError, ValueError):
            raise self.refuse("syntax", "the query cannot be read: a quote or comment may be left open") from None
        if len(tokens) > MAX_TOKENS:
            raise self.refuse("size", f"the query has more than {MAX_TOKENS} words", hint="split the query")
        if _deepest(tokens) > MAX_NESTING:
            raise self.refuse("size", f"the query is nested more than {MAX_NESTING} deep", hint="use WITH")
        if not _balanced(tokens):
            raise self.refuse("syntax", "the brackets of the query do not pair", hint="count ( and ), [ and ]")
        if any(_is_cut(one, other) for one, other in itertools.pairwise(tokens)):
            raise self.refuse("syntax", "this interval cannot be read", hint="write intervals as INTERVAL 6 MONTH")
        if any(_is_swapped(*three) for three in zip(tokens, tokens[1:], tokens[2:], strict=False)):
            hint = "write CAST(DATE '2020-01-31' AS ...)"  # sqlglot casts to the second type first
            raise self.refuse("syntax", "a cast of a typed constant is not understood", hint=hint)
        self.listed = any(
            one.token_type is TokenType.IN and other.token_type is TokenType.L_BRACKET
            for one, other in itertools.pairwise(tokens)
        )
        if any(_is_loose(one, other, self.text) for one, other in itertools.pairwise(tokens)):
            hint = "put AS before a name, names in double quotes, || between texts"
            raise self.refuse("syntax", "a text in single quotes stands where no text can stand", hint=hint)
        if any(_is_parameter(token) for token in tokens):
            raise self.refuse("syntax", "parameters are not possible", hint="write the value itself")
        if any(token.text in {"~", "!~"} and token.token_type not in _TEXTS for token in tokens):
            hint = "write regexp_full_match(text, pattern)"  # sqlglot takes the engine's full match for a partial one
            raise self.refuse("syntax", "the operator ~ is not understood", hint=hint)
        if _longest_run(tokens) > MAX_REPEATS:
            raise self.refuse(
                "size", f"the query repeats one operator more than {MAX_REPEATS} times", hint="use IN (...)"
            )

    def _syntax(self, error: SqlglotError) -> QueryRefused:
        details = getattr(error, "errors", None) or [{}]
        first = details[0]
        line, column = first.get("line"), first.get("col")
        message = "the query is not valid SQL"
        fragment = str(first.get("highlight") or "")
        if not line or not column:
            return self.refuse("syntax", message)
        start = sum(len(part) + 1 for part in self.text.split("\n")[: int(line) - 1]) + int(column) - len(fragment)
        span = Span.within(self.text, start, start + len(fragment))
        return QueryRefused(Finding("syntax", Decision.REFUSE, f"{message} near the marked text", span, fragment))


_UNREADABLE = re.compile("[\0-\x08\x0b\x0e-\x1f\x7f\x85\u1680\u2028\u2029\ud800-\udfff\u202a-\u202e\u2066-\u2069]")
"""Halves of characters, marks that show a checker another order of words than the one that is run, and what is a space
to sqlglot and a part of a name to the engine."""
_OPENING = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE})
_CLOSING = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END})
_TEXTS = frozenset({TokenType.STRING, TokenType.IDENTIFIER})
_WHOLE_INTERVAL = re.compile(r"\s*[+-]?\d+\s*([A-Za-z]+)?\s*")
MAX_REPEATS = 400


def _deepest(tokens: Sequence[Token]) -> int:
    """The deepest nesting of brackets and CASE. Told by token type: a text or a name may hold any bracket. Closing
    more than was opened earns nothing."""
    depth = deepest = 0
    for token in tokens:
        depth = max(0, depth + (token.token_type in _OPENING) - (token.token_type in _CLOSING))
        deepest = max(deepest, depth)
    return deepest


def _is_parameter(token: Token) -> bool:
    """`?`, and `$1`, which sqlglot takes for a name."""
    named = token.token_type in _UNQUOTED and token.text.startswith("$")
    return named or token.token_type is TokenType.PLACEHOLDER


_UNQUOTED = frozenset({TokenType.VAR, TokenType.PARAMETER})
_PAIRS = {
    TokenType.R_PAREN: TokenType.L_PAREN,
    TokenType.R_BRACKET: TokenType.L_BRACKET,
    TokenType.R_BRACE: TokenType.L_BRACE,
}


def _balanced(tokens: Sequence[Token]) -> bool:
    """sqlglot reads some calls without their closing bracket."""
    waiting: list[TokenType] = []
    for token in tokens:
        if token.token_type in _PAIRS.values():
            waiting.append(token.token_type)
        elif token.token_type in _PAIRS and (not waiting or waiting.pop() is not _PAIRS[token.token_type]):
            return False
    return not waiting


def _is_cut(one: Token, other: Token) -> bool:
    """An interval's text of which sqlglot would keep only a part: '14 months ago' would lose its sign."""
    return (
        one.token_type is TokenType.INTERVAL
        and other.token_type is TokenType.STRING
        and _WHOLE_INTERVAL.fullmatch(other.text) is None
    )


def _is_swapped(one: Token, other: Token, cast: Token) -> bool:
    """DATE '2020-01-31'::VARCHAR"""
    typed = one.token_type in (TokenType.DATE, TokenType.TIMESTAMP)
    return typed and other.token_type is TokenType.STRING and cast.token_type is TokenType.DCOLON


_BEFORE_TEXTS = re.compile(r"BOTH|LEADING|TRAILING|PLACING|TIMESTAMP_\w+|TIMETZ", re.IGNORECASE)


def _is_loose(one: Token, other: Token, text: str) -> bool:
    """A text that sqlglot takes for an alias (FROM t 'x', x'41') or joins to the one before it, and the engine does
    not: only a line's end joins two texts there."""
    if other.token_type is not TokenType.STRING:
        return False
    if one.token_type is TokenType.STRING:
        between = re.sub(r"/\*.*?\*/", "", text[one.end + 1 : other.start], flags=re.DOTALL)
        return not re.search(r"[\r\n]", between)
    if one.token_type is TokenType.VAR:
        return _BEFORE_TEXTS.fullmatch(one.text) is None
    return one.token_type in _BEFORE_ALIASES


_BEFORE_ALIASES = frozenset({TokenType.IDENTIFIER, TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.NUMBER})


def _longest_run(tokens: Sequence[Token]) -> int:
    """How often the most frequent operator or keyword occurs: each occurrence may be one level of the tree. Names,
    numbers, texts, brackets and what separates the items of a list make the tree wide and not deep."""
    counts = Counter(token.token_type for token in tokens if token.token_type not in _WIDE)
    return max(counts.values(), default=0)


_WIDE = _CLOSING | _TEXTS | frozenset(
    {
        TokenType.VAR, TokenType.NUMBER, TokenType.COMMA, TokenType.DOT, TokenType.L_PAREN, TokenType.ALIAS,
        TokenType.CASE, TokenType.WHEN, TokenType.THEN, TokenType.ELSE, TokenType.NULL, TokenType.DATE,
        TokenType.TIMESTAMP,
    },
)  # fmt: skip
