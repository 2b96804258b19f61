"""A held cell keeps its value for the checker, so whatever a window carries from it into other rows is held as well."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pyarrow as pa
import pytest

from ambergate_policies.prepared import PreparedBoundary


def flags_of(prepared: PreparedBoundary) -> dict[str, list[bool]]:
    """The held flags of each output over three cleared groups, of which the last one's measure is held."""
    cleared = pa.table(
        {
            "g": [0, 1, 2],
            "k0": ["a", "b", "c"],
            "m0": [10.0, 20.0, 30.0],
            "s0": [False, False, False],
            "h0": [False, False, True],
        }
    )
    with duckdb.connect() as connection:
        connection.register("c", cleared)
        rows = connection.execute(prepared.post_statement).to_arrow_table()
    return {name: rows.column(name).to_pylist() for name in rows.column_names if name.startswith("h")}


@pytest.mark.parametrize("window", ["sum(sum(bmi)) OVER ()", "lag(sum(bmi)) OVER (ORDER BY region DESC)"])
def test_a_window_over_a_held_cell_is_held_in_every_row(
    prepare: Callable[[str], PreparedBoundary], window: str
) -> None:
    prepared = prepare(f"SELECT region, sum(bmi), {window} FROM person GROUP BY region ORDER BY region")
    assert flags_of(prepared) == {"h0": [False] * 3, "h1": [False, False, True], "h2": [True] * 3}


def test_without_a_window_only_the_held_cell_is(prepare: Callable[[str], PreparedBoundary]) -> None:
    prepared = prepare("SELECT region, sum(bmi), sum(bmi) / 2 FROM person GROUP BY region ORDER BY region")
    assert flags_of(prepared) == {"h0": [False] * 3, "h1": [False, False, True], "h2": [False, False, True]}
