"""Rows about nobody for the small project's tables, chosen to make misreadings visible: wildcards, quotes, case, accents,
blanks, negative numbers, ties, and NULL everywhere."""

# ruff: noqa: E501 (a row is a line)

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
from tests.small_project import population

PERSONS = 150
TEXTS = (
    "F", "M", "f", "", " ", "F ", "a_b", "a%b", "axb", "50%", "é", "e\u0301", "O'Brien", 'say "hi"', "\\", "--x", "NULL", "1", "-3", "E11", "I10",
)  # fmt: skip


def write(path: Path, seed: int) -> None:
    """The small project's tables, filled with rows about nobody."""
    chance = random.Random(seed)
    people = [str(uuid.UUID(int=chance.getrandbits(128), version=4)) for _ in range(PERSONS)]
    with duckdb.connect(str(path)) as connection:
        connection.execute(population.SCHEMA)
        for table, rows in _rows(chance, people).items():
            marks = ", ".join("?" for _ in rows[0])
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


def _rows(chance: random.Random, people: Sequence[str]) -> dict[str, list[tuple[Any, ...]]]:
    def text() -> str | None:
        return chance.choice(TEXTS) if chance.random() > 0.1 else None

    def number(low: int, high: int) -> int | None:
        return chance.randint(low, high) if chance.random() > 0.1 else None

    def real() -> float | None:
        return chance.randint(-40, 200) / 4 if chance.random() > 0.15 else None

    def day() -> date | None:
        return date(2016, 1, 28) + timedelta(chance.randint(0, 2500)) if chance.random() > 0.15 else None

    def moment() -> datetime:
        return datetime(2019, 1, 1) + timedelta(minutes=chance.randint(0, 2_000_000))  # noqa: DTZ001 (no zones in data)

    def flag() -> bool | None:
        return chance.choice((True, False, None))

    places = chance.choices
    return {
        "person": [
            (key, text(), number(-5, 9), number(1930, 1990), text(), number(0, 4), text(), flag(), real(), real(), real(),
             day(), day(), "ungranted", "ungranted")
            for key in people
        ],
        "event": [
            (key, 1000 + index, text(), day(), real(), "ungranted")
            for index, key in enumerate(places(people, k=2 * PERSONS))
        ],
        "admission": [
            (key, 5000 + index, day(), day(), text(), chance.choice((11, 12, 21, 22, 31)),
             Decimal(chance.randint(-5000, 90000)) / 1000, number(0, 1), moment())
            for index, key in enumerate(places(people, k=PERSONS))
        ],
        "secret_note": [(key, "ungranted") for key in people],
        "code_list": [(word, text(), text()) for word in TEXTS],
        "region_size": [(text(), number(-9, 30)) for _ in range(25)],
        "vault": [("ungranted",)],
    }  # fmt: skip
