"""What checking costs: from the text to statements for the engine, with a catalogue of 200 tables.

    python bench/check_time.py [--runs 5]

Queries of 2 to 60 lines, the honest questions of `kernel_corpus.py` among them. Milliseconds of processor time per
query (the kernel is one thread), with the parts: parse (sqlglot's), lower (names, types, rules of composition), print
(statements, certificate, reads).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import kernel as gate_bench
import yaml
from kernel_corpus import CORPUS

from ambergate_extension.pipeline import KernelFiles
from ambergate_policies.catalogue import Catalogue
from ambergate_policies.kernel import Kernel
from ambergate_policies.lowering.query import lower
from ambergate_policies.lowering.text import Reading

TODAY = date(2026, 1, 1)
TABLES, COLUMNS, LONGEST = 200, 25, 60
TARGETS = {50: 5.0, 99: 25.0}
"""Percentile: milliseconds (issue 3)."""


def kernel() -> Kernel:
    """A kernel over a wide catalogue, with every table granted, read from its files as the gate reads it."""
    small, _ = gate_bench.documents(1_000_000)
    tables: dict[str, Any] = {name: table.model_dump(exclude_defaults=True) for name, table in small.tables.items()}
    kinds = (("VARCHAR", "code"), ("DATE", "date"), ("DOUBLE", "measure"), ("INTEGER", "quasi-identifier"))
    for number in range(TABLES - len(tables)):
        columns = {f"c{place}": {"type": kinds[place % 4][0], "role": kinds[place % 4][1]} for place in range(COLUMNS)}
        index = {"persons": 1_000_000}
        tables[f"registry_{number}"] = {"source": "s", "owner": "person_id", "index": index, "columns": columns}
    catalogue = Catalogue.model_validate(small.model_dump(exclude_defaults=True) | {"tables": tables})
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder) / "agreement.yaml", Path(folder) / "catalogue.yaml"
        for path, document in zip(paths, (gate_bench.agreement(tables), catalogue), strict=True):
            path.write_text(yaml.safe_dump(document.model_dump(mode="json", exclude_defaults=True)))
        return KernelFiles(*paths)()


def queries() -> Iterator[str]:
    """The honest questions, and cohort studies with more and more registries, up to LONGEST lines."""
    for question in CORPUS:
        yield question.sql
    for registries in range(1, 17):
        for first in range(0, 160, 40):
            yield study(first, registries)


def study(first: int, registries: int) -> str:
    """A cohort with one flag and one number from each registry, as a table by sex and age band."""
    ctes, joins, measures = [], [], []
    for place in range(registries):
        name = f"r{place}"
        ctes.append(
            f"{name} AS (\n  SELECT person_id, count(*) AS n, max(c2) AS top\n  FROM registry_{first + place}\n"
            f"  WHERE c0 IN ('A', 'B') AND c1 >= DATE '2020-01-01'\n  GROUP BY person_id)"
        )
        joins.append(f"LEFT JOIN {name} ON {name}.person_id = p.person_id")
        measures.append(f"count(*) FILTER (WHERE {name}.n > 0) AS had_{place}, avg({name}.top) AS top_{place}")
    while 4 + 5 * len(ctes) + len(joins) + len(measures) > LONGEST:
        ctes, joins, measures = ctes[:-1], joins[:-1], measures[:-1]
    return (
        f"WITH {', '.join(ctes)}\nSELECT p.sex, (2024 - p.birth_year) // 10 AS band, count(*) AS n,\n  "
        + ",\n  ".join(measures)
        + "\nFROM person p\n"
        + "\n".join(joins)
        + "\nGROUP BY ALL\nORDER BY ALL"
    )


def seconds_of(kernel: Kernel, sql: str) -> dict[str, float]:
    """Processor seconds of one check and of its parts."""
    began = time.process_time()
    kernel.prepare(sql, account="bench", on=TODAY)
    whole = time.process_time() - began
    began = time.process_time()
    reading = Reading(sql, TODAY)
    parsed = time.process_time()
    lower(reading, kernel.catalogue, kernel.agreement)
    lowered = time.process_time()
    parts = {"parse": parsed - began, "lower": lowered - parsed}
    return {"all": whole, **parts, "print": max(0.0, whole - sum(parts.values()))}


def percentile(numbers: list[float], percent: int) -> float:
    return sorted(numbers)[min(len(numbers) - 1, len(numbers) * percent // 100)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    the_kernel, texts = kernel(), list(queries())
    for sql in texts:
        seconds_of(the_kernel, sql)
    found = [seconds_of(the_kernel, sql) for _ in range(options.runs) for sql in texts]
    lines = [sql.count("\n") + 1 for sql in texts]
    tables = len(the_kernel.catalogue.tables)
    print(f"{len(texts)} queries of {min(lines)} to {max(lines)} lines, {tables} tables, {options.runs} runs each")
    print(f"{'ms':8} {'p50':>7} {'p99':>7} {'mean':>7}")
    for part in ("all", "parse", "lower", "print"):
        times = [item[part] * 1000 for item in found]
        print(f"{part:8} {percentile(times, 50):7.2f} {percentile(times, 99):7.2f} {statistics.mean(times):7.2f}")
    whole = [item["all"] * 1000 for item in found]
    missed = [f"p{percent} over {most:g} ms" for percent, most in TARGETS.items() if percentile(whole, percent) > most]
    print("targets: " + (", ".join(missed) or "met"))


if __name__ == "__main__":
    main()
