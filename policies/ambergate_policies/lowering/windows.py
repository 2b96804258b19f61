"""Windows: within one person's own rows below a boundary, over cleared rows above it.

Below, PARTITION BY must hold the person key, so a window never looks at two persons: the supported way to take each
person's first event, or the one before. They stand in a subquery's SELECT list and in QUALIFY. Above a boundary they
are post-processing of what was cleared. Frames are not understood yet.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from ambergate_policies.algebra.expressions import Column, Expression, Literal, Ordering, Owner, Window
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.lowering.expressions import Scalars
from ambergate_policies.lowering.measures import grade
from ambergate_policies.lowering.rows import PersonScalars, Rows
from ambergate_policies.verdict import QueryRefused

_RANKS: dict[type[exp.Expr], str] = {exp.RowNumber: "row_number", exp.Rank: "rank", exp.DenseRank: "dense_rank"}
_VALUES: dict[type[exp.Expr], str] = {
    exp.Sum: "sum",
    exp.Avg: "avg",
    exp.Min: "min",
    exp.Max: "max",
    exp.Lag: "lag",
    exp.Lead: "lead",
    exp.FirstValue: "first_value",
    exp.LastValue: "last_value",
}
_NUMERIC = frozenset({"sum", "avg"})
_ORDERED = frozenset({"lag", "lead", "first_value", "last_value"})


def has_window(select: exp.Select) -> bool:
    """A window in the SELECT list or in QUALIFY, outside of nested queries."""
    clause = select.args.get("qualify")
    return any(_holds_window(node) for node in (*select.expressions, *([clause] if clause is not None else [])))


def _holds_window(node: exp.Expr) -> bool:
    if isinstance(node, exp.Query | exp.Subquery):
        return False
    return isinstance(node, exp.Window) or any(_holds_window(child) for child in node.iter_expressions())


class Windows:
    """Lowers window functions whose arguments, partition and order `inner` can name."""

    def __init__(self, inner: Scalars, *, person: Callable[[tuple[Expression, ...]], bool]) -> None:
        self.inner = inner
        self.reading = inner.reading
        self.within_person = person

    def lower(self, node: exp.Window) -> Window:
        """One window. Refuses frames, names, and a partition that could hold two persons' rows."""
        for key in ("spec", "alias", "first"):
            if node.args.get(key):
                what = "frames (ROWS, RANGE)" if key == "spec" else "named windows"
                raise self._refused(node, f"{what} are not understood yet", "leave it out")
        partition = tuple(self.inner.lower(item) for item in node.args.get("partition_by") or ())
        if not self.within_person(partition):
            raise self._refused(node, "a window must stay within one person", "add the person key to PARTITION BY")
        ordering = node.args.get("order")
        order = tuple(
            Ordering(self.inner.value(item.this), bool(item.args.get("desc")), bool(item.args.get("nulls_first")))
            for item in (ordering.expressions if ordering is not None else ())
        )
        function, arguments, kind = self._computed(node)
        if (function in _ORDERED or function == "row_number") and not order:
            raise self._refused(node, f"{function} needs ORDER BY in its window", "order by a date")
        return Window(function, arguments, partition, order, kind)

    def _computed(self, node: exp.Window) -> tuple[str, tuple[Expression, ...], Kind]:
        inner = node.this
        if type(inner) in _RANKS:
            return _RANKS[type(inner)], (), Kind.INT
        if isinstance(inner, exp.Count) and not inner.expressions and not isinstance(inner.this, exp.Distinct):
            starred = inner.this is None or isinstance(inner.this, exp.Star | exp.Literal)
            return "count", () if starred else (self.inner.value(inner.this),), Kind.INT
        name = _VALUES.get(type(inner))
        given = {key for key, value in inner.args.items() if value not in (None, False, [])}
        if name is None or given - {"this", "offset"} or isinstance(inner.this, exp.Distinct):
            raise self._refused(node, "this window function is not understood", "use row_number, lag, lead, sum ...")
        value = self.inner.value(inner.this)
        if name in _NUMERIC and not value.kind.numeric:
            raise self.reading.refuse("type", f"{name} needs a number, not a {value.kind}", node)
        offset = inner.args.get("offset")
        arguments = (value,) if offset is None else (value, self._offset(node, offset))
        return name, arguments, Kind.NUM if name == "avg" else value.kind

    def _offset(self, node: exp.Window, offset: exp.Expr) -> Literal:
        if isinstance(offset, exp.Literal) and str(offset.this).isdigit() and int(offset.this) <= 1000:
            return Literal(int(offset.this), Kind.INT)
        raise self._refused(node, "how many rows back must be a small whole number", "lag(x, 1)")

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
        return Column(self.source, f"w{self.found.index(value)}", value.kind, grade(value))

    def items(self) -> tuple[tuple[str, Expression], ...]:
        """The items of the relation below."""
        return tuple((f"w{index}", value) for index, value in enumerate(self.found))

    def _window(self, node: exp.Window) -> Window:
        rows = PersonScalars(self.names, self.scope, self.memberships)
        return Windows(rows, person=self._within_person).lower(node)

    def _within_person(self, partition: tuple[Expression, ...]) -> bool:
        mine = {item.source for item in partition if isinstance(item, Owner)}
        return not self.rows.owners or bool(mine & (self.rows.linked - self.rows.nullable))
