"""Remarks on a query that may run and will not say what was meant: told beside the result, and refusing nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from sqlglot import exp

from ambergate_policies.lowering.text import Reading
from ambergate_policies.verdict import Decision, Finding, Span

_WORTH_A_LOOK = re.compile(r"(?:=|<>|!=)\s*NULL\b|\bHAVING\b", re.I)
_COMPARED = re.compile(r"[^=<>!]{1,80}?(?:=|<>|!=)\s*NULL\b", re.I)
_SMALLER = (exp.LT, exp.LTE, exp.EQ)


def remarks(text: str, on: date, minimum: int) -> tuple[Finding, ...]:
    """What a researcher should know of their own text. `minimum`: fewest persons of a group that is shown."""
    if not _WORTH_A_LOOK.search(text):
        return ()
    reading = Reading(text, on)
    return (*_compared_with_null(reading), *_groups_that_are_withheld(reading, minimum))


def _compared_with_null(reading: Reading) -> Iterator[Finding]:
    for node in reading.tree.find_all(exp.EQ, exp.NEQ):
        if isinstance(node.expression, exp.Null) or isinstance(node.this, exp.Null):
            column = node.this if isinstance(node.expression, exp.Null) else node.expression
            word = "IS NULL" if isinstance(node, exp.EQ) else "IS NOT NULL"
            hint = f"write {column.sql(dialect='duckdb')} {word}"
            yield _remark(reading, "null-comparison", "nothing is ever equal to NULL, or different from it", node, hint)


def _groups_that_are_withheld(reading: Reading, minimum: int) -> Iterator[Finding]:
    for having in reading.tree.find_all(exp.Having):
        for node in having.find_all(*_SMALLER):
            limit = str(node.expression.this) if isinstance(node.expression, exp.Literal) else ""
            if isinstance(node.this, exp.Count) and limit.isdigit() and int(limit) <= minimum:
                message = f"groups of fewer than {minimum} persons are withheld, so this asks for what is not shown"
                yield _remark(reading, "small-groups", message, node, "ask for larger groups, or all of them")


def _remark(reading: Reading, rule: str, message: str, node: exp.Expr, hint: str) -> Finding:
    span = reading.span(node)
    if span is not None and (written := _COMPARED.match(reading.text, span.start)):
        span = Span.within(reading.text, span.start, written.end())  # the word NULL has no place in the tree
    fragment = reading.text[span.start : span.end] if span else None
    return Finding(rule, Decision.RELEASE, message, span, fragment, hint)
