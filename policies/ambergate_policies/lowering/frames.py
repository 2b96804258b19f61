"""What stands in OVER: named windows, and frames whose ends are constants.

sqlglot reads `OVER w` and `OVER (w)` alike; for the engine the second is an error where `w` has a frame, and means the
same everywhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from ambergate_policies.algebra.expressions import Edge, Frame, Literal, Ordering, Span, Unit
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.functions import INTERVAL_UNITS
from ambergate_policies.lowering.outputs import given
from ambergate_policies.lowering.text import Reading
from ambergate_policies.verdict import QueryRefused

MAX_ROWS = 100_000
MAX_NAMES = 50
_UNITS: dict[str, Unit] = {"ROWS": "ROWS", "RANGE": "RANGE", "GROUPS": "GROUPS"}
_PARTS = frozenset({"partition_by", "order", "spec", "alias"})


@dataclass(frozen=True, slots=True)
class Definition:
    """A window's partition, order and frame as written, names resolved."""

    partition: tuple[exp.Expr, ...] = ()
    order: tuple[exp.Expr, ...] = ()
    frame: exp.WindowSpec | None = None


def definition(reading: Reading, node: exp.Window) -> Definition:
    """What OVER says, with the named window that it builds on."""
    select = node.parent_select
    clauses = (select.args.get("windows") or []) if select is not None else []
    if len(clauses) > MAX_NAMES:
        raise reading.refuse("size", f"more than {MAX_NAMES} windows are named", node)
    known: dict[str, Definition] = {}
    for clause in clauses:
        name = clause.this.name.lower()
        if name in known or set(given(clause)) - _PARTS - {"this"}:
            raise reading.refuse("window", "this WINDOW clause is not understood", clause, hint="name each once")
        known[name] = _built(reading, clause, known)
    return _built(reading, node, known)


def _built(reading: Reading, node: exp.Window, known: dict[str, Definition]) -> Definition:
    alias, order = node.args.get("alias"), node.args.get("order")
    if order is not None and set(given(order)) - {"expressions"}:
        raise reading.refuse("window", "this order is not understood", node, hint="ORDER BY a column")
    own = Definition(
        tuple(node.args.get("partition_by") or ()),
        tuple(order.expressions) if order is not None else (),
        node.args.get("spec"),
    )
    if alias is None:
        return own
    base = known.get(alias.name.lower())
    if base is None:
        hint = "write WINDOW name AS (PARTITION BY person_id ORDER BY ...) after the conditions"
        raise reading.refuse("window", f"no window is named {alias.name!r}", node, hint=hint)
    added = bool(own.order or own.frame is not None)
    if own.partition or (own.order and base.order) or (added and base.frame is not None):
        hint = "write the whole window in OVER (...)"
        raise reading.refuse("window", "a named window can be added to, not changed", node, hint=hint)
    return Definition(base.partition, own.order or base.order, own.frame or base.frame)


def frame_of(reading: Reading, node: exp.WindowSpec, order: tuple[Ordering, ...]) -> Frame:
    """ROWS, RANGE or GROUPS between constants. Refuses EXCLUDE, and what the engine would refuse."""
    unit = _UNITS.get(str(node.args.get("kind") or "").upper())
    if unit is None or set(given(node)) - {"kind", "start", "start_side", "end", "end_side"}:
        raise _refused(reading, node, "EXCLUDE is not understood in a frame")
    kind = order[0].expression.kind if len(order) == 1 else None
    start = _edge(reading, node, "start", unit, kind)
    end = _edge(reading, node, "end", unit, kind) if node.args.get("end") is not None else Edge("CURRENT ROW")
    if unit == "GROUPS" and not order:
        raise _refused(reading, node, "GROUPS needs ORDER BY in the window")
    places = [_place(start, first=True), _place(end, first=False)]
    if places[0] > places[1] or (start.side == "FOLLOWING" and start.distance is None):
        raise _refused(reading, node, "this frame ends before it starts")
    if end.side == "PRECEDING" and end.distance is None:
        raise _refused(reading, node, "this frame ends before it starts")
    return Frame(unit, start, end)


def _place(edge: Edge, *, first: bool) -> int:
    """-1 before the row, 0 at it, 1 after it."""
    return {"PRECEDING": -1, "CURRENT ROW": 0, "FOLLOWING": 1}[edge.side]


def _edge(reading: Reading, node: exp.WindowSpec, which: str, unit: Unit, kind: Kind | None) -> Edge:
    value, side = node.args.get(which), str(node.args.get(f"{which}_side") or "").upper()
    if value == "CURRENT ROW":
        return Edge("CURRENT ROW")
    if side not in ("PRECEDING", "FOLLOWING"):
        raise _refused(reading, node, "this frame cannot be read")
    word = Edge("PRECEDING") if side == "PRECEDING" else Edge("FOLLOWING")
    if value == "UNBOUNDED":
        return word
    distance = _interval(value) if isinstance(value, exp.Interval) else _number(value)
    if distance is None:
        raise _refused(reading, node, "the ends of a frame must be constants")
    if unit == "RANGE":
        _check_range(reading, node, distance, kind)
    elif isinstance(distance, Span):
        raise _refused(reading, node, "an interval needs RANGE")
    return Edge(word.side, distance)


def _check_range(reading: Reading, node: exp.WindowSpec, distance: Literal | Span, kind: Kind | None) -> None:
    if kind is None:
        raise _refused(reading, node, "RANGE with a distance needs one ORDER BY term")
    fits = kind.temporal if isinstance(distance, Span) else kind.numeric
    if not fits:
        raise _refused(reading, node, f"this distance cannot be counted along a {kind}")


def _number(value: object) -> Literal | None:
    if isinstance(value, exp.Literal) and not value.is_string and str(value.this).isdigit():
        number = int(value.this)
        return Literal(number, Kind.INT) if number <= MAX_ROWS else None
    return None


def _interval(node: exp.Interval) -> Span | None:
    amount, unit = node.this, node.args.get("unit")
    word = unit.name.lower().rstrip("s") if isinstance(unit, exp.Var) else ""
    if not isinstance(amount, exp.Literal) or not str(amount.this).isdigit() or word not in INTERVAL_UNITS:
        return None
    return Span(int(amount.this), word) if int(amount.this) <= MAX_ROWS else None


def _refused(reading: Reading, node: exp.WindowSpec, message: str) -> QueryRefused:
    hint = "ROWS BETWEEN 2 PRECEDING AND CURRENT ROW, or RANGE BETWEEN INTERVAL 30 DAY PRECEDING AND CURRENT ROW"
    return reading.refuse("window", message, node.parent, hint=hint)
