"""What a query's texts and expressions can grow to is known before it runs, whatever the data are."""

from __future__ import annotations

import pytest
from tests.small_project import gates

from ambergate_policies.verdict import QueryRefused


def nested(times: int, expression: str, start: str) -> str:
    rows = f"SELECT person_id, {start} AS t FROM person"
    for _ in range(times):
        rows = f"SELECT person_id, {expression} AS t FROM ({rows})"
    return f"SELECT count(*) AS n FROM ({rows}) WHERE t IS NOT NULL"


def rule_of(sql: str) -> str | None:
    try:
        gates.kernel().prepare(sql, account=None, on=gates.NOON.date())
    except QueryRefused as refusal:
        return refusal.findings[0].rule
    return None


@pytest.mark.parametrize(
    "sql",
    [
        nested(12, "t || t", "region"),
        nested(12, "concat_ws(',', t, t)", "region"),
        nested(20, "t + t", "age"),
        nested(3, "replace(t, 'a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')", "region"),
        nested(0, "t", "lpad(region, 30000, 'x')"),
    ],
)
def test_what_could_become_too_large_is_refused(sql: str) -> None:
    assert rule_of(sql) == "size"


@pytest.mark.parametrize(
    "sql",
    [
        nested(3, "t || '-' || t", "region"),
        nested(8, "t + t", "age"),
        nested(6, "replace(t, ' ', '')", "region"),
        nested(0, "t", "lpad(region, 12, ' ')"),
        nested(1, "CASE WHEN t LIKE 'N%' THEN 'North' ELSE t END", "concat(region, ', ', ethnicity)"),
    ],
)
def test_what_people_write_is_not(sql: str) -> None:
    assert rule_of(sql) is None
