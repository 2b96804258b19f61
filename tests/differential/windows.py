"""Window functions over lists of rows, from their definition: the partition, its order, the frame, the function."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, time
from functools import cmp_to_key
from typing import Any

from tests.differential.values import Value, evaluate, moved

from ambergate_policies.algebra.expressions import Edge, Expression, Frame, Ordering, Span, Window

Row = dict[str, dict[str, Value]]
_TO_HERE = Frame("RANGE", Edge("PRECEDING"), Edge("CURRENT ROW"))
_WHOLE = Frame("ROWS", Edge("PRECEDING"), Edge("FOLLOWING"))


def window_values(node: Window, rows: list[Row]) -> list[Value]:
    """The value of a window function for each row."""
    found: list[Value] = [None] * len(rows)
    partitions: dict[tuple[Value, ...], list[int]] = {}
    for index, row in enumerate(rows):
        partitions.setdefault(tuple(evaluate(part, row) for part in node.partition), []).append(index)
    for members in partitions.values():
        ordered = sorted(members, key=cmp_to_key(lambda i, j: _compared(node.order, rows[i], rows[j])))
        for place, index in enumerate(ordered):
            found[index] = _value(node, [rows[i] for i in ordered], place)
    return found


def _compared(order: tuple[Ordering, ...], one: Row, other: Row) -> int:
    for item in order:
        left, right = evaluate(item.expression, one), evaluate(item.expression, other)
        if left is None or right is None:
            sides = (left is None) - (right is None)
            found = -sides if item.nulls_first else sides
        else:
            found = (left > right) - (left < right)
            found = -found if item.descending else found
        if found:
            return found
    return 0


def _value(node: Window, rows: list[Row], place: int) -> Value:
    peers = [i for i, row in enumerate(rows) if _compared(node.order, row, rows[place]) == 0]
    ranks: dict[str, Callable[[], Value]] = {
        "rank": lambda: peers[0] + 1,
        "dense_rank": lambda: _group(node, rows, place) + 1,
        "percent_rank": lambda: peers[0] / (len(rows) - 1) if len(rows) > 1 else 0.0,
        "cume_dist": lambda: (peers[-1] + 1) / len(rows),
    }
    if node.function in ranks:
        return ranks[node.function]()
    inside = [rows[i] for i in _framed(node, rows, place)]
    inside = [row for row in inside if node.domain is None or evaluate(node.domain, row) is True]
    if not node.arguments:
        return len(inside)
    values = [value for row in inside if (value := evaluate(node.arguments[0], row)) is not None]
    if node.function == "count":
        return len(set(values)) if node.distinct else len(values)
    if not values:
        return None
    if node.function == "count_if":  # a sum in the engine: of nothing but NULL it is NULL
        return sum(value is True for value in values)
    functions: dict[str, Callable[[list[Any]], Value]] = {
        "sum": sum, "avg": lambda found: math.fsum(found) / len(found), "min": min, "max": max, "bool_or": any,
        "bool_and": all,
    }  # fmt: skip
    return functions[node.function](values)


def _group(node: Window, rows: list[Row], place: int) -> int:
    """How many groups of equal rows come before."""
    return sum(_compared(node.order, rows[i], rows[i + 1]) != 0 for i in range(place))


def _framed(node: Window, rows: list[Row], place: int) -> list[int]:
    frame = node.frame or (_TO_HERE if node.order else _WHOLE)
    return [i for i in range(len(rows)) if _starts(node, frame, rows, place, i) and _ends(node, frame, rows, place, i)]


def _starts(node: Window, frame: Frame, rows: list[Row], place: int, other: int) -> bool:
    return frame.start == Edge("PRECEDING") or _distance(node, frame.unit, frame.start, rows, place, other) >= 0


def _ends(node: Window, frame: Frame, rows: list[Row], place: int, other: int) -> bool:
    return frame.end == Edge("FOLLOWING") or _distance(node, frame.unit, frame.end, rows, place, other) <= 0


def _distance(node: Window, unit: str, edge: Edge, rows: list[Row], place: int, other: int) -> float:
    """Of a row from the edge of the frame of another: negative before it, 0 at it."""
    if unit == "RANGE" and edge.distance is not None:
        return _along(node.order[0], edge, rows[place], rows[other])
    count = 0 if edge.distance is None else _number(edge.distance)
    count = -count if edge.side == "PRECEDING" else count
    if unit == "ROWS":
        return other - place - count
    return _group(node, rows, other) - _group(node, rows, place) - count


def _along(order: Ordering, edge: Edge, here: Row, other: Row) -> float:
    """By value along the order: rows without one are beside each other, and far from all others."""
    mine, theirs = evaluate(order.expression, here), evaluate(order.expression, other)
    if mine is None or theirs is None:
        return 0 if mine is theirs else _compared((order,), other, here)
    back = (edge.side == "PRECEDING") != order.descending
    if isinstance(edge.distance, Span):
        limit: Any = moved(_moment(mine), edge.distance, -1 if back else 1)
        theirs = _moment(theirs)
    else:
        limit = mine - _number(edge.distance) if back else mine + _number(edge.distance)
    found = (theirs > limit) - (theirs < limit)
    return -found if order.descending else found


def _moment(value: Value) -> datetime:
    return value if isinstance(value, datetime) else datetime.combine(value, time())


def _number(node: Expression | None) -> float:
    value = evaluate(node, {}) if node is not None else 0
    assert isinstance(value, int)
    return value
