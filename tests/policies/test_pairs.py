"""Correlations and lines: the numbers of DuckDB, and what one person may make of them."""

from __future__ import annotations

import random
from collections.abc import Callable

import duckdb
import pytest
from tests.small_project import gates

from ambergate_policies.algebra.expressions import Measure
from ambergate_policies.algebra.relations import Boundary, Program
from ambergate_policies.clearing import ClearedTable, clear
from ambergate_policies.kernel import Kernel
from ambergate_policies.packs import RulePack, read_pack
from ambergate_policies.prepared import PreparedBoundary
from ambergate_policies.statistics import statement

SameAsDuckDB = Callable[[str], None]
PAIR = (
    "SELECT corr(weight, height), regr_slope(weight, height), covar_samp(weight, height), "
    "regr_count(weight, height) FROM person"
)
NOISE = random.Random(14)


def boundary_of(kernel: Kernel, sql: str) -> Boundary:
    (step,) = kernel.prepare(sql, account=gates.ACCOUNT, on=gates.NOON.date()).steps
    assert isinstance(step, PreparedBoundary) and isinstance(step.program, Program)
    return step.program.boundary


def cleared(kernel: Kernel, sql: str, pairs: list[tuple[float | None, float | None]], pack: RulePack) -> ClearedTable:
    """The answer to a query over persons with these weights and heights."""
    boundary = boundary_of(kernel, sql)
    with duckdb.connect(":memory:") as connection:
        connection.execute("ATTACH ':memory:' AS project")
        connection.execute("CREATE TABLE project.person (person_id UUID, weight DOUBLE, height DOUBLE)")
        rows = [(f"00000000-0000-0000-0000-{index:012d}", *pair) for index, pair in enumerate(pairs)]
        connection.executemany("INSERT INTO project.person VALUES (?, ?, ?)", rows)
        return clear(boundary, pack, connection.execute(statement(boundary, pack.threshold.minimum)).fetchall())


def cloud(number: int) -> list[tuple[float | None, float | None]]:
    """Weights that go with heights, roughly."""
    return [(height - 100 + NOISE.gauss(0, 8), height) for height in (NOISE.gauss(170, 10) for _ in range(number))]


LOOSE = read_pack("strict-registry")


def hidden(table: ClearedTable) -> list[bool]:
    return [column[0] for column in table.suppressed]


def test_a_line_through_many_is_shown(kernel: Kernel) -> None:
    table = cleared(kernel, PAIR, cloud(60), LOOSE)
    assert hidden(table) == [False] * 4
    assert table.measures[3] == (60,)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(lambda pair: (5000.0, pair[1]), id="explained far away"),
        pytest.param(lambda pair: (pair[0], 9000.0), id="explaining far away"),
        pytest.param(lambda pair: (4000.0, 4000.0), id="both far away, on the line"),
    ],
)
def test_one_person_far_away_hides_what_can_be_fitted(
    kernel: Kernel, changed: Callable[[tuple[float, float]], tuple[float, float]]
) -> None:
    pairs = cloud(60)
    pairs[7] = changed(pairs[7])  # type: ignore[arg-type]
    assert hidden(cleared(kernel, PAIR, pairs, LOOSE)) == [True, True, True, False]


def test_one_explaining_value_that_differs_is_hidden(kernel: Kernel) -> None:
    pairs = [(weight, 170.0) for weight, _ in cloud(60)]
    pairs[3] = (pairs[3][0], 171.0)
    assert hidden(cleared(kernel, PAIR, list(pairs), LOOSE))[:3] == [True, True, True]


def test_one_person_off_a_perfect_line_is_hidden_from_the_fit(kernel: Kernel) -> None:
    pairs = [(2.0 * height, height) for _, height in cloud(60)]  # type: ignore[operator]
    pairs[3] = (pairs[3][0] + 3.0, pairs[3][1])
    assert hidden(cleared(kernel, PAIR, list(pairs), LOOSE))[:2] == [True, True]


