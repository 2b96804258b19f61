"""Explaining an answer that is not a table, and the note under one that is, as text and as HTML.

Every word that is not ours is escaped: a query's text and a message that quotes it must never become markup.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

Header = Mapping[str, Any]
Finding = Mapping[str, Any]

_TITLES = {
    "refused": "Refused: nothing was computed for you",
    "held": "Held for output checking",
    "failed": "The gate failed",
}
_COLOURS = {"refused": "--jp-error-color1, #b3261e", "held": "--jp-warn-color1, #b26a00"}
_BOX = "border-left: 4px solid var({colour}); padding: .4em .8em; margin: .3em 0; line-height: 1.45"
_NOTE = "color: var(--jp-ui-font-color2, #616161); font-size: .9em; margin-top: .3em"


class Explanation:
    """An answer without a table, ready to be shown by a notebook or printed."""

    def __init__(self, header: Header, sql: str = "") -> None:
        self.header = header
        self.sql = sql

    def __repr__(self) -> str:
        return explain(self.header, self.sql)

    def _repr_html_(self) -> str:
        colour = _COLOURS.get(str(self.header.get("verdict")), "--jp-error-color1, #b3261e")
        parts = [f"<strong>{escape(_title(self.header))}</strong>"]
        parts += [_finding_html(finding, self.sql) for finding in _findings(self.header)]
        parts += [f"<div>{escape(line)}</div>" for line in _next_steps(self.header)]
        return f'<div style="{_BOX.format(colour=colour)}">{"".join(parts)}</div>'


class Note:
    """The line under a released table, for where only the line is shown."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return note_html(self.text)


def explain(header: Header, sql: str = "") -> str:
    """The explanation in plain text, the questionable part of the query underlined."""
    lines = [_title(header)]
    for finding in _findings(header):
        lines.append(f"  {_label(finding)}{_message(finding)}")
        lines += [f"    {line}" for line in _underlined(finding, sql)]
        if finding.get("hint"):
            lines.append(f"    Hint: {finding['hint']}")
        if finding.get("rewrite"):
            lines.append("    This passes:")
            lines += [f"      {line}" for line in str(finding["rewrite"]).splitlines()]
    return "\n".join([*lines, *(f"  {line}" for line in _next_steps(header))])


def note(header: Header) -> str:
    """What was done to a released table, in one line: `3 cells suppressed · counts rounded to 5 · log entry 17`."""
    messages = list(dict.fromkeys(_message(finding) for finding in _findings(header)))
    counted = (
        _counted(header.get("suppressed_cells"), "cell suppressed", "cells suppressed"),
        _counted(header.get("withheld_groups"), "group withheld", "groups withheld"),
    )
    parts = [
        *(count for count in counted if not any(message.startswith(count) for message in messages)),
        *messages,
        f"the checker wrote: {header['comment']}" if header.get("comment") else "",
        f"log entry {header['log_index']}" if header.get("log_index") is not None else "",
    ]
    return " · ".join(part for part in parts if part)


def offered(header: Header) -> str:
    """What may be asked instead where something of a released table was suppressed: a hint and a query for each."""
    lines = []
    for finding in _findings(header):
        if finding.get("rewrite"):
            lines.append(f"{finding.get('hint') or 'This passes'}:")
            lines += [f"  {line}" for line in str(finding["rewrite"]).splitlines()]
    return "\n".join(lines)


def offered_html(text: str) -> str:
    return f'<pre style="{_NOTE}">{escape(text)}</pre>' if text else ""


def note_html(text: str) -> str:
    return f'<div style="{_NOTE}">{escape(text)}</div>'


def _title(header: Header) -> str:
    title = _TITLES.get(str(header.get("verdict")), "No table")
    reference = header.get("held_reference")
    if reference and header.get("verdict") == "refused":
        title = "Not released by the output checkers"
    return f"{title}: {reference}" if reference else title


def _next_steps(header: Header) -> Iterator[str]:
    if header.get("comment"):
        yield f"The checker wrote: {header['comment']}"
    if (reference := header.get("held_reference")) and header.get("verdict") == "held":
        yield f"Fetch it when an output checker has decided: %held {reference}"
        yield f'or in Python: ambergate_notebook.fetch("{reference}")'
    if identifier := header.get("failure_id"):
        yield f"Tell the data centre: failure {identifier}"
    if header.get("log_index") is not None:
        yield f"Log entry {header['log_index']}"


def _finding_html(finding: Finding, sql: str) -> str:
    parts = [f"<div>{escape(_label(finding))}{escape(_message(finding))}</div>"]
    if marked := _underlined(finding, sql):
        parts.append(f'<pre style="margin: .2em 0">{escape(chr(10).join(marked))}</pre>')
    if finding.get("hint"):
        parts.append(f"<div><em>Hint:</em> {escape(str(finding['hint']))}</div>")
    if finding.get("rewrite"):
        text = f'<pre style="margin: .2em 0">{escape(str(finding["rewrite"]))}</pre>'
        parts.append(f"<div><em>This passes:</em>{text}</div>")
    return "".join(parts)


def _label(finding: Finding) -> str:
    names = [str(finding["rule"])] if finding.get("rule") else []
    if finding.get("clause"):
        names.append(f"clause {finding['clause']}")
    return f"[{', '.join(names)}] " if names else ""


def _message(finding: Finding) -> str:
    return str(finding.get("message", ""))


def _underlined(finding: Finding, sql: str) -> list[str]:
    """The line of the query that a finding is about, with carets under the fragment (positions count from 1)."""
    line, column = finding.get("line"), finding.get("column")
    lines = sql.split("\n")
    if not isinstance(line, int) or not isinstance(column, int) or not 0 < line <= len(lines):
        return []
    text = lines[line - 1]
    start = min(max(column - 1, 0), len(text))
    fragment = str(finding.get("fragment") or "").splitlines()
    width = len(fragment[0]) if fragment and text[start:].lower().startswith(fragment[0].lower()) else 1
    gap = "".join("\t" if character == "\t" else " " for character in text[:start])
    return [text, gap + "^" * max(width, 1)]


def _findings(header: Header) -> list[Finding]:
    found = header.get("findings")
    return [finding for finding in found if isinstance(finding, Mapping)] if isinstance(found, list) else []


def _counted(number: Any, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}" if isinstance(number, int) and number else ""
