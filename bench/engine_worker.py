"""What the engine worker's box costs: start, first query, round trip and a large result, in each kind of box.

    python bench/engine_worker.py [ROUNDS]

Kinds take turns, so that a busy machine disturbs all alike; prints medians.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb

from ambergate_extension.engine import EngineProcess
from ambergate_extension.sandbox.box import Backend
from ambergate_extension.sandbox.choice import builders
from ambergate_extension.sandbox.unconfined import Unconfined

ROWS = 2_000_000
LARGE = "SELECT a, b FROM t LIMIT 650000"


def milliseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def measure(database: Path, backends: Sequence[Backend], figures: dict[str, list[float]]) -> None:
    engine = EngineProcess(database, None, backends=backends)
    try:
        figures.setdefault("start", []).append(milliseconds(engine.start))
        first = milliseconds(lambda: engine.run("SELECT count(*) FROM t"))
        figures.setdefault("first query", []).append(first)
        trips = [milliseconds(lambda: engine.run("SELECT 1")) for _ in range(100)]
        figures.setdefault("round trip", []).append(statistics.median(trips))
        engine.run(LARGE)
        figures.setdefault("10 MB result", []).extend(milliseconds(lambda: engine.run(LARGE)) for _ in range(5))
    finally:
        engine.close()


def main(rounds: int) -> None:
    kinds: dict[str, Sequence[Backend]] = {
        "no box": (Unconfined(),),
        "bubblewrap": builders("bubblewrap"),
        "landlock": builders("landlock"),
    }
    figures: dict[str, dict[str, list[float]]] = {kind: {} for kind in kinds}
    with tempfile.TemporaryDirectory() as name:
        database = Path(name) / "bench.duckdb"
        with duckdb.connect(str(database)) as connection:
            connection.execute(f"CREATE TABLE t AS SELECT range AS a, range * 2 AS b FROM range({ROWS})")
        for _ in range(rounds):
            for kind, backends in kinds.items():
                measure(database, backends, figures[kind])
    print(f"{'milliseconds':<14}" + "".join(f"{kind:>14}" for kind in kinds))
    for what in figures["no box"]:
        print(f"{what:<14}" + "".join(f"{statistics.median(figures[kind][what]):>14.2f}" for kind in kinds))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
