"""The engine's last word: its bound plan of the final text must read exactly what the kernel decided on.

The plan is DuckDB's `json_serialize_plan`. Anything in it that is not expected (a table, a column, a function, an
operator, a function of somebody's own schema) refuses the query. This is a second reading by another parser of the
text that is about to run, so a hole in the printer shows here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ambergate_policies.errors import IntegrityError
from ambergate_policies.functions import ENGINE_FUNCTIONS
from ambergate_policies.places import COHORT, DATABASE, is_cohort_place

_OPERATORS = frozenset(
    {
        "LOGICAL_PROJECTION", "LOGICAL_FILTER", "LOGICAL_GET", "LOGICAL_COMPARISON_JOIN", "LOGICAL_ANY_JOIN",
        "LOGICAL_CROSS_PRODUCT", "LOGICAL_AGGREGATE_AND_GROUP_BY", "LOGICAL_MATERIALIZED_CTE", "LOGICAL_CTE_REF",
        "LOGICAL_DISTINCT", "LOGICAL_WINDOW", "LOGICAL_LIMIT", "LOGICAL_ORDER_BY", "LOGICAL_EXPRESSION_GET",
        "LOGICAL_DUMMY_SCAN", "LOGICAL_DELIM_JOIN",
        "LOGICAL_DELIM_GET", "LOGICAL_TOP_N", "LOGICAL_COLUMN_DATA_GET", "LOGICAL_EMPTY_RESULT",
        "LOGICAL_ASOF_JOIN", "LOGICAL_UNION", "LOGICAL_INTERSECT", "LOGICAL_EXCEPT",
    },
)  # fmt: skip


def check(plan_json: str, reads: Mapping[str, set[str]], *, handed_over: bool = False) -> None:
    """Raises IntegrityError unless the plan reads only `reads` (columns by table), by known operators and functions.

    handed_over: the statement may also read tables that the gate itself hands to the engine (group keys, steps)."""
    try:
        document = json.loads(plan_json)
        plans = document["plans"]
    except (ValueError, KeyError, TypeError):
        raise IntegrityError("the engine gave no plan for the checked statement") from None
    if document.get("error") or len(plans) != 1:
        raise IntegrityError("the engine does not understand the checked statement")
    for node in _nodes(plans[0]):
        if not (handed_over and _is_handed_over(node)):
            _check_node(node, reads)


def _is_handed_over(node: dict[str, Any]) -> bool:
    return node.get("type") == "LOGICAL_GET" and node.get("name") == "arrow_scan"


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            yield item
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)


def _check_node(node: dict[str, Any], reads: Mapping[str, set[str]]) -> None:
    kind = node.get("type")
    if isinstance(kind, str) and kind.startswith("LOGICAL_"):
        if kind not in _OPERATORS:
            raise IntegrityError(f"the engine would use an operator that is not expected ({kind})")
        if kind == "LOGICAL_GET":
            _check_scan(node, reads)
    if node.get("expression_class") in ("BOUND_FUNCTION", "BOUND_AGGREGATE"):
        _check_function(node)


def _check_scan(node: dict[str, Any], reads: Mapping[str, set[str]]) -> None:
    data = node.get("function_data") or {}
    table = _read_as(node.get("name"), data.get("catalog"), data.get("schema"), data.get("table"))
    if table not in reads:
        raise IntegrityError("the engine would read a table that the query was not checked for")
    names = node.get("names") or []
    for column in node.get("column_indexes") or []:
        index = column.get("index")
        if index is None or index >= len(names):  # the row number: a count needs it where no column is read
            continue
        if names[index] not in reads[table]:
            raise IntegrityError("the engine would read a column that the query was not checked for")


def _read_as(scan: Any, database: Any, schema: Any, table: Any) -> str:
    """What `reads` calls a scanned table. Raises IntegrityError unless it is one of the project's, or the one table of
    a cohort table's file."""
    if scan == "seq_scan" and schema == "main" and isinstance(table, str):
        if database == DATABASE and not is_cohort_place(table):
            return table
        if is_cohort_place(database) and table == COHORT:
            return str(database)
    raise IntegrityError("the engine would read something that is not a project table")


def _check_function(node: dict[str, Any]) -> None:
    if node.get("name") not in ENGINE_FUNCTIONS or node.get("catalog_name") not in ("", "system"):
        raise IntegrityError(f"the engine would call a function that is not expected ({node.get('name')})")
