"""The gate beside plain DuckDB: the same questions on the same data in the same run, as ratios.

    python bench/gate.py --persons 200000 --events 5000000

Three columns per query: plain DuckDB, the naive protection (`HAVING count(DISTINCT person) >= 10`), and the whole gate
(check, bound plan, statistics, clearing, post-processing, without a notebook). Wall-clock medians of interleaved runs.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb

from ambergate_extension.engine import EngineProcess
from ambergate_extension.pipeline import Gate, kernel_for
from ambergate_extension.replay import NothingRecorded
from ambergate_policies.agreement import Agreement
from ambergate_policies.catalogue import Catalogue

PERSON = ("sex", "birth_year", "region")
EVENT = ("code", "event_date", "value")

QUERIES = {
    "count by region": ("SELECT region, count(*) AS n FROM person GROUP BY region", "person_id"),
    "count by code and year": (
        "SELECT code, year(event_date) AS y, count(*) AS n FROM event GROUP BY 1, 2",
        "person_id",
    ),
    "sum and mean by code": ("SELECT code, sum(value) AS s, avg(value) AS m FROM event GROUP BY code", "person_id"),
    "persons by sex with a code": (
        "SELECT p.sex, count(DISTINCT p.person_id) AS n FROM person p JOIN event e ON e.person_id = p.person_id "
        "WHERE e.code = 'C7' GROUP BY p.sex",
        "p.person_id",
    ),
    "proportion by region": (
        "SELECT p.region, avg(CASE WHEN e.value > 150 THEN 1 ELSE 0 END) AS high FROM person p "
        "JOIN event e ON e.person_id = p.person_id GROUP BY p.region",
        "p.person_id",
    ),
    "grand total": ("SELECT count(*) AS n, avg(value) AS m FROM event", "person_id"),
}


def make_database(path: Path, persons: int, events: int) -> None:
    """Persons and events, clustered by person, as provisioning leaves them."""
    connection = duckdb.connect(str(path))
    connection.execute(
        "CREATE TABLE person AS SELECT md5(range::VARCHAR)::UUID AS person_id, "
        "if(hash(range) % 2 = 0, 'F', 'M') AS sex, (1930 + hash(range, 1) % 80)::INTEGER AS birth_year, "
        f"'R' || (hash(range, 2) % 9) AS region FROM range({persons}) ORDER BY 1",
    )
    connection.execute(
        f"CREATE TABLE event AS SELECT md5((hash(range, 3) % {persons})::VARCHAR)::UUID AS person_id, "
        "'C' || (hash(range, 4) % 500) AS code, DATE '2015-01-01' + (hash(range, 5) % 3650)::INTEGER AS event_date, "
        f"(50 + hash(range, 6) % 15000 / 100.0)::DOUBLE AS value FROM range({events}) ORDER BY 1",
    )
    connection.close()


def documents() -> tuple[Catalogue, Agreement]:
    """A catalogue and an agreement over that database."""
    text = {"role": "quasi-identifier"}
    catalogue = Catalogue.model_validate(
        {
            "catalogue": "bench", "version": "1", "title": "bench",
            "sources": {"s": {"title": "s", "supplier": "s", "legal_basis": "none",
                              "opt_out": {"type_1": False, "national": False, "reason": "synthetic"}}},
            "tables": {
                "person": {"source": "s", "owner": "person_id", "columns": {
                    "sex": text, "region": text, "birth_year": {"type": "INTEGER", **text}}},
                "event": {"source": "s", "owner": "person_id", "columns": {
                    "code": {"role": "code"}, "event_date": {"type": "DATE", "role": "date"},
                    "value": {"type": "DOUBLE", "role": "measure"}}},
            },
        },
    )  # fmt: skip
    agreement = Agreement.model_validate(
        {
            "agreement": "BENCH-1", "version": "1", "project": "bench", "title": "bench", "lay_summary": "bench",
            "parties": {"controllers": ["c"], "organisation": {"name": "o", "sector": "academic"},
                        "persons": [{"name": "b", "account": "bench", "trained_on": "2026-01-01"}]},
            "purpose": {"category": "research", "objective": "o", "processing": "p", "expected_outputs": "e",
                        "expected_benefit": "b"},
            "data": {"catalogue": "bench", "tables": [
                {"table": "person", "clause": "1", "reason": "r", "columns": PERSON},
                {"table": "event", "clause": "2", "reason": "r", "columns": EVENT}]},
            "law": {"statutory_basis": "s", "gdpr_article_6": "6", "gdpr_article_9": "9", "common_law": "none",
                    "opt_outs_applied": False, "opt_outs_reason": "synthetic"},
            "terms": {"start": date(2020, 1, 1), "end": date(2099, 1, 1), "rule_pack": "nhse-sde"},
        },
    )  # fmt: skip
    return catalogue, agreement


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--persons", type=int, default=200_000)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.duckdb"
        make_database(path, options.persons, options.events)
        catalogue, agreement = documents()
        engine = EngineProcess(path, None)
        engine.start()
        gate = Gate(kernel=kernel_for(agreement, catalogue), engine=engine, recorder=NothingRecorded(), account="bench")
        plain = duckdb.connect(str(path), read_only=True)
        plain.execute("SET threads = 2")
        print(f"{options.persons:,} persons, {options.events:,} events, {options.runs} runs each (medians)")
        print(f"{'query':30} {'plain ms':>9} {'naive':>7} {'gate':>7}   gate parts (ms)")
        for name, (sql, owner) in QUERIES.items():
            report(name, sql, owner, plain, gate, options.runs)
        gate.close()


def report(name: str, sql: str, owner: str, plain: duckdb.DuckDBPyConnection, gate: Gate, runs: int) -> None:
    """One line: plain milliseconds, ratio of the naive protection, ratio of the gate, and the gate's parts."""
    naive = f"{sql} HAVING count(DISTINCT {owner}) >= 10"
    times: dict[str, list[float]] = {"plain": [], "naive": [], "gate": []}
    parts: dict[str, float] = {}
    for _ in range(runs):
        times["plain"].append(seconds(lambda: plain.execute(sql).fetchall()))
        times["naive"].append(seconds(lambda: plain.execute(naive).fetchall()))
        times["gate"].append(seconds(lambda: parts.update(gate.answer(sql).ms)))
    middle = {key: statistics.median(values) for key, values in times.items()}
    print(
        f"{name:30} {middle['plain'] * 1000:9.1f} {middle['naive'] / middle['plain']:7.1f} "
        f"{middle['gate'] / middle['plain']:7.1f}   {parts}"
    )


if __name__ == "__main__":
    main()