@pytest.mark.parametrize("constant", [0, 1])
def test_where_nobody_differs_there_is_nothing_to_show(kernel: Kernel, constant: int) -> None:
    pairs = [(170.3, height) if constant == 0 else (weight, 170.3) for weight, height in cloud(60)]
    assert hidden(cleared(kernel, PAIR, list(pairs), LOOSE))[:3] == [True, True, True]


@pytest.mark.parametrize(("persons", "shown"), [(11, False), (12, True)])
def test_a_line_needs_ten_degrees_of_freedom_beyond_its_two_coefficients(
    kernel: Kernel, persons: int, shown: bool
) -> None:
    corners = [(75.0, 175.0), (65.0, 165.0), (75.0, 165.0), (75.0, 175.0), (65.0, 165.0), (65.0, 175.0)] * 2
    table = cleared(kernel, PAIR, corners[:persons], LOOSE)  # type: ignore[arg-type]
    assert [not flag for flag in hidden(table)] == [shown, shown, True, True]


def test_persons_with_one_of_the_two_do_not_count(kernel: Kernel) -> None:
    missing: list[tuple[float | None, float | None]] = [(None, 170.0)] * 20 + [(70.0, None)] * 20
    table = cleared(kernel, PAIR, [*cloud(4), *missing], LOOSE)
    assert hidden(table) == [True] * 4
    assert cleared(kernel, PAIR, [*cloud(40), *missing], LOOSE).measures[3] == (40,)


@pytest.mark.parametrize("huge", [1e60, 1e308, float("inf"), float("nan"), -1e55])
def test_a_number_beyond_all_measure_raises_nothing_and_is_left_out(kernel: Kernel, huge: float) -> None:
    pairs = cloud(40)
    plain = cleared(kernel, PAIR, pairs, LOOSE)
    with_huge = cleared(kernel, PAIR, [*pairs, (huge, 170.0), (70.0, huge)], LOOSE)
    assert with_huge.measures[:3] == plain.measures[:3]


@pytest.mark.parametrize("scale", [1e-30, 1e49])
def test_no_scale_overflows(kernel: Kernel, scale: float) -> None:
    pairs = [(weight * scale, height) for weight, height in cloud(40)]  # type: ignore[operator]
    table = cleared(kernel, PAIR, list(pairs), LOOSE)
    assert hidden(table)[3] is False


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT corr(weight, height), regr_r2(weight, height) FROM person WHERE bmi < 60",
        "SELECT regr_slope(weight, height), regr_intercept(weight, height) FROM person WHERE bmi < 60",
        "SELECT covar_samp(age, height), covar_pop(height, weight) FROM person WHERE bmi < 60",
        "SELECT regr_avgx(weight, height), regr_avgy(age, height), regr_count(weight, height) FROM person",
    ],
)
def test_the_numbers_are_duckdbs(same_as_plain: SameAsDuckDB, sql: str) -> None:
    same_as_plain(sql)


@pytest.fixture
def same_as_plain(unrounded_gate: gates.Gate, plain: duckdb.DuckDBPyConnection) -> SameAsDuckDB:
    """Asserts that the gate releases DuckDB's own numbers, to the five digits of its pack."""

    def compare(sql: str) -> None:
        answer = unrounded_gate.answer(sql)
        assert answer.verdict == "released", answer.findings
        assert answer.table is not None and answer.suppressed_cells == 0
        (row,), (wanted,) = answer.table.to_pylist(), plain.execute(sql).fetchall()
        assert list(row.values()) == [pytest.approx(value, rel=1e-4) for value in wanted]

    return compare


def test_a_pair_is_read_from_both_columns(kernel: Kernel) -> None:
    for aggregate in boundary_of(kernel, PAIR).aggregates:
        assert len(set(aggregate.parts())) >= (1 if aggregate.measure is Measure.ROWS else 2)
