"""The whole gate beside plain DuckDB, on the same data in the same run, as ratios of time.

    python bench/kernel.py                       1,000,000 persons, 50,000,000 events: some minutes
    python bench/kernel.py --persons 100000      5,000,000 events
    python bench/kernel.py --data FILE           keeps the data there, and uses it again

Per query: plain DuckDB in this process, the gate (check, bound plan, statistics, recounts, clearing, post-processing;
engine in its own process, no notebook), and two peers that do much less: the naive protection in DuckDB
(`HAVING count(DISTINCT person) >= 10`), and the same in DataFusion, over the same rows as Parquet, if it is installed
(`pip install datafusion`; it is no dependency of the project). All with two threads. Ratios by the clock and by
processor time (of all processes of the gate); on a busy machine only the second means much.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
from kernel_corpus import CORPUS, Question

from ambergate_extension.engine import EngineProcess
from ambergate_extension.pipeline import Gate, kernel_for
from ambergate_extension.replay import NothingRecorded
from ambergate_policies.agreement import Agreement
from ambergate_policies.catalogue import Catalogue
from ambergate_policies.places import ONLY_INDEX, PERSON_INDEX

MINIMUM = 10
THREADS = 2
EVENTS_EACH = 50
INDEX = f'"{PERSON_INDEX}"'


def make_database(path: Path, persons: int) -> None:
    """Persons and events as provisioning leaves them: pseudonyms, the dense index in their order, clustered by it.

    A few persons have most of the rows, a few codes too, some values are missing."""
    connection = duckdb.connect(str(path))
    connection.execute(f"SET memory_limit = '4GB'; SET threads = {THREADS}")
    connection.execute(
        f"CREATE TEMP TABLE ids AS SELECT (row_number() OVER (ORDER BY id) - 1)::UINTEGER AS ix, id "
        f"FROM (SELECT md5(range::VARCHAR)::UUID AS id FROM range({persons}))"
    )
    connection.execute(
        f"CREATE TABLE person AS SELECT id AS person_id, if(hash(ix) % 2 = 0, 'F', 'M') AS sex, "
        f"(1930 + hash(ix, 1) % 80)::INTEGER AS birth_year, 'R' || (hash(ix, 2) % 9) AS region, "
        f'ix AS "{ONLY_INDEX}" FROM ids ORDER BY ix'
    )
    connection.execute(
        "CREATE TABLE area AS SELECT 'R' || range AS region, (range % 5)::INTEGER AS deprived FROM range(9)"
    )
    unit = "(hash(range, {}) % 1000003) / 1000003.0"
    connection.execute(
        f"CREATE TABLE event AS SELECT i.id AS person_id, 'C' || code AS code, event_date, setting, value, "
        f"ix AS {INDEX} "
        f"FROM (SELECT (hash(({persons} * pow({unit.format(3)}, 1.6))::UBIGINT, 77) % {persons})::UINTEGER AS ix, "
        f"(500 * pow({unit.format(4)}, 2))::INTEGER AS code, "
        "DATE '2015-01-01' + (hash(range, 5) % 3650)::INTEGER AS event_date, "
        "['practice', 'outpatient', 'inpatient', 'emergency'][(1 + hash(range, 6) % 4)::INTEGER] AS setting, "
        f"if(hash(range, 7) % 20 = 0, NULL, round(exp(4.5 + 0.4 * sqrt(-2 * ln({unit.format(8)} + 1e-9)) "
        f"* cos(6.283 * {unit.format(9)})), 1)) AS value FROM range({persons * EVENTS_EACH})) "
        "JOIN ids AS i USING (ix) ORDER BY ix, event_date"
    )
    connection.close()


def documents(persons: int) -> tuple[Catalogue, Agreement]:
    """A catalogue and an agreement over that database."""
    group = {"role": "quasi-identifier"}
    tables = {
        "person": {"source": "s", "owner": "person_id", "index": {"persons": persons, "unique": True}, "columns": {
            "sex": group, "region": group, "birth_year": {"type": "INTEGER", **group}}},
        "event": {"source": "s", "owner": "person_id", "index": {"persons": persons}, "columns": {
            "code": {"role": "code"}, "setting": {"role": "code"}, "event_date": {"type": "DATE", "role": "date"},
            "value": {"type": "DOUBLE", "role": "measure"}}},
        "area": {"source": "s", "kind": "reference", "columns": {
            "region": {"role": "reference"}, "deprived": {"type": "INTEGER", "role": "reference"}}},
    }  # fmt: skip
    return Catalogue.model_validate(
        {
            "catalogue": "bench", "version": "1", "title": "bench", "tables": tables,
            "sources": {"s": {"title": "s", "supplier": "s", "legal_basis": "none",
                              "opt_out": {"type_1": False, "national": False, "reason": "synthetic"}}},
        },
    ), agreement(tables)  # fmt: skip


def agreement(tables: dict[str, Any]) -> Agreement:
    """Grants every column of every table."""
    grants = [
        {"table": name, "clause": str(place), "reason": "r", "columns": tuple(table["columns"])}
        for place, (name, table) in enumerate(tables.items(), start=1)
    ]
    return Agreement.model_validate(
        {
            "agreement": "BENCH-1", "version": "1", "project": "bench", "title": "bench", "lay_summary": "bench",
            "parties": {"controllers": ["c"], "organisation": {"name": "o", "sector": "academic"},
                        "persons": [{"name": "b", "account": "bench", "trained_on": "2026-01-01"}]},
            "purpose": {"category": "research", "objective": "o", "processing": "p", "expected_outputs": "e",
                        "expected_benefit": "b"},
            "data": {"catalogue": "bench", "tables": grants},
            "law": {"statutory_basis": "s", "gdpr_article_6": "6", "gdpr_article_9": "9", "common_law": "none",
                    "opt_outs_applied": False, "opt_outs_reason": "synthetic"},
            "terms": {"start": date(2020, 1, 1), "end": date(2099, 1, 1), "rule_pack": "nhse-sde",
                      "territory": "worldwide"},
        },
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds on the clock, and of processor time in this process and the engine's worker."""

    wall: float
    cpu: float


