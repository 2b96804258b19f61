"""Names and texts as they stand in SQL that the red zone writes itself."""

from __future__ import annotations


def quoted(name: str) -> str:
    """A name as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as a string constant."""
    return "'" + text.replace("'", "''") + "'"
