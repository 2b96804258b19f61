"""Windows: within one person's own rows below a boundary, over cleared rows above it.

Below, PARTITION BY must hold the person key, so a window never looks at two persons: the supported way to take each
person's first event, or the one before. They stand in a subquery's SELECT list and in QUALIFY. Above a boundary they
are post-processing of what was cleared. `frames.py` reads what stands in OVER.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from ambergate_policies.algebra.expressions import (
    NOT_MEASURABLE,
    Column,
    Expression,
    Literal,
    Ordering,
    Owner,
    Window,
)
from ambergate_policies.algebra.kinds import Kind, common
from ambergate_policies.lowering.expressions import Scalars, coerce, widened
from ambergate_policies.lowering.frames import Definition, definition, frame_of
from ambergate_policies.lowering.measures import grade
from ambergate_policies.lowering.outputs import given
from ambergate_policies.lowering.rows import PersonScalars, Rows
from ambergate_policies.verdict import QueryRefused

_RANKS: dict[type[exp.Expr], tuple[str, Kind]] = {
    exp.RowNumber: ("row_number", Kind.INT),
    exp.Rank: ("rank", Kind.INT),
    exp.DenseRank: ("dense_rank", Kind.INT),
    exp.PercentRank: ("percent_rank", Kind.NUM),
    exp.CumeDist: ("cume_dist", Kind.NUM),
}
_PLACES: dict[type[exp.Expr], str] = {
    exp.Lag: "lag",
    exp.Lead: "lead",
    exp.FirstValue: "first_value",
    exp.LastValue: "last_value",
    exp.NthValue: "nth_value",
}
_AGGREGATES: dict[type[exp.Expr], str] = {
    exp.Sum: "sum",
    exp.Avg: "avg",
    exp.Min: "min",
    exp.Max: "max",
    exp.Median: "median",
    exp.LogicalOr: "bool_or",
    exp.LogicalAnd: "bool_and",
    exp.CountIf: "count_if",
    exp.Count: "count",
}
_NUMERIC = frozenset({"sum", "avg", "median"})
_TESTS = frozenset({"bool_or", "bool_and", "count_if"})
_SHIFTS = frozenset({"lag", "lead"})
_UNORDERED = frozenset({"rank", "dense_rank", "percent_rank", "cume_dist", *_AGGREGATES.values()})
_AVAILABLE = (
    "row_number, rank, dense_rank, ntile, percent_rank, cume_dist, lag, lead, first_value, last_value, nth_value, "
    "count, count_if, sum, avg, min, max, median, bool_or, bool_and"
)
MAX_DISTANCE = 1000


def has_window(select: exp.Select) -> bool:
    """A window in the SELECT list or in QUALIFY, outside of nested queries."""
    clause = select.args.get("qualify")
    return any(holds_window(node) for node in (*select.expressions, *([clause] if clause is not None else [])))


def holds_window(node: exp.Expr) -> bool:
    """A window somewhere below, outside of nested queries."""
    if isinstance(node, exp.Query | exp.Subquery):
        return False
    return isinstance(node, exp.Window) or any(holds_window(child) for child in node.iter_expressions())


class Windows:
    """Lowers window functions whose arguments, partition and order `inner` can name."""

    def __init__(self, inner: Scalars, *, person: Callable[[tuple[Expression, ...]], bool]) -> None:
        self.inner = inner
        self.reading = inner.reading
        self.within_person = person

    def lower(self, node: exp.Window) -> Window:
        """One window. Refuses what is not understood, and a partition that could hold two persons' rows."""
        if node.args.get("first") or str(node.args.get("over") or "OVER").upper() != "OVER":
            raise self._refused(node, "this kind of window is not understood", "write OVER (...)")
        over = definition(self.reading, node)
        partition = tuple(self.inner.lower(item) for item in over.partition)
        if not self.within_person(partition):
            raise self._refused(node, "a window must stay within one person", "add the person key to PARTITION BY")
        order = tuple(self._ordering(item) for item in over.order if not self._is_same(item, partition))
        computed = self._computed(node)
        if computed.function not in _UNORDERED and not order:
            raise self._refused(node, f"{computed.function} needs ORDER BY in its window", "order by a date")
        return self._framed(node, computed, over, partition, order)

    def _is_same(self, item: exp.Expr, partition: tuple[Expression, ...]) -> bool:
        """A term that is the same for the whole partition, such as the person key, orders nothing."""
        return isinstance(item.this, exp.Column) and self.inner.lower(item.this) in partition

    def _ordering(self, item: exp.Expr) -> Ordering:
        if not isinstance(item, exp.Ordered) or set(given(item)) - {"this", "desc", "nulls_first"}:
            raise self._refused(item, "this order is not understood", "ORDER BY a column")
        return Ordering(self.inner.value(item.this), bool(item.args.get("desc")), bool(item.args.get("nulls_first")))

    def _framed(
        self,
        node: exp.Window,
        computed: Window,
        over: Definition,
        partition: tuple[Expression, ...],
        order: tuple[Ordering, ...],
    ) -> Window:
        frame = None
        if over.frame is not None:
            if computed.function not in {*_AGGREGATES.values(), "first_value", "last_value", "nth_value"}:
                raise self._refused(node, f"a frame changes nothing for {computed.function}", "leave the frame out")
            frame = frame_of(self.reading, over.frame, order)
        return Window(
            computed.function,
            computed.arguments,
            partition,
            order,
            computed.kind,
            frame=frame,
            domain=computed.domain,
            distinct=computed.distinct,
            ignore_nulls=computed.ignore_nulls,
        )

    # -- what is computed

    def _computed(self, node: exp.Window) -> Window:
        """The function with its arguments, without a partition or an order."""
        inner, domain, ignore = node.this, None, False
        if isinstance(inner, exp.Filter):
            domain = self.inner.condition(inner.expression.this)
            inner = inner.this
        if isinstance(inner, exp.IgnoreNulls | exp.RespectNulls):
            ignore = isinstance(inner, exp.IgnoreNulls)
            inner = inner.this
        place, rank = _PLACES.get(type(inner)), _RANKS.get(type(inner))
        if place is not None and domain is None:
            return self._place(node, inner, place, ignore)
        if ignore or (domain is not None and type(inner) not in _AGGREGATES):
            raise self._refused(node, "IGNORE NULLS or FILTER is not understood here", "use a CASE")
        if rank is not None and not given(inner):
            return Window(rank[0], (), (), (), rank[1])
        if isinstance(inner, exp.Ntile) and set(given(inner)) == {"this"}:
            return Window("ntile", (self._distance(node, inner.this),), (), (), Kind.INT)
        if isinstance(inner, exp.Count):
            return self._count(node, inner, domain)
        name = _AGGREGATES.get(type(inner))
        if name is None or set(given(inner)) - {"this"} or isinstance(inner.this, exp.Distinct | exp.Order):
            raise self._refused(node, "this window function is not understood", f"there are {_AVAILABLE}")
        return self._aggregate(node, inner, name, domain)

    def _count(self, node: exp.Window, inner: exp.Count, domain: Expression | None) -> Window:
        argument = inner.this
        if set(given(inner)) - {"this", "big_int"}:
            raise self._refused(node, "count takes one argument", "count(*) OVER (...)")
        if argument is None or isinstance(argument, exp.Star | exp.Literal):
            return Window("count", (), (), (), Kind.INT, domain=domain)
        distinct = isinstance(argument, exp.Distinct)
        if distinct and (len(argument.expressions) != 1 or argument.args.get("on")):
            raise self._refused(node, "count(DISTINCT ...) takes one column", "count(DISTINCT code) OVER (...)")
        value = self.inner.value(argument.expressions[0] if distinct else argument)
        return Window("count", (value,), (), (), Kind.INT, domain=domain, distinct=distinct)

    def _aggregate(self, node: exp.Window, inner: exp.Expr, name: str, domain: Expression | None) -> Window:
        if name in _TESTS:
            kind = Kind.INT if name == "count_if" else Kind.BOOL
            return Window(name, (self.inner.condition(inner.this),), (), (), kind, domain=domain)
        value = self.inner.value(inner.this)
        if name in _NUMERIC and not value.kind.numeric:
            raise self.reading.refuse("type", f"{name} needs a number, not a {value.kind}", node)
        kind = value.kind if name not in ("avg", "median") else Kind.NUM
        return Window(name, (value,), (), (), kind, domain=domain)

    def _place(self, node: exp.Window, inner: exp.Expr, name: str, ignore: bool) -> Window:
        """A value of another row: lag, lead, first_value, last_value, nth_value."""
        if set(given(inner)) - {"this", "offset", "default"} or isinstance(inner.this, exp.Distinct | exp.Order):
            raise self._refused(node, f"{name} has arguments that are not understood", "lag(value, 1)")
        value, offset = self.inner.value(inner.this), inner.args.get("offset")
        arguments: tuple[Expression, ...] = (value,)
        if offset is not None or name == "nth_value":
            arguments += (self._distance(node, offset),)
        if (default := inner.args.get("default")) is not None:
            arguments += (self._default(node, name, value, default),)
        return Window(name, arguments, (), (), value.kind, ignore_nulls=ignore)

    def _default(self, node: exp.Window, name: str, value: Expression, default: exp.Expr) -> Expression:
        """What stands in for a row that is not there: of the value's own kind, or the engine's cast could raise."""
        other = coerce(self.inner.value(default), value.kind)
        if name not in _SHIFTS or common(value.kind, other.kind) is not value.kind:
            message = f"a {other.kind} cannot stand in for a {value.kind}"
            raise self.reading.refuse("type", message, node, hint="give a default of the same kind, or none")
        return widened(other, value.kind)

    def _distance(self, node: exp.Window, offset: exp.Expr | None) -> Literal:
        if isinstance(offset, exp.Literal) and not offset.is_string and str(offset.this).isdigit():
            number = int(offset.this)
            if (0 if type(node.this) in (exp.Lag, exp.Lead) else 1) <= number <= MAX_DISTANCE:
                return Literal(number, Kind.INT)
        raise self._refused(node, "how many rows must be a small whole number", "lag(x, 1)")

    def _refused(self, node: exp.Expr, message: str, hint: str) -> QueryRefused:
        return self.reading.refuse("window", message, node, hint=hint)