@dataclass
class Contest:
    """The engines over one database, and the ratios so far."""

    plain: duckdb.DuckDBPyConnection
    gate: Gate
    engine: EngineProcess
    fusion: Any
    runs: int
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    parts: dict[str, float] = field(default_factory=dict)

    def ask(self, question: Question) -> str:
        """One line of the report: plain milliseconds, ratios, the gate's parts."""
        naive = None if question.person is None else protected(question)
        ways: dict[str, Callable[[], object]] = {
            "plain": lambda: self.plain.execute(question.sql).fetchall(),
            "gate": lambda: self._gate(question),
        }
        if naive is not None:
            ways["naive"] = lambda: self.plain.execute(naive).fetchall()
            if self.fusion is not None:
                ways["fusion"] = lambda: self.fusion.sql(naive).collect()
        costs = {name: cost for name, way in ways.items() if (cost := self._cost(name, way)) is not None}
        plain, gate = costs["plain"], costs["gate"]
        self.wall.append(gate.wall / plain.wall)
        self.cpu.append(gate.cpu / plain.cpu)
        peers = "".join(
            f"{costs[name].cpu / plain.cpu:8.1f}" if name in costs else f"{'-':>8}" for name in ("naive", "fusion")
        )
        parts = " ".join(f"{part} {ms:.0f}" for part, ms in self.parts.items())
        mine = f"{plain.wall * 1000:8.0f} {plain.cpu * 1000:8.0f} {self.wall[-1]:6.2f} {self.cpu[-1]:6.2f}"
        return f"{question.name:30} {mine}{peers}   {parts}"

    def _cost(self, name: str, way: Callable[[], object]) -> Cost | None:
        """The least of some runs: what else the machine did only ever adds. One run before warms the files."""
        found = []
        for _ in range(self.runs + 1):
            began, busy = time.perf_counter(), self._busy()
            try:
                way()
            except Exception as error:
                if name != "fusion":
                    raise
                print(f"  (DataFusion cannot: {type(error).__name__})")  # its dialect has no such syntax
                return None
            found.append(Cost(time.perf_counter() - began, self._busy() - busy))
        return Cost(min(cost.wall for cost in found[1:]), max(1e-4, min(cost.cpu for cost in found[1:])))

    def _busy(self) -> float:
        """Processor seconds so far, of this process and the engine's."""
        worker = self.engine._process
        return time.process_time() + (0.0 if worker is None else processor_seconds(worker.pid))

    def _gate(self, question: Question) -> None:
        answer = self.gate.answer(question.sql)
        if answer.verdict != "released":
            raise SystemExit(f"{question.name}: {answer.verdict}: {[f.message for f in answer.findings]}")
        self.parts = answer.ms


