"""One entry of the decision log and its canonical bytes, which are what the Merkle tree's leaves are made of.

An entry holds ids, counts, rule names and, for queries, the text that was asked. It never holds a value of a
person's row or of a result: people read the log who may read neither (house style, 17).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

JSON = Any
"""None, bool, int, float, str, and lists and string-keyed dicts of these. Checked by `canonical_json`."""

GENESIS = "0" * 64
"""What the first entry names as its predecessor's hash."""

LEAF_PREFIX = b"\x00"


@dataclass(frozen=True, slots=True)
class LogEntry:
    """What somebody decided or did. `at` is aware; `project` is None for acts that concern no single project.

    Kinds in use: landing, opt-out, linkage, provision, query, cohort, hold, review, fetch, login, agreement, key.
    """

    kind: str
    at: datetime
    actor: str
    project: str | None = None
    body: dict[str, JSON] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError("a log entry's time must carry a time zone")
        if not self.kind or not self.actor:
            raise ValueError("a log entry names its kind and its actor")


@dataclass(frozen=True, slots=True)
class SealedEntry:
    """An entry at its place: `index` counts from 0, `previous` is the leaf hash (hex) of the entry before it."""

    index: int
    previous: str
    entry: LogEntry

    def to_json(self) -> dict[str, JSON]:
        """The object whose canonical JSON is the leaf."""
        return {
            "index": self.index,
            "previous": self.previous,
            "kind": self.entry.kind,
            "at": format_time(self.entry.at),
            "actor": self.entry.actor,
            "project": self.entry.project,
            "body": self.entry.body,
        }

    def leaf(self) -> bytes:
        """The bytes that are stored, exported and hashed."""
        return canonical_json(self.to_json())


def leaf_hash(leaf: bytes) -> bytes:
    """RFC 6962, section 2.1: SHA-256(0x00 || leaf)."""
    return hashlib.sha256(LEAF_PREFIX + leaf).digest()


def canonical_json(value: Mapping[str, JSON]) -> bytes:
    """One spelling for one object: UTF-8, keys sorted, no spaces, no NaN. Raises ValueError on anything else.

    This is RFC 8785 but for two details that cannot matter to a log that only Ambergate writes: keys are sorted by
    code point instead of UTF-16 unit, and floats are printed as Python's shortest form.
    """
    _check(value)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def _check(value: JSON) -> None:
    if value is None or isinstance(value, (bool, int, str)):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("a log entry cannot hold NaN or an infinity")
    elif isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise ValueError("a log entry's keys are strings")
        for inner in value.values():
            _check(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _check(inner)
    else:
        raise ValueError(f"a log entry cannot hold a {type(value).__name__}")


def format_time(at: datetime) -> str:
    """UTC with microseconds and a Z, always 27 characters, so that text order is time order."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime:
    """The inverse of `format_time`. Raises ValueError."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
