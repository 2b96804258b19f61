"""Reading objections as they arrive: Type 1 lists, one per practice, and the dated national list of who may be used.

Anything missing, stale or malformed raises OperatorError, so that nothing proceeds on a list that might not say who
objected. Messages name files and line numbers, never a number.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ambergate_datasets.optout.nhs_number import is_valid
from ambergate_policies.catalogue import Catalogue, ObjectionLists
from ambergate_policies.errors import OperatorError

_DATED = re.compile(r"(\d{4}-\d{2}-\d{2})")
_PERMITTED_LINE = re.compile(r"[0-9]{10},")
_TYPE_1_HEADER = ["nhs_number", "practice", "recorded_on"]


@dataclass(frozen=True, slots=True)
class Objections:
    """Who objected, by NHS number. `type_1` is a dissent list; `permitted` is an allow list: absence means out.

    Each is None where no source of the catalogue has that policy. `practices` are those that sent a Type 1 list.
    """

    type_1: frozenset[str] | None
    practices: frozenset[str]
    permitted: frozenset[str] | None
    permitted_dated: date | None


def read_objections(folder: Path, catalogue: Catalogue, *, today: date) -> Objections:
    """Read every list that the policies of the catalogue's sources ask for. Raises OperatorError."""
    policies = [catalogue.sources[table.source].opt_out for table in catalogue.tables.values()]
    lists = catalogue.objections or ObjectionLists.model_validate({})
    type_1: frozenset[str] | None = None
    practices: frozenset[str] = frozenset()
    permitted: frozenset[str] | None = None
    dated: date | None = None
    if any(policy.type_1 for policy in policies):
        type_1, practices = _read_type_1(folder, lists.type_1)
    if any(policy.national for policy in policies):
        permitted, dated = _read_permitted(folder, lists, today)
    return Objections(type_1, practices, permitted, dated)


def _read_type_1(folder: Path, pattern: str | None) -> tuple[frozenset[str], frozenset[str]]:
    if pattern is None:
        raise OperatorError(
            "Type 1 objections apply, but the catalogue does not say where the lists are (`objections`)"
        )
    paths = sorted(folder.glob(pattern))
    if not paths:
        raise OperatorError(f"no Type 1 objection list matches {pattern!r}: nothing proceeds without them")
    numbers: set[str] = set()
    for path in paths:
        numbers |= _read_practice_list(path, _practice_of(path, pattern))
    return frozenset(numbers), frozenset(_practice_of(path, pattern) for path in paths)


def _practice_of(path: Path, pattern: str) -> str:
    """The practice is what stands for the pattern's star."""
    before, _, after = Path(pattern).name.partition("*")
    return path.name.removeprefix(before).removesuffix(after)


def _read_practice_list(path: Path, practice: str) -> set[str]:
    numbers: set[str] = set()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            if next(rows, None) != _TYPE_1_HEADER:
                raise OperatorError(f"{path.name}:1: the header must be {','.join(_TYPE_1_HEADER)}")
            for row in rows:
                if fault := _row_fault(row, practice):
                    raise OperatorError(f"{path.name}:{rows.line_num}: {fault}; ask the practice for its list again")
                numbers.add(row[0])
    except (OSError, UnicodeError, csv.Error):
        raise OperatorError(f"{path.name} cannot be read: ask the practice for its list again") from None
    return numbers


def _row_fault(row: list[str], practice: str) -> str | None:
    if len(row) != len(_TYPE_1_HEADER):
        return "not three values"
    if not is_valid(row[0]) or len(row[0]) != 10:
        return "not a valid NHS number"
    if row[1] != practice:
        return "the practice is not the one that the file is named after"
    try:
        date.fromisoformat(row[2])
    except ValueError:
        return "`recorded_on` is not a date"
    return None


def _read_permitted(folder: Path, lists: ObjectionLists, today: date) -> tuple[frozenset[str], date]:
    if lists.national_permitted is None:
        raise OperatorError(
            "the national data opt-out applies, but the catalogue names no permitted list (`objections`)"
        )
    paths = list(folder.glob(lists.national_permitted))
    if not paths:
        raise OperatorError(f"no permitted list matches {lists.national_permitted!r}: nothing proceeds without one")
    dated, path = max((_date_of(path), path) for path in paths)
    age = (today - dated).days
    if age < 0:
        raise OperatorError(f"{path.name} is dated after today: check the clock, or ask for the list again")
    if age > lists.max_age_days:
        raise OperatorError(
            f"{path.name} is {age} days old and at most {lists.max_age_days} are allowed: fetch a new permitted list"
        )
    return _read_numbers(path), dated


def _date_of(path: Path) -> date:
    found = _DATED.search(path.name)
    try:
        return date.fromisoformat(found.group(1) if found else "")
    except ValueError:
        raise OperatorError(
            f"{path.name}: the permitted list's file name must carry its date, year-month-day"
        ) from None


def _read_numbers(path: Path) -> frozenset[str]:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeError):
        raise OperatorError(f"{path.name} cannot be read: fetch it again") from None
    for at, line in enumerate(lines, start=1):
        if not _PERMITTED_LINE.fullmatch(line) or not is_valid(line[:10]):
            raise OperatorError(f"{path.name}:{at}: not a valid NHS number followed by a comma; fetch the list again")
    if not lines:
        raise OperatorError(f"{path.name} is empty: nobody would be permitted; fetch the list again")
    return frozenset(line[:10] for line in lines)
