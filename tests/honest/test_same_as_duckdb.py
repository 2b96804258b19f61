"""What the kernel understood is what DuckDB does: with rules that hide next to nothing, the researcher's own text and
the kernel's statement give the same numbers on the same data.

The reference engine reads the kernel's algebra, so it cannot see a misread tree; this can.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.attacks.corpus import Case, read
from tests.small_project import gates, population

from ambergate_extension.pipeline import Gate
from ambergate_policies.algebra.expressions import Measure
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.kernel import Kernel
from ambergate_policies.packs import RulePack
from ambergate_policies.prepared import PreparedBoundary, PreparedPublic
from ambergate_policies.verdict import QueryRefused

OWN_MEANING = {Measure.DISTINCT, Measure.PERCENTILE, Measure.MINIMUM, Measure.MAXIMUM}
"""Measures that are defined otherwise than in SQL, on purpose."""
CASES = read(Path(__file__).parent)
PACK = RulePack.model_validate(
    {
        "pack": "barely",
        "version": "1",
        "title": "Hides next to nothing",
        "source": "these tests",
        "threshold": {"minimum": 2},
        "rounding": {"method": "none", "significant_digits": 12},
        "degrees_of_freedom": {"minimum": 1},
    }
)


@dataclass(frozen=True)
class Both:
    """The gate, its kernel, and plain DuckDB over the rows that the agreement lets through."""

    gate: Gate
    kernel: Kernel
    plain: duckdb.DuckDBPyConnection


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("same")
    path = folder / "small.duckdb"
    population.write(path)
    kernel = Kernel(gates.catalogue(), gates.under(gates.agreement(), PACK.pack), PACK)
    gate = gates.near_gate(path, folder / "spill", kernel)
    plain = duckdb.connect()
    plain.execute(f"ATTACH '{path}' AS source (READ_ONLY)")
    filters = {
        "event": "happened_on BETWEEN DATE '2015-01-01' AND DATE '2024-12-31'",
        "admission": "method IN (11, 12, 21, 22)",
    }
    for table in ("person", "event", "admission", "code_list", "region_size"):
        plain.execute(f"CREATE TABLE {table} AS SELECT * FROM source.main.{table} WHERE {filters.get(table, 'true')}")
    yield Both(gate, kernel, plain)
    plain.close()
    gate.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_kernel_reads_a_query_as_duckdb_does(both: Both, case: Case) -> None:
    for sql in case.steps:
        if not comparable(both.kernel, sql):
            pytest.skip("refused, or a measure with a meaning of its own")
        answer = both.gate.answer(sql)
        assert answer.verdict == "released", answer.findings
        assert answer.table is not None
        released = [tuple(row.values()) for row in answer.table.to_pylist()]
        expected = both.plain.execute(sql).fetchall()
        unmatched = list(expected)
        for row in released:
            found = next((other for other in unmatched if same(row, other)), None)
            assert found is not None, f"{row} is in no row of DuckDB's answer {expected[:20]}"
            unmatched.remove(found)


def comparable(kernel: Kernel, sql: str) -> bool:
    if "mode(" in sql:  # of values that are as common DuckDB takes the one that it has seen first
        return False
    try:
        steps = kernel.prepare(sql, account=gates.ACCOUNT, on=gates.NOON.date()).steps
    except QueryRefused:
        return False
    if len(steps) == 1 and isinstance(steps[0], PreparedPublic):
        return True
    # What is computed over cleared rows lacks the withheld groups.
    if len(steps) > 1 or not isinstance(steps[0], PreparedBoundary) or steps[0].program.windows:
        return False
    aggregates = steps[0].program.boundary.aggregates
    if any(aggregate.kind is Kind.DATE for aggregate in aggregates):  # shown as a month
        return False
    return not OWN_MEANING & {aggregate.measure for aggregate in aggregates}


def same(released: tuple[Any, ...], plain: tuple[Any, ...]) -> bool:
    """Equal rows; a suppressed cell matches anything."""
    return len(released) == len(plain) and all(
        cell is None or near(cell, o) for cell, o in zip(released, plain, strict=True)
    )


def near(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool) or other is None:
        return bool(one == other)
    try:
        return math.isclose(float(one), float(other), rel_tol=1e-7, abs_tol=1e-7)
    except (TypeError, ValueError):
        return str(one) == str(other)
