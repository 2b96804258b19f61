"""Random worlds: a catalogue, an agreement, a rule pack and rows, small enough that groups lie around the threshold."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from ambergate_policies.agreement import Agreement
from ambergate_policies.catalogue import Catalogue
from ambergate_policies.kernel import Kernel
from ambergate_policies.packs import read_pack
from ambergate_policies.places import ONLY_INDEX, PERSON_INDEX

Tables = dict[str, list[dict[str, Any]]]
PACKS = ("strict-registry", "midpoint6", "nhs-hes", "nhse-sde", "sdc-default", "ess-net", "opensafely")
TYPES = ("INTEGER", "VARCHAR", "DOUBLE", "DATE", "BOOLEAN")
OWNERS = ("pid", "person_id", "subject")
ROLE = {"INTEGER": "quasi-identifier", "VARCHAR": "code", "DOUBLE": "measure", "DATE": "date", "BOOLEAN": "code"}
FIRST_DAY, LAST_DAY = date(2015, 1, 1), date(2019, 12, 31)


@dataclass(frozen=True)
class World:
    """Everything a run needs. `types` are the granted columns of each table with their types."""

    seed: int
    types: dict[str, dict[str, str]]
    owners: dict[str, str | None]
    tables: Tables
    kernel: Kernel
    numbers: dict[str, int]
    """The dense index of every person; empty in a world whose tables have none."""

    def with_person_changed(self, chance: random.Random) -> World:
        """The same world but for the values (and the number of rows) of one person."""
        people = sorted({row[owner] for name, owner in self.owners.items() if owner for row in self.tables[name]})
        target = chance.choice(people)
        tables = dict(self.tables)
        for name, owner in self.owners.items():
            if owner is not None:
                tables[name] = _changed(chance, self, name, owner, target)
        return replace(self, tables=tables)

    def write(self, path: Path) -> None:
        """The world as a plain DuckDB file."""
        with duckdb.connect(str(path)) as connection:
            for name, columns in self._stored().items():
                spelled = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
                connection.execute(f'CREATE TABLE "{name}" ({spelled})')
                rows = [tuple(row[column] for column in columns) for row in self.tables[name]]
                if rows:
                    marks = ", ".join("?" for _ in columns)
                    connection.executemany(f'INSERT INTO "{name}" VALUES ({marks})', rows)

    def _stored(self) -> dict[str, dict[str, str]]:
        return {
            name: ({owner: "UUID"} if (owner := self.owners[name]) else {}) | columns | self._index(name)
            for name, columns in self.types.items()
        }

    def _index(self, table: str) -> dict[str, str]:
        return {_index_of(table): "UINTEGER"} if self.numbers and self.owners[table] else {}


def _index_of(table: str) -> str:
    """Only the first table has one row per person."""
    return ONLY_INDEX if table == "t0" else PERSON_INDEX


def make(seed: int) -> World:
    """The world of a seed."""
    chance = random.Random(seed)
    types: dict[str, dict[str, str]] = {}
    owners: dict[str, str | None] = {}
    for index in range(chance.randint(1, 3)):
        kinds = [*TYPES, *(chance.choice(TYPES) for _ in range(chance.randint(0, 3)))]
        types[f"t{index}"] = {f"{kind[0].lower()}{place}": kind for place, kind in enumerate(kinds)}
        owners[f"t{index}"] = chance.choice(OWNERS)
    types["ref"], owners["ref"] = {"code": "VARCHAR", "label": "VARCHAR", "weight": "DOUBLE"}, None
    people = [str(uuid.UUID(int=chance.getrandbits(128))) for _ in range(chance.randint(12, 60))]
    tables: Tables = {
        "ref": [{"code": code, "label": f"L{code}", "weight": float(place)} for place, code in enumerate("ABCD")]
    }
    numbers = {person: number for number, person in enumerate(sorted(people))} if seed % 2 else {}
    world = World(seed, types, owners, tables, _kernel(chance, types, owners, len(numbers)), numbers)
    for name, owner in owners.items():
        if owner is not None:
            tables[name] = [
                row for person in people for row in _rows(chance, world, name, owner, person) if chance.random() > 0.05
            ]
    return world


def _rows(chance: random.Random, world: World, table: str, owner: str, person: str) -> list[dict[str, Any]]:
    number = 1 if table == "t0" else chance.choices((0, 1, 2, 5), (25, 35, 30, 10))[0]
    index = {_index_of(table): world.numbers[person]} if world.numbers else {}
    return [
        {owner: person} | index | {column: _value(chance, kind) for column, kind in world.types[table].items()}
        for _ in range(number)
    ]


def _value(chance: random.Random, kind: str) -> Any:
    if chance.random() < 0.08:
        return None
    match kind:
        case "INTEGER":
            return chance.randint(0, 9)
        case "VARCHAR":
            return chance.choices("ABCDEé", (40, 25, 15, 10, 6, 4))[0]
        case "DOUBLE":
            return chance.choices((chance.randint(0, 40) / 2, 500.0, 0.0), (90, 2, 8))[0]
        case "DATE":
            return date(2014, 6, 1) + timedelta(chance.randint(0, 2200))
        case _:
            return chance.random() < 0.5


def _changed(chance: random.Random, world: World, table: str, owner: str, target: Any) -> list[dict[str, Any]]:
    others = [row for row in world.tables[table] if row[owner] != target]
    own = _rows(chance, world, table, owner, target)
    if chance.random() < 0.5:  # values that nobody else has
        for row in own:
            for column, kind in world.types[table].items():
                extreme = {"VARCHAR": "ONLY", "INTEGER": 2_000_000_000, "DOUBLE": 1e12, "DATE": date(9000, 1, 1)}
                row[column] = extreme.get(kind, row[column])
    return [*others, *own]


def _kernel(
    chance: random.Random, types: dict[str, dict[str, str]], owners: dict[str, str | None], numbered: int
) -> Kernel:
    grants = []
    for name, columns in types.items():
        grant: dict[str, Any] = {"table": name, "clause": f"5.{name}", "reason": "random", "columns": tuple(columns)}
        day = next((column for column, kind in columns.items() if kind == "DATE"), None)
        if day and chance.random() < 0.3:
            grant["period"] = {"column": day, "first": FIRST_DAY, "last": LAST_DAY}
        if owners[name] and chance.random() < 0.2:
            code = next(column for column, kind in columns.items() if kind == "VARCHAR")
            grant["cohort"] = {"column": code, "values": ("A", "B", "C")}
        grants.append(grant)
    pack = chance.choice(PACKS)
    return Kernel(catalogue_of(types, owners, numbered), agreement_of(grants, pack), read_pack(pack))


def catalogue_of(types: dict[str, dict[str, str]], owners: dict[str, str | None], numbered: int = 0) -> Catalogue:
    """The catalogue of such tables. numbered: how many persons the dense index counts; 0 where there is none."""
    opt_out = {"type_1": False, "national": False, "reason": "random"}
    tables: dict[str, dict[str, Any]] = {}
    for name, columns in types.items():
        owner = owners[name]
        declared = {
            column: {"type": kind, "role": ROLE[kind] if owner else "reference"} for column, kind in columns.items()
        }
        tables[name] = {"source": "s", "kind": "person" if owner else "reference", "owner": owner, "columns": declared}
        if owner and numbered:
            tables[name]["index"] = {"persons": numbered, "unique": _index_of(name) == ONLY_INDEX}
    source = {"title": "s", "supplier": "s", "legal_basis": "none", "opt_out": opt_out}
    return Catalogue.model_validate(
        {"catalogue": "random", "version": "1", "title": "random", "sources": {"s": source}, "tables": tables}
    )


def agreement_of(grants: list[dict[str, Any]], pack: str) -> Agreement:
    persons = [{"name": "A", "account": "amara", "trained_on": date(2026, 1, 1)}]
    none = "none"
    return Agreement.model_validate(
        {
            "agreement": "AG-RANDOM", "version": "1", "project": "random", "title": none, "lay_summary": none,
            "parties": {
                "controllers": [none], "organisation": {"name": none, "sector": "academic"}, "persons": persons,
            },
            "purpose": {
                "category": "research", "objective": none, "processing": none, "expected_outputs": none,
                "expected_benefit": none,
            },
            "data": {"catalogue": "random", "tables": grants},
            "law": {
                "statutory_basis": none, "gdpr_article_6": none, "gdpr_article_9": none, "common_law": "consent",
                "opt_outs_applied": False, "opt_outs_reason": none,
            },
            "terms": {"start": date(2026, 1, 1), "end": date(2027, 1, 1), "territory": "worldwide", "rule_pack": pack},
        }
    )  # fmt: skip
