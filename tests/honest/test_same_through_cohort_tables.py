"""The honest corpus again, each granted table of persons replaced by a cohort table of all its rows: the same answers.

A cohort table is the subquery that it stands for. Two things may differ, both for more protection: that a column of a
granted table is filled is a property of the data, while of a kept column it is what somebody's query put there; and two
cohort tables in a UNION may hold the same rows, so that what counts rows is not measured there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp
from tests.attacks.corpus import Case, read, word_of
from tests.small_project import gates, population

from ambergate_extension.pipeline import Answer, Gate

HERE = Path(__file__).parent
TABLES = {"person": "person_id", "event": "person_id", "admission": "patient"}
SHARE = 1 if "AMBERGATE_TEST_LOAD" in os.environ else 6
"""One case in so many, where the whole is not asked for."""
CASES = [case for case in read(HERE) if case.group != "later" and len(case.steps) == 1]


@pytest.fixture(scope="module")
def with_cohorts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    folder = tmp_path_factory.mktemp("through-cohorts")
    population.write(folder / "small.duckdb")
    gate = gates.near_gate(folder / "small.duckdb", folder / "temp", gates.kernel("ess-net"))
    for name in TABLES:
        assert gate.answer(f"CREATE TABLE kept_{name} AS SELECT * FROM {name}").verdict == "released"
    yield gate
    gate.close()


def _both(sql: str) -> tuple[str, str] | None:
    """The query as sqlglot prints it, and the same over cohort tables; None where there is nothing to replace."""
    tree = sqlglot.parse_one(sql, read="duckdb")
    plain = tree.sql("duckdb")
    parts = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    found = False
    for table in list(tree.find_all(exp.Table)):
        name = table.name.lower()
        if name in TABLES and name not in parts and isinstance(table.this, exp.Identifier):
            found = True
            if not table.alias:
                table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name)))
            table.set("this", exp.to_identifier(f"kept_{name}"))
            table.set("db", None)
    return (plain, tree.sql("duckdb")) if found else None


def _shown(answer: Answer) -> tuple[object, ...]:
    assert answer.table is not None
    assert answer.mask is not None
    return (answer.table.column_names, sorted(map(repr, gates.rows_of(answer))), answer.suppressed_cells)


@pytest.mark.parametrize("case", CASES[::SHARE], ids=lambda case: case.id)
def test_the_answer_is_the_same_through_a_cohort_table(with_cohorts: Gate, case: Case) -> None:
    both = _both(case.steps[0])
    if both is None:
        pytest.skip("reads no table of persons")
    plain, kept = (with_cohorts.answer(sql) for sql in both)
    if plain.verdict != "released":
        assert kept.verdict == plain.verdict
        assert kept.findings[0].rule == plain.findings[0].rule
        return
    if kept.verdict == "refused" and " UNION " in both[1]:
        assert kept.findings[0].rule in {"fan-out", "measure"}
        return
    assert kept.verdict == "released", (both[1], kept.findings)
    if kept.suppressed_cells > plain.suppressed_cells:
        assert "count(" in both[1].lower(), both[1]
        return
    assert _shown(kept) == _shown(plain), both[1]
    assert word_of(kept) == word_of(plain)
