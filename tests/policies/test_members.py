"""The seam of the release ledger: the exact persons behind every group."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import duckdb
from tests.small_project import gates

from ambergate_policies.kernel import Kernel
from ambergate_policies.prepared import PreparedBoundary
from ambergate_policies.statistics import members_statement


def test_the_members_of_a_group_are_the_persons_that_duckdb_finds_in_it(kernel: Kernel, small_database: Path) -> None:
    sql = "SELECT sex, count(*) FROM person WHERE age >= 40 GROUP BY sex"
    (step,) = kernel.prepare(sql, account=gates.ACCOUNT, on=gates.NOON.date()).steps
    assert isinstance(step, PreparedBoundary)
    with duckdb.connect() as plain:
        plain.execute(f"ATTACH '{small_database}' AS project (READ_ONLY)")
        members = plain.execute(members_statement(step.program.boundary)).fetchall()
        expected = plain.execute("SELECT DISTINCT sex, person_id FROM project.main.person WHERE age >= 40").fetchall()
    assert Counter(members) == Counter(expected) and len(members) > 100
