"""Where the engine finds rows: the project's own database, or a cohort table's file beside it.

The names of attached cohort files hold a space, which no table of a catalogue can (names.py): neither can stand in the
other's place.
"""

from __future__ import annotations

import re

DATABASE = "project"
"""The name under which the engine attaches a project's database."""
COHORT = "cohort"
"""The one table in a cohort table's file. Its columns: the person key, if it is about persons, and c0, c1 ..."""
PERSON_INDEX, ONLY_INDEX = "person index", "person index of one row each"
"""The column of the dense person index in a project's tables. In a table where no person has two rows it has the second
name: so a query that counts on it finds no column in a table where it does not hold."""

_COHORT_ID = re.compile(r"[0-9a-f]{16}")
_PLACE = re.compile(r"cohort [0-9a-f]{16}")


def is_cohort_id(text: str) -> bool:
    return _COHORT_ID.fullmatch(text) is not None


def cohort_place(cohort: str) -> str:
    """The name under which the engine attaches a cohort table's file."""
    if not is_cohort_id(cohort):
        raise ValueError("not the id of a cohort table")
    return f"cohort {cohort}"


def is_cohort_place(text: object) -> bool:
    return isinstance(text, str) and _PLACE.fullmatch(text) is not None


def cohort_of(place: str) -> str | None:
    """The id of the cohort table that is attached there, None for any other name."""
    return place.removeprefix("cohort ") if is_cohort_place(place) else None
