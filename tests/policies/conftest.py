"""The small project's kernel, and short ways to ask it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from tests.small_project import gates, population

from ambergate_extension.pipeline import Gate
from ambergate_policies.kernel import Kernel
from ambergate_policies.prepared import PreparedBoundary
from ambergate_policies.verdict import Finding, QueryRefused

Prepare = Callable[[str], PreparedBoundary]
Refusal = Callable[[str], Finding]


@pytest.fixture(scope="session")
def kernel() -> Kernel:
    return gates.kernel()


@pytest.fixture
def prepare(kernel: Kernel) -> Prepare:
    """The last step of a query, which clears."""

    def prepared(sql: str) -> PreparedBoundary:
        step = kernel.prepare(sql, account=gates.ACCOUNT, on=gates.NOON.date()).steps[-1]
        assert isinstance(step, PreparedBoundary)
        return step

    return prepared


@pytest.fixture
def refusal(prepare: Prepare) -> Refusal:
    """The one finding with which a query is refused."""

    def refused(sql: str) -> Finding:
        with pytest.raises(QueryRefused) as caught:
            prepare(sql)
        assert len(caught.value.findings) == 1
        return caught.value.findings[0]

    return refused


ROW_FILTER = "happened_on BETWEEN DATE '2015-01-01' AND DATE '2024-12-31'"
"""What the agreement lets through of the table `event`."""


@pytest.fixture(scope="session")
def small_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("policies") / "small.duckdb"
    population.write(path)
    return path


@pytest.fixture(scope="session")
def unrounded_gate(small_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """A gate whose rule pack rounds nothing, so that what it releases can be compared with DuckDB's own numbers."""
    gate = gates.near_gate(small_database, tmp_path_factory.mktemp("spill"), gates.kernel("ess-net"))
    yield gate
    gate.close()


@pytest.fixture(scope="session")
def plain(small_database: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB over the rows that the agreement lets through."""
    with duckdb.connect(str(small_database), read_only=True) as connection:
        connection.execute(f"CREATE TEMP VIEW event AS SELECT * FROM small.main.event WHERE {ROW_FILTER}")
        yield connection


@pytest.fixture
def same_as_duckdb(unrounded_gate: Gate, plain: duckdb.DuckDBPyConnection) -> Callable[[str], None]:
    """Asserts that the gate releases, unmasked, exactly what DuckDB computes for the researcher's own text."""

    def compare(sql: str) -> None:
        answer = unrounded_gate.answer(sql)
        assert answer.verdict == "released", answer.findings
        assert answer.table is not None and answer.suppressed_cells == 0
        assert [tuple(row.values()) for row in answer.table.to_pylist()] == plain.execute(sql).fetchall()

    return compare
