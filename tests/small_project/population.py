"""A project database of 2,000 invented persons, with canaries: values that no answer may ever show.

A canary stands where only one person, an ungranted column, an ungranted table or a filtered row has it."""

from __future__ import annotations

import random
import uuid
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import duckdb

CANARY = "CANARY"
CANARY_NUMBER = 77315.5
"""Texts hold the word; numbers and dates that only one person has are looked for by their digits."""
CANARY_MARKS = (CANARY, "canary", "77315", "1911-11-11", "7731501")
PERSONS = 2000

REGIONS = ("London", "North East", "North West", "South East", "South West", "Wales")
CODES = ("E11", "I10", "J45", "C50", "F32", "N18", "I21", "I63")
TERMS = {
    "E11": ("Type 2 diabetes", "Endocrine"), "I10": ("Hypertension", "Circulatory"), "J45": ("Asthma", "Respiratory"),
    "C50": ("Breast cancer", "Neoplasms"), "F32": ("Depression", "Mental"), "N18": ("Kidney disease", "Genitourinary"),
    "I21": ("Myocardial infarction", "Circulatory"), "I63": ("Stroke", "Circulatory"),
}  # fmt: skip

SCHEMA = """
CREATE TABLE person (person_id UUID, sex VARCHAR, age INTEGER, birth_year INTEGER, region VARCHAR, imd INTEGER,
  ethnicity VARCHAR, smoker BOOLEAN, bmi DOUBLE, weight DOUBLE, height DOUBLE, registered_on DATE, died_on DATE,
  practice VARCHAR, free_text VARCHAR);
CREATE TABLE event (person_id UUID, event_id BIGINT, code VARCHAR, happened_on DATE, value DOUBLE, clinician VARCHAR);
CREATE TABLE admission (patient UUID, admission_id BIGINT, admitted_on DATE, discharged_on DATE, diagnosis VARCHAR,
  method INTEGER, cost DECIMAL(18,3), emergency INTEGER, arrived_at TIMESTAMP);
CREATE TABLE secret_note (person_id UUID, note VARCHAR);
CREATE TABLE code_list (code VARCHAR, term VARCHAR, chapter VARCHAR);
CREATE TABLE region_size (region VARCHAR, population BIGINT);
CREATE TABLE vault (word VARCHAR);
"""

Row = tuple[Any, ...]


def write(path: Path, persons: int = PERSONS, seed: int = 20261122) -> None:
    """Make the database file at `path`, a plain one."""
    tables = rows(persons, seed)
    with duckdb.connect(str(path)) as connection:
        connection.execute(SCHEMA)
        for table, content in tables.items():
            marks = ", ".join("?" for _ in content[0])
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", content)


def rows(persons: int, seed: int) -> dict[str, list[Row]]:
    """The rows of every table. The person with index 0 carries the canaries."""
    chance = random.Random(seed)
    keys = [str(uuid.UUID(int=chance.getrandbits(128), version=4)) for _ in range(persons)]
    tables: dict[str, list[Row]] = {"person": [], "event": [], "admission": [], "secret_note": []}
    for index, key in enumerate(keys):
        tables["person"].append(_person(chance, key, index))
        tables["event"] += _events(chance, key, index)
        tables["admission"] += _admissions(chance, key, index)
        tables["secret_note"].append((key, f"{CANARY} note {index}"))
    tables["code_list"] = [(code, *TERMS[code]) for code in CODES]
    tables["region_size"] = [(region, 100_000 * (place + 1)) for place, region in enumerate(REGIONS)]
    tables["vault"] = [(f"{CANARY} vault",)]
    return tables


def _person(chance: random.Random, key: str, index: int) -> Row:
    age = chance.randint(18, 95)
    height = round(chance.gauss(170, 10), 1)
    bmi = round(chance.gauss(27, 4), 1) if chance.random() > 0.05 else None
    weight = None if bmi is None else round(bmi * (height / 100) ** 2, 1)
    died = date(2020, 1, 1) + timedelta(chance.randint(0, 1500)) if chance.random() < 0.08 else None
    canary = index == 0
    return (
        key,
        chance.choice("FM"),
        age,
        2025 - age,
        f"{CANARY} Isle" if canary else chance.choice(REGIONS),
        chance.randint(1, 5),
        chance.choices(("White", "Asian", "Black", "Mixed", None), (80, 9, 5, 4, 2))[0],
        chance.random() < 0.2,
        CANARY_NUMBER if canary else bmi,
        weight,
        height,
        date(2010, 1, 1) + timedelta(chance.randint(0, 3000)),
        date(1911, 11, 11) if canary else died,
        f"{CANARY} practice {index % 20}",
        f"{CANARY} text",
    )


def _events(chance: random.Random, key: str, index: int) -> list[Row]:
    found: list[Row] = []
    for number in range(chance.choices((0, 1, 2, 4, 8), (20, 30, 25, 20, 5))[0]):
        day = date(2013, 1, 1) + timedelta(chance.randint(0, 4300))
        code = chance.choices(CODES, (20, 30, 20, 8, 12, 6, 3, 1))[0]
        value = round(chance.gauss(50, 15), 1) if chance.random() > 0.1 else None
        found.append((key, 1_000_000 + index * 10 + number, code, day, value, f"{CANARY} clinician"))
    if index == 0:
        found.append((key, 7_731_501, f"{CANARY}1", date(2020, 5, 5), CANARY_NUMBER, "nobody"))
    return found


def _admissions(chance: random.Random, key: str, index: int) -> list[Row]:
    found: list[Row] = []
    for number in range(chance.choices((0, 1, 2, 6), (60, 25, 12, 3))[0]):
        admitted = date(2018, 1, 1) + timedelta(chance.randint(0, 2400))
        left = admitted + timedelta(chance.choices((0, 1, 3, 10, 40), (30, 30, 20, 15, 5))[0])
        method = chance.choice((11, 12, 21, 22, 31))
        emergency = int(method >= 21)
        cost = round(chance.lognormvariate(7, 0.8), 3)
        arrived = datetime.combine(admitted, time(chance.randint(0, 23), chance.randint(0, 59)))
        diagnosis = f"{CANARY}2" if method == 31 else chance.choice(CODES)
        found.append(
            (key, 2_000_000 + index * 10 + number, admitted, left, diagnosis, method, cost, emergency, arrived)
        )
    return found