def processor_seconds(root: int) -> float:
    """What a process and those that it started have used so far (proc(5): parent, utime, stime)."""
    used: dict[int, tuple[int, int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            used[int(path.parent.name)] = int(fields[1]), int(fields[11]) + int(fields[12])
    family, size = {root}, 0
    while len(family) > size:
        size = len(family)
        family |= {process for process, (parent, _) in used.items() if parent in family}
    return sum(used[process][1] for process in family if process in used) / os.sysconf("SC_CLK_TCK")


def protected(question: Question) -> str:
    """The naive protection: HAVING behind the last GROUP BY, or at the end where there is none."""
    sql, _, order = question.sql.partition(" ORDER BY ") if "QUALIFY" not in question.sql else (question.sql, "", "")
    having = f"{sql} HAVING count(DISTINCT {question.person}) >= {MINIMUM}"
    return f"{having} ORDER BY {order}" if order else having


def data_fusion(plain: duckdb.DuckDBPyConnection, folder: Path) -> Any:
    """DataFusion over the same rows, or None where it is not installed."""
    if importlib.util.find_spec("datafusion") is None:
        print("DataFusion is not installed: no second peer (pip install datafusion)")
        return None
    import datafusion

    context = datafusion.SessionContext(datafusion.SessionConfig().with_target_partitions(THREADS))
    for name in ("person", "event", "area"):
        path = folder / f"{name}.parquet"
        if not path.exists():
            key = "" if name == "area" else "REPLACE (person_id::VARCHAR AS person_id)"
            plain.execute(f"COPY (SELECT * {key} FROM {name}) TO '{path}' (FORMAT parquet)")
        context.register_parquet(name, str(path))
    return context


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--persons", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--data", type=Path, help="a DuckDB file to keep")
    parser.add_argument("--only", default="", help="questions whose name holds this")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.data or Path(folder) / "bench.duckdb"
        if not path.exists():
            make_database(path, options.persons)
        compete(path, options)


def compete(path: Path, options: argparse.Namespace) -> None:
    plain = duckdb.connect(str(path), read_only=True)
    plain.execute(f"SET threads = {THREADS}")
    persons = plain.execute("SELECT count(*) FROM person").fetchall()[0][0]
    catalogue, granted = documents(persons)
    engine = EngineProcess(path, None)
    engine.start()
    gate = Gate(kernel=kernel_for(granted, catalogue), engine=engine, recorder=NothingRecorded(), account="bench")
    with suppress(KeyboardInterrupt):
        contest = Contest(plain, gate, engine, data_fusion(plain, path.parent), options.runs)
        print(f"{persons:,} persons, {persons * EVENTS_EACH:,} events, least of {options.runs} runs")
        print(f"{'':30} {'plain (ms)':>17} {'gate':>13} {'naive':>8} {'fusion':>7}   gate's parts")
        print(f"{'question':30} {'wall':>8} {'cpu':>8} {'wall':>6} {'cpu':>6} {'cpu':>7} {'cpu':>7}   (ms)")
        for question in CORPUS:
            if options.only in question.name:
                print(contest.ask(question), flush=True)
        for word, ratios in (("clock", contest.wall), ("processor", contest.cpu)):
            print(f"gate beside plain by {word}: median {statistics.median(ratios):.2f}, worst {max(ratios):.2f}")
    gate.close()


if __name__ == "__main__":
    main()