class WindowScalars(PersonScalars):
    """Scalars of a subquery's SELECT list or QUALIFY above a relation that computes their windows.

    `found` are that relation's items: the windows, and the values that are passed through for the rest."""

    def __init__(self, rows: Rows, scalars: PersonScalars, source: str) -> None:
        super().__init__(scalars.names, scalars.scope, scalars.memberships)
        self.rows = rows
        self.source = source
        self.found: list[Expression] = []
        self.aliases: dict[str, Expression] = {}

    def leaf(self, node: exp.Expr) -> Expression | None:
        if isinstance(node, exp.Window):
            return self._computed_below(self._window(node))
        if isinstance(node, exp.Column) and not node.table and node.name.lower() in self.aliases:
            return self._column_or_alias(node)
        return self._passed_through(super().leaf(node))

    def carried(self, node: exp.Expr, value: Expression) -> Expression:
        return self._passed_through(value) or value

    def _column_or_alias(self, node: exp.Column) -> Expression | None:
        """A column of the tables goes before an output's alias, as in the engine."""
        try:
            return self._passed_through(super().leaf(node))
        except QueryRefused as refusal:
            if refusal.findings[0].rule != "unknown-column":
                raise
            return self.aliases[node.name.lower()]

    def _passed_through(self, value: Expression | None) -> Expression | None:
        if isinstance(value, Owner):
            if value.source in self.rows.nullable:
                message = "this person key may be missing after the outer join"
                raise self.reading.refuse("join-on-owner", message, hint="select the other table's key")
            return Owner(self.source)
        return None if value is None else self._computed_below(value)

    def _computed_below(self, value: Expression) -> Expression:
        if value not in self.found:
            self.found.append(value)
        counting = isinstance(value, Window) and value.function in ("count", "count_if", "sum")
        found = NOT_MEASURABLE if counting and self.rows.repeated else grade(value)
        return Column(self.source, f"w{self.found.index(value)}", value.kind, found)

    def items(self) -> tuple[tuple[str, Expression], ...]:
        """The items of the relation below."""
        return tuple((f"w{index}", value) for index, value in enumerate(self.found))

    def _window(self, node: exp.Window) -> Window:
        rows = PersonScalars(self.names, self.scope, self.memberships)
        return Windows(rows, person=self._within_person).lower(node)

    def _within_person(self, partition: tuple[Expression, ...]) -> bool:
        mine = {item.source for item in partition if isinstance(item, Owner)}
        return not self.rows.owners or bool(mine & (self.rows.linked - self.rows.nullable))
