"""A certificate shows what the exact count would show, or asks for it: random data around every boundary."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
import pyarrow as pa
import pytest
from tests.differential import worlds
from tests.small_project import gates

from ambergate_extension.pipeline import Gate
from ambergate_policies import certificates, ranges
from ambergate_policies.catalogue import PersonIndex
from ambergate_policies.certificates import Certified
from ambergate_policies.kernel import Kernel
from ambergate_policies.places import ONLY_INDEX, PERSON_INDEX
from ambergate_policies.prepared import PreparedBoundary

PERSONS = 400
SMALL = {"SAMPLED": 3, "FEWEST_SAMPLED": 1}
"""So few persons have certificates too, with a sample of them that misses some."""
TYPES = {
    "person": {"sex": "VARCHAR", "area": "VARCHAR", "born": "INTEGER"},
    "event": {"code": "VARCHAR", "on_day": "DATE", "value": "DOUBLE", "stay": "INTEGER", "urgent": "BOOLEAN"},
}
QUERIES = (
    "SELECT code, count(*) AS n FROM event GROUP BY code",
    "SELECT count(*) AS n, sum(value) AS s, avg(value) AS m FROM event",
    "SELECT code, urgent, count(*) AS n, count(value) AS filled FROM event GROUP BY code, urgent",
    "SELECT code, sum(stay) AS s, avg(stay) AS m FROM event GROUP BY code",
    "SELECT code, year(on_day) AS y, avg(value) AS m, stddev(value) AS d FROM event GROUP BY ALL",
    "SELECT code, var_pop(value) AS v, sum(value) AS s FROM event GROUP BY code",
    "SELECT code, count(*) FILTER (WHERE urgent) AS u, avg(CASE WHEN urgent THEN 1 ELSE 0 END) AS p FROM event "
    "GROUP BY code",
    "SELECT code, count(*) FILTER (WHERE stay >= 0) AS everyone FROM event GROUP BY code",
    "SELECT p.area, count(*) AS n, sum(e.value) AS s FROM person p JOIN event e ON e.person_id = p.person_id "
    "GROUP BY p.area",
    "SELECT p.sex, count(DISTINCT e.person_id) AS n, median(e.value) AS m FROM person p JOIN event e "
    "ON e.person_id = p.person_id GROUP BY p.sex",
    "SELECT p.sex, e.code, avg(e.value) AS m FROM person p LEFT JOIN event e ON e.person_id = p.person_id GROUP BY ALL",
    "SELECT p.area, count(*) FILTER (WHERE e.value > 150) AS high FROM person p JOIN event e USING (person_id) "
    "GROUP BY p.area",
    "SELECT e.code, count(*) AS n FROM event e SEMI JOIN person p ON p.person_id = e.person_id AND p.sex = 'F' "
    "GROUP BY e.code",
    "SELECT code, n, count(*) AS persons FROM (SELECT person_id, code, count(*) AS n FROM event GROUP BY ALL) t "
    "GROUP BY code, n",
    "SELECT code, count(*) AS n FROM (SELECT person_id, code FROM event WHERE code = 'C1' UNION ALL "
    "SELECT person_id, code FROM event WHERE code = 'C7') u GROUP BY code",
)


@dataclass
class World:
    """Rows in which groups of every size lie around the thresholds; some with one person who has most of it."""

    seed: int
    pack: str
    people: list[int] = field(default_factory=list)
    tables: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        chance = random.Random(self.seed)
        self.people = list(range(PERSONS))
        self.tables["person"] = [
            (person, chance.choice("FM"), f"A{min(9, int(chance.expovariate(0.5)))}", chance.randint(1930, 2010))
            for person in self.people
        ]
        self.tables["event"] = [row for person in self.people for row in _events(chance, person)]
        heavy = chance.choice(self.people)
        for _ in range(chance.choice((0, 40, 400))):
            self.tables["event"].append((heavy, "C1", date(2020, 1, 1), chance.choice((1e3, 1e6, 1e120)), 90, True))
        self.tables["event"].sort(key=lambda row: int(row[0]))

    def write(self, path: Path) -> None:
        with duckdb.connect(str(path)) as connection:
            for name, columns in TYPES.items():
                index = ONLY_INDEX if name == "person" else PERSON_INDEX
                names = [index, *columns]
                found = dict(zip(names, map(list, zip(*self.tables[name], strict=True)), strict=True))
                connection.register("found", pa.table(found))
                spelled = ", ".join(f"CAST({column} AS {kind}) AS {column}" for column, kind in columns.items())
                index = f'"{index}"'
                connection.execute(
                    f"CREATE TABLE {name} AS SELECT md5({index}::VARCHAR)::UUID AS person_id, {spelled}, "
                    f"{index}::UINTEGER AS {index} FROM found"
                )
                connection.unregister("found")

    def kernel(self) -> Kernel:
        columns = {name: tuple(kinds) for name, kinds in TYPES.items()}
        grants = [
            {"table": name, "clause": "1", "reason": "r", "columns": granted} for name, granted in columns.items()
        ]
        catalogue = worlds.catalogue_of(TYPES, dict.fromkeys(TYPES, "person_id"))
        for name, table in catalogue.tables.items():
            index = PersonIndex(persons=PERSONS, unique=name == "person")
            catalogue.tables[name] = table.model_copy(update={"index": index})
        return Kernel(catalogue, worlds.agreement_of(grants, self.pack), gates.pack(self.pack))


def _events(chance: random.Random, person: int) -> Iterator[tuple[Any, ...]]:
    for _ in range(min(60, int(chance.expovariate(0.25)))):
        number = min(14, int(chance.expovariate(0.35)))
        value = chance.choice((None, 0.0, 100 + chance.gauss(0, 30), 100 + chance.gauss(0, 30)))
        if number == 3:
            value = 7.0  # all equal
        elif number == 4 and person % 97 == 0:
            value = 1e5  # a few far away
        elif number == 5:
            value = 0.0 if chance.random() < 0.97 else 4.0
        stay = None if number == 6 else int(chance.expovariate(0.3))
        urgent = chance.random() < (0.02, 0.5, 0.98)[number % 3]
        yield person, f"C{number}", date(2018, 1, 1) + timedelta(chance.randint(0, 1400)), value, stay, urgent


@dataclass
class Seen:
    certified: int = 0
    uncertain: int = 0
    whole: int = 0


@contextmanager
def _gate(world: World, database: Path, temp: Path) -> Iterator[Gate]:
    gate = gates.near_gate(database, temp, world.kernel())
    yield gate
    gate.close()


def _noting(seen: Seen) -> Any:
    plain = PreparedBoundary.certify

    def certify(self: PreparedBoundary, rows: Any) -> Certified:
        found = plain(self, rows)
        seen.certified += len(found.rows)
        seen.uncertain += len(found.uncertain or [])
        seen.whole += found.uncertain is None
        return found

    return certify


@pytest.mark.parametrize("seed", range(6))
def test_certified_and_exact_show_the_same(seed: int, tmp_path: Path) -> None:
    world = World(seed, worlds.PACKS[seed % len(worlds.PACKS)])
    database = tmp_path / "world.duckdb"
    world.write(database)
    seen = Seen()
    with _gate(world, database, tmp_path / "temp") as gate:
        for sql in QUERIES:
            with (
                patch.object(ranges, "WORTHWHILE", 1),
                patch.multiple(certificates, **SMALL),
                patch.object(PreparedBoundary, "certify", _noting(seen)),
            ):
                certified = gate.answer(sql)
            exact = gate.answer(sql)
            assert exact.verdict in ("released", "held"), (sql, exact.findings)
            assert certified.verdict == exact.verdict, sql
            assert _shown(certified) == _shown(exact), (seed, sql)
            assert certified.withheld_groups <= exact.withheld_groups
    assert seen.certified > 20
    assert seen.uncertain > 10
    assert seen.whole > 0


def _shown(answer: Any) -> Any:
    if answer.table is None:
        return answer.verdict
    mask = zip(*(column.to_pylist() for column in answer.mask.columns), strict=True)
    rows = [tuple(_near(value) for value in row) for row in gates.rows_of(answer)]
    return sorted(map(repr, zip(rows, mask, strict=True)))


def _near(value: Any) -> Any:
    return float(f"{value:.9e}") if isinstance(value, float) else value
