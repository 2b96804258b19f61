"""The outermost SELECT of a query: what it groups by, what it measures, what it does with the cleared table."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from ambergate_policies.agreement import Agreement
from ambergate_policies.algebra.expressions import (
    Aggregate,
    Column,
    Composite,
    Expression,
    Literal,
    Measure,
    Ordering,
    Owner,
    Window,
)
from ambergate_policies.algebra.relations import CLEARED, Boundary, Cleared, Margin, Output, Program
from ambergate_policies.lowering.aggregates import STATISTIC, Aggregates
from ambergate_policies.lowering.expressions import Scalars
from ambergate_policies.lowering.grouping import group_nodes
from ambergate_policies.lowering.outputs import constant, default_name, same
from ambergate_policies.lowering.rows import PersonScalars, Rows, Single, scalar_subqueries, sources_of
from ambergate_policies.lowering.sets import FINER, Sibling
from ambergate_policies.lowering.spellings import extras, has_aggregate, is_aggregate, quantiles_of
from ambergate_policies.lowering.text import Reading
from ambergate_policies.lowering.windows import Windows
from ambergate_policies.verdict import QueryRefused


class OutermostSelect:
    """The outermost SELECT of a query: what it groups by, what it measures, what it does with the cleared table."""

    def __init__(
        self,
        reading: Reading,
        agreement: Agreement,
        select: exp.Select,
        rows: Rows,
        scalars: PersonScalars,
        single: Single,
    ) -> None:
        self.reading = reading
        self.single = single
        self.agreement = agreement
        self.select = select
        self.rows = rows
        self.scalars = scalars
        self.aggregates = Aggregates(scalars, rows.owners)

    def program(self) -> Program:
        items = self.select.expressions
        where = self.select.args.get("where")
        condition = self.scalars.where(where.this if where is not None else None)
        keys = tuple(_unique(self._keys(items)))
        above = _Above(self, keys)
        outputs = tuple(
            Output(name, above.output(item.unalias()))
            for name, item in zip(self._output_names(items), items, strict=True)
        )
        having = self.select.args.get("having")
        before = len(above.windows)
        held = above.condition(having.this) if having is not None else None
        if len(above.windows) > before:
            raise self.reading.refuse("window", "a window cannot stand in HAVING", having, hint="filter afterwards")
        clause = self.select.args.get("qualify")
        qualify = above.condition(clause.this) if clause is not None else None
        order = tuple(self._ordering(item, above, outputs) for item in self._order_items())
        margins = tuple(self._margins(keys))
        boundary = Boundary(self.rows.relation, self.rows.owners, condition, keys, tuple(above.found), margins)
        limit, offset = constant(self.reading, self.select, "limit"), constant(self.reading, self.select, "offset")
        windows, scalars = tuple(above.windows), tuple(above.scalars.values())
        return Program(boundary, outputs, held, order, limit, offset or 0, windows, qualify, scalars)

    def _margins(self, keys: tuple[Expression, ...]) -> Iterator[Margin]:
        """The finer tables of a ROLLUP that stand beside this one."""
        sibling = self.select.meta.get(FINER)
        for finer in sibling.finer if isinstance(sibling, Sibling) else ():
            theirs = _unique([self._key(node) for node in finer.keys])
            if finer.table is None or any(key not in theirs for key in keys):
                raise self.reading.refuse("syntax", "these grouping sets cannot be read", self.select, hint="run each")
            if len(theirs) > len(keys):
                yield Margin(finer.table, tuple(theirs), tuple(theirs.index(key) for key in keys))

    # -- grouping

    def _keys(self, items: list[exp.Expr]) -> list[Expression]:
        group = self.select.args.get("group")
        aggregated = any(has_aggregate(item) for item in items) or self._having_aggregates()
        distinct = self.select.args.get("distinct")
        if distinct is not None and distinct.args.get("on"):
            raise self.reading.refuse("row-level", "DISTINCT ON picks single rows", distinct, hint="use GROUP BY")
        if distinct is not None and (aggregated or group is not None):
            raise self.reading.refuse("syntax", "DISTINCT beside GROUP BY is not understood", distinct, hint="drop it")
        if group is None:
            if aggregated:
                return []
            if distinct is None:
                raise self._row_level()
            return [self._key(item.unalias()) for item in items]
        return [self._key(node) for node in group_nodes(self.select, self.scalars)]

    def _having_aggregates(self) -> bool:
        having = self.select.args.get("having")
        return having is not None and has_aggregate(having)

    def _key(self, node: exp.Expr) -> Expression:
        if has_aggregate(node):
            raise self.reading.refuse("aggregate", "an aggregate cannot be grouped by", node)
        key = self.scalars.lower(node)
        if isinstance(key, Owner):
            raise self.reading.refuse(
                "row-level",
                "grouping by the person key makes one row per person, which never leaves",
                node,
                hint="put this SELECT into a subquery and aggregate over it",
            )
        return key

    def _row_level(self) -> QueryRefused:
        return self.reading.refuse(
            "row-level",
            "the result would have one row per person or event",
            self.select.expressions[0] if self.select.expressions else self.select,
            hint="count or average them: SELECT ..., count(DISTINCT person_id) ... GROUP BY ...",
        )

    # -- the rest

    def _output_names(self, items: list[exp.Expr]) -> list[str]:
        names: list[str] = []
        for item in items:
            name = item.alias if isinstance(item, exp.Alias) else default_name(self.reading, item)
            base, count = name, 1
            while name.lower() in (other.lower() for other in names):
                name, count = f"{base}_{count}", count + 1
            names.append(name)
        return names

    def _order_items(self) -> list[exp.Expr]:
        order = self.select.args.get("order")
        return list(order.expressions) if order is not None else []

    def _ordering(self, item: exp.Expr, above: _Above, outputs: tuple[Output, ...]) -> Ordering:
        node = item.this
        if isinstance(node, exp.Var):
            raise self.reading.refuse("syntax", "name what to order by", node)
        descending = bool(item.args.get("desc"))
        nulls_first = bool(item.args.get("nulls_first"))
        return Ordering(self._order_value(node, above, outputs), descending, nulls_first)

    def _order_value(self, node: exp.Expr, above: _Above, outputs: tuple[Output, ...]) -> Expression:
        if isinstance(node, exp.Literal) and not node.is_string:
            position = int(node.this) if str(node.this).isdigit() else 0
            if not 1 <= position <= len(outputs):
                raise self.reading.refuse("syntax", "ORDER BY names a position that does not exist", node)
            return outputs[position - 1].expression
        if isinstance(node, exp.Column) and not node.table:
            for output in outputs:
                if same(output.name, node.name):
                    return output.expression
        return above.value(node)


ONCE_A_PERSON = frozenset(
    {Measure.PERSONS, Measure.RECORDS, Measure.DISTINCT, Measure.PERCENTILE, Measure.MINIMUM, Measure.MAXIMUM}
)
"""Measures in which it makes no difference how many rows a person has."""


_ONE_OF_THEM = (exp.AnyValue, exp.First, exp.Last, exp.Min, exp.Max, exp.Mode)


class _Above(Scalars):
    """Scalars over the cleared table: group keys and measures are the only leaves."""

    def __init__(self, boundary: OutermostSelect, keys: tuple[Expression, ...]) -> None:
        super().__init__(boundary.reading)
        self.boundary = boundary
        self.keys = keys
        self.found: list[Aggregate] = []
        self.windows: list[Window] = []
        self.scalars: dict[exp.Expr, Cleared] = {}

    def leaf(self, node: exp.Expr) -> Expression | None:
        if isinstance(node, exp.Window):
            return self._window(node)
        if isinstance(node, exp.Subquery):
            return self._scalar(node)
        if (several := quantiles_of(node)) is not None:
            return Composite(tuple(self._aggregate(one) for one in several))
        if (key := self._same_for_all(node)) is not None:
            return key
        if is_aggregate(node):
            return self._aggregate(node)
        if has_aggregate(node):
            return None
        if (key := self._group_key(node)) is not None:
            return key
        if isinstance(node, exp.Column):
            raise self._not_grouped(node)
        return None

    def _same_for_all(self, node: exp.Expr) -> Expression | None:
        """any_value(k), min(k), ... of a group key: every row of the group has it."""
        inner = node.this if isinstance(node, exp.IgnoreNulls) else node
        if not isinstance(inner, _ONE_OF_THEM) or extras(inner) or not isinstance(inner.this, exp.Column):
            return None
        return self._group_key(inner.this)

    def output(self, node: exp.Expr) -> Expression:
        """A column of the result: one value, or a list of percentiles."""
        return self.whole(node) if quantiles_of(node) is not None else self.value(node)

    def _aggregate(self, node: exp.Expr) -> Expression:
        if self.boundary.rows.unmatched and not self._of_persons(node):
            raise self._unmatched(node)
        return self.boundary.aggregates.lower(node, lambda aggregate: self._cell(node, aggregate))

    def _cell(self, node: exp.Expr, aggregate: Aggregate) -> Expression:
        if self.boundary.rows.repeated and aggregate.measure not in ONCE_A_PERSON and not self._told_apart():
            raise self._repeated(node)
        self._permitted(node, aggregate)
        if aggregate not in self.found:
            self.found.append(aggregate)
        return Column(CLEARED, f"m{self.found.index(aggregate)}", aggregate.kind)

    def _of_persons(self, node: exp.Expr) -> bool:
        """An aggregate of a person table's column, which public rows without a person have NULL in."""
        inner = node.this if isinstance(node, exp.Filter) else node
        argument = inner.this
        if isinstance(argument, exp.Distinct) and len(argument.expressions) == 1:
            argument = argument.expressions[0]
        if not isinstance(argument, exp.Column):
            return False
        value = self.boundary.scalars.lower(argument)
        persons = {name for s in self.boundary.rows.scope.sources if s.owner is not None for name in sources_of(s)}
        return isinstance(value, Owner | Column) and value.source in persons

    def _unmatched(self, node: exp.Expr) -> QueryRefused:
        return self.reading.refuse(
            "join-on-owner",
            "rows without a person would be counted here, and are left out",
            node,
            hint="count the person key, or put the person table first",
        )

    def _told_apart(self) -> bool:
        """Whether no group can hold what several parts of a UNION say of one row."""
        repeated = self.boundary.rows.scope.repeated()
        return bool(repeated) and all(not columns.isdisjoint(self.keys) for columns in repeated)

    def _repeated(self, node: exp.Expr) -> QueryRefused:
        return self.reading.refuse(
            "fan-out",
            "a person's row could be counted more than once: several SELECTs of a UNION read the same table",
            node,
            hint="use count(DISTINCT person_id); or let each SELECT ask for other values of one column",
        )

    def _scalar(self, node: exp.Subquery) -> Expression:
        """A subquery of one value: a step of its own, read beside the cleared table."""
        if node not in self.scalars:
            self.scalars[node] = self.boundary.single(node)
        return self.scalars[node].columns[0]

    def _window(self, node: exp.Window) -> Expression:
        """A window over cleared rows: nothing but post-processing."""
        window = Windows(self, person=lambda partition: True).lower(node)
        if window not in self.windows:
            self.windows.append(window)
        return Column(CLEARED, f"x{self.windows.index(window)}", window.kind)

    def _permitted(self, node: exp.Expr, aggregate: Aggregate) -> None:
        terms = self.boundary.agreement.terms
        needed = STATISTIC[aggregate.measure]
        if needed not in terms.statistics:
            allowed = ", ".join(terms.statistics)
            message = f"a {needed.value} is not among the statistics of the agreement"
            hint = f"clause {terms.clause} permits: {allowed}"
            raise self.reading.refuse("statistic", message, node, hint=hint, clause=terms.clause)

    def _group_key(self, node: exp.Expr) -> Expression | None:
        """The key that a node equals when it is read as an expression over person rows."""
        if not self.keys or isinstance(node, exp.Literal | exp.Null | exp.Boolean | exp.Interval):
            return None
        if any(inner not in self.boundary.scalars.subqueries() for inner in scalar_subqueries(node)):
            return None  # no key holds it, and to lower it here would join it to the person rows
        try:
            lowered = self.boundary.scalars.lower(node)
        except QueryRefused:
            if isinstance(node, exp.Column):
                raise
            return None
        if lowered in self.keys:
            return Column(CLEARED, f"k{self.keys.index(lowered)}", lowered.kind)
        return None

    def _not_grouped(self, node: exp.Column) -> QueryRefused:
        lowered = self.boundary.scalars.lower(node)
        if isinstance(lowered, Owner):
            return self.reading.refuse(
                "owner-opaque", "the person key never leaves", node, hint="use count(DISTINCT ...) of it"
            )
        return self.reading.refuse(
            "row-level",
            f"{node.name!r} is neither grouped by nor aggregated",
            node,
            hint=f"add it to GROUP BY, or write avg({node.name})",
        )


def _unique(keys: list[Expression]) -> list[Expression]:
    return list(dict.fromkeys(key for key in keys if not isinstance(key, Literal)))
