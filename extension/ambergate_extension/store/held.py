"""A held result: what it is, how its table is sealed, and what a release lets through."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from ambergate_extension.store.transitions import Choice, State
from ambergate_policies.errors import IntegrityError, UserError
from ambergate_policies.log import JSON, canonical_json

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LOOKALIKES = str.maketrans({"O": "0", "I": "1", "L": "1"})


@dataclass(frozen=True, slots=True)
class HeldTable:
    """A result that the rules could not clear. Cells are JSON values; `flagged` are (row, column) from 0.

    `findings` are the judgement's findings as JSON: {"rule", "message", "line", "column", ...}. A finding that
    concerns one cell also carries "cell": [row, column].
    """

    project: str
    account: str
    agreement: str
    sql: str
    columns: tuple[str, ...]
    rows: tuple[tuple[JSON, ...], ...]
    flagged: tuple[tuple[int, int], ...] = ()
    findings: tuple[dict[str, JSON], ...] = ()
    checkers_required: int = 1
    column_types: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.checkers_required not in (1, 2):
            raise ValueError("an agreement asks for one checker or two")
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError("every row has one cell for each column")
        if not all(0 <= r < len(self.rows) and 0 <= c < len(self.columns) for r, c in self.flagged):
            raise ValueError("a flagged cell lies outside the table")

    def only_rows(self, wanted: frozenset[int]) -> HeldTable:
        """The table with these rows alone, flags moved along."""
        kept = [number for number in range(len(self.rows)) if number in wanted]
        place = {old: new for new, old in enumerate(kept)}
        return replace(
            self,
            rows=tuple(self.rows[number] for number in kept),
            flagged=tuple((place[r], c) for r, c in self.flagged if r in place),
        )

    def to_payload(self) -> bytes:
        """What is sealed. Raises ValueError for a cell that JSON cannot hold."""
        return canonical_json(asdict(self))

    @classmethod
    def from_payload(cls, payload: bytes) -> HeldTable:
        found = json.loads(payload)
        for name in ("rows", "flagged"):
            found[name] = tuple(tuple(item) for item in found[name])
        for name in ("columns", "findings", "column_types"):
            found[name] = tuple(found[name])
        return cls(**found)


@dataclass(frozen=True, slots=True)
class Decision:
    """What one checker decided. `rows` are the rows released (None: all); `log_index` is where it is on record."""

    checker: str
    choice: Choice
    comment: str
    at: datetime
    log_index: int
    rows: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class HeldResult:
    """A held result and what became of it. `table` is None in lists, and for a researcher until it is released."""

    reference: str
    project: str
    account: str
    agreement: str
    at: datetime
    checkers_required: int
    log_index: int
    state: State
    decisions: tuple[Decision, ...] = ()
    table: HeldTable | None = None
    fetched: bool = False  # the table is what `released_table` gave: applying it again changes nothing

    @property
    def comment(self) -> str | None:
        """What the last checker wrote, once the result is decided or partly approved."""
        return self.decisions[-1].comment if self.decisions else None

    def seal_context(self) -> bytes:
        """What the seal binds beside the table: a stored column that was changed makes the seal fail."""
        return canonical_json(
            {
                "reference": self.reference,
                "project": self.project,
                "account": self.account,
                "agreement": self.agreement,
                "at": self.at.isoformat(),
                "checkers_required": self.checkers_required,
                "log_index": self.log_index,
            }
        )

    def released_table(self) -> HeldTable | None:
        """What may leave: nothing unless released, and only rows that every approving checker released."""
        if self.state is not State.RELEASED or self.table is None:
            return None
        if self.fetched:
            return self.table
        wanted = frozenset(range(len(self.table.rows)))
        for decision in self.decisions:
            if decision.rows is not None:
                wanted &= frozenset(decision.rows)
        return self.table.only_rows(wanted)


def new_reference() -> str:
    """`H-` and six random characters of Crockford's base 32, which people can read to each other."""
    return "H-" + "".join(secrets.choice(_CROCKFORD) for _ in range(6))


def canonical_reference(text: str) -> str:
    """A reference as somebody typed it, in its one spelling. Raises UserError."""
    tail = text.strip().upper().removeprefix("H-").translate(_LOOKALIKES)
    if len(tail) != 6 or any(character not in _CROCKFORD for character in tail):
        raise UserError("a reference looks like H-7F3K2M")
    return f"H-{tail}"


def checked_rows(rows: tuple[int, ...] | None, choice: Choice, table: HeldTable) -> tuple[int, ...] | None:
    """The rows of a release in part, sorted. Raises UserError."""
    if rows is None:
        return None
    if choice is not Choice.RELEASE:
        raise UserError("only a release can name rows")
    wanted = tuple(sorted(set(rows)))
    if not wanted or wanted[0] < 0 or wanted[-1] >= len(table.rows):
        raise UserError("a release in part names at least one row, and only rows that the result has")
    return None if len(wanted) == len(table.rows) else wanted


def require(condition: bool, message: str) -> None:
    """Raises IntegrityError with the message unless the condition holds."""
    if not condition:
        raise IntegrityError(message)
