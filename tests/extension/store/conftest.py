"""A real store in a folder of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ambergate_extension.store import HeldTable, Store
from ambergate_policies.log import LogEntry

AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@dataclass
class Place:
    """Where the store lives, and a way into its file past everything that guards it."""

    folder: Path

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / 'store.db'}"

    def open(self, **options: Any) -> Store:
        return Store.open(self.url, self.folder / "keys", self.folder / "log", **options)

    def tamper(self, *statements: str) -> None:
        """Run SQL on the file with all triggers dropped, as somebody with the disk could."""
        with closing(sqlite3.connect(self.folder / "store.db")) as connection:
            triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for (name,) in triggers:
                connection.execute(f"DROP TRIGGER {name}")
            for statement in statements:
                connection.execute(statement)
            connection.commit()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    opened = place.open()
    yield opened
    opened.close()


def query_entry(number: int = 0, verdict: str = "released", actor: str = "amara") -> LogEntry:
    return LogEntry("query", AT, actor, "cardio-outcomes", {"verdict": verdict, "number": number})


def held_table(checkers_required: int = 1) -> HeldTable:
    return HeldTable(
        project="cardio-outcomes",
        account="amara",
        agreement="DSA-1",
        sql="SELECT region, sum(cost) FROM spells GROUP BY region",
        columns=("region", "cost"),
        rows=(("North", 1200), ("South", 31), ("West", None)),
        flagged=((1, 1),),
        findings=({"rule": "AG-101", "message": "one person dominates", "cell": [1, 1]},),
        checkers_required=checkers_required,
    )


def hold(store: Store, checkers_required: int = 1) -> str:
    return store.hold(query_entry(verdict="held"), held_table(checkers_required))
