"""Patterns: LIKE, GLOB and regular expressions.

The engine's regular expressions are RE2: linear in the text, so a pattern cannot be made to run for ever. It is a
constant, so that whether it can be read is known before any row is.
"""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING

from sqlglot import exp

from ambergate_policies.algebra.expressions import Call, Expression, Like, LikeOperator, Literal, Not
from ambergate_policies.algebra.kinds import Kind

if TYPE_CHECKING:
    from ambergate_policies.lowering.expressions import Scalars

REGULAR = frozenset(
    {
        "regexp_matches", "regexp_full_match", "regexp_extract", "regexp_extract_all", "regexp_replace",
        "string_split_regex",
    },
)  # fmt: skip
_OPERATORS: dict[type[exp.Expr], LikeOperator] = {exp.Like: "LIKE", exp.ILike: "ILIKE", exp.Glob: "GLOB"}
_OPTIONS = re.compile("[cgimns]{1,6}")
_NOT_RE2 = re.compile(r"\(\?<?[=!]|\(\?>|\(\?\(|\\[1-9]|\(\?P=|[*+?}]\+")
"""Looking around, references back, atomic and possessive groups."""
_BROKEN = ("missing )", "unbalanced parenthesis", "unterminated", "nothing to repeat", "bad character range")
MAX_WIDTH = 1000


def like(scalars: Scalars, node: exp.Expr) -> Expression:
    """`x LIKE 'C50%'`, ILIKE and GLOB, with NOT."""
    found = Like(*_sides(scalars, node), _OPERATORS[type(node)])
    return Not(found) if node.args.get("negate") else found


def escaped(scalars: Scalars, node: exp.Escape) -> Expression:
    """`x LIKE '10!%%' ESCAPE '!'`."""
    inner, mark = node.this, node.expression
    if type(inner) not in (exp.Like, exp.ILike) or not (isinstance(mark, exp.Literal) and mark.is_string):
        raise scalars.reading.refuse("syntax", "ESCAPE belongs to a LIKE and names one character", node)
    scalars.account_for(inner)
    part, pattern = _sides(scalars, inner)
    character = str(mark.this)
    if len(character) != 1 or not isinstance(pattern, Literal) or _dangling(str(pattern.value), character):
        raise scalars.reading.refuse("type", "ESCAPE needs one character and a constant pattern after it", node)
    found = Like(part, pattern, _OPERATORS[type(inner)], character)
    return Not(found) if inner.args.get("negate") else found


def _sides(scalars: Scalars, node: exp.Expr) -> tuple[Expression, Expression]:
    part, pattern = scalars.value(node.this), scalars.value(node.expression)
    if {part.kind, pattern.kind} - {Kind.TEXT, Kind.NULL}:
        hint = "make it a text first: x::VARCHAR"
        raise scalars.reading.refuse("type", "a text and a pattern are needed here", node, hint=hint)
    return part, pattern


def _dangling(pattern: str, character: str) -> bool:
    """Whether the escape is the pattern's last character: the engine would raise, but only for rows that get there."""
    index = 0
    while index < len(pattern):
        if pattern[index] == character:
            index += 1
            if index == len(pattern):
                return True
        index += 1
    return False


def checked(scalars: Scalars, node: exp.Expr, call: Call) -> Call:
    """A call whose constants the engine can use. Raises QueryRefused for a pattern or option that it cannot read."""
    name, arguments = call.function.name, call.arguments
    if name in REGULAR:
        _regular(scalars, node, str(_text(arguments[1])))
        options = [_text(argument) for argument in arguments[2:] if argument.kind is Kind.TEXT]
        options = options[1:] if name == "regexp_replace" else options
        if any(not _OPTIONS.fullmatch(option) for option in options):
            raise scalars.reading.refuse("function", "this option is not available", node, hint="use 'i' or 'g'")
    if name in ("lpad", "rpad"):
        width, fill = arguments[1], _text(arguments[2])
        if not (isinstance(width, Literal) and isinstance(width.value, int) and 0 <= width.value <= MAX_WIDTH and fill):
            raise scalars.reading.refuse("size", f"{name} pads to at most {MAX_WIDTH} characters", node)
    if name in ("strptime", "try_strptime") and re.search("%[^aAbBdfgGHIjmMpSuUVwWyY%cxX-]|%$", _text(arguments[1])):
        hint = "use %Y, %m, %d, %H, %M and %S"
        raise scalars.reading.refuse("function", "this format is not available", node, hint=hint)
    return call


def _text(node: Expression) -> str:
    return str(node.value) if isinstance(node, Literal) else ""


def _regular(scalars: Scalars, node: exp.Expr, pattern: str) -> None:
    if _NOT_RE2.search(pattern.replace("\\\\", "")):
        message = "regular expressions cannot look around, refer back or be possessive here"
        raise scalars.reading.refuse("function", message, node, hint="use two conditions")
    try:
        with warnings.catch_warnings(action="ignore"):
            re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        if str(error).startswith(_BROKEN):
            raise scalars.reading.refuse("function", "this regular expression is not complete", node) from None
