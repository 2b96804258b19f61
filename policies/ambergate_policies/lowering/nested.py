"""A subquery over person rows: a projection, or one row per person and further keys. It stays `Person`."""

from __future__ import annotations

from sqlglot import exp

from ambergate_policies.algebra.expressions import Cast, Column, Expression, Grade, Measurability, Owner
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.algebra.relations import Derived, Group, Partial, Relation
from ambergate_policies.lowering.aggregates import extras, has_aggregate, is_aggregate
from ambergate_policies.lowering.expressions import Scalars
from ambergate_policies.lowering.measures import grade
from ambergate_policies.lowering.outputs import default_name, given
from ambergate_policies.lowering.rows import PersonScalars, Rows, derived_column
from ambergate_policies.lowering.scope import Names, Source
from ambergate_policies.lowering.windows import WindowScalars, has_window
from ambergate_policies.verdict import QueryRefused


class NestedSelect:
    """A subquery over person rows: a projection, or one row per person and further keys."""

    def __init__(
        self,
        names: Names,
        select: exp.Select,
        rows: Rows,
        scalars: PersonScalars,
        alias: str,
        *,
        outermost: bool = False,
    ) -> None:
        self.outermost = outermost
        self.names = names
        self.reading = names.reading
        self.select = select
        self.rows = rows
        self.alias = alias
        self.scalars = scalars

    def lower(self) -> tuple[Relation, Source]:
        for key in () if self.outermost else ("limit", "offset"):
            if self.select.args.get(key) is not None:
                raise self.reading.refuse(
                    "row-level",
                    "LIMIT inside a subquery picks individuals",
                    self.select.args[key],
                    hint="choose rows by a condition, or take one per person with min or max",
                )
        where = self.select.args.get("where")
        condition = self.scalars.where(where.this if where is not None else None)
        group = self.select.args.get("group")
        if group is None and not any(has_aggregate(item) for item in self.select.expressions):
            return self._projection(condition)
        return self._grouped(condition, group)

    def _projection(self, condition: Expression | None) -> tuple[Relation, Source]:
        if self.select.args.get("having") is not None:
            raise self.reading.refuse("syntax", "HAVING needs GROUP BY", self.select.args["having"])
        distinct = self.select.args.get("distinct")
        if distinct is not None and distinct.args.get("on"):
            raise self.reading.refuse("row-level", "DISTINCT ON is not understood yet", distinct)
        if has_window(self.select):
            return self._windowed(condition, distinct is not None)
        if self.select.args.get("qualify") is not None:
            raise self.reading.refuse("window", "QUALIFY needs a window", self.select.args["qualify"], hint="use WHERE")
        items = self._items(self.scalars)
        self._refuse_missing([item for _, item in items])
        if distinct is not None and not any(isinstance(item, Owner) for _, item in items) and self.rows.owners:
            raise self.reading.refuse(
                "subquery",
                "DISTINCT over many persons inside a subquery is not understood yet",
                distinct,
                hint="select the person key too, or use count(DISTINCT ...) in the outermost SELECT",
            )
        return self._derived(self.rows.relation, self.rows.owners, items, condition, distinct is not None)

    def _windowed(self, condition: Expression | None, distinct: bool) -> tuple[Relation, Source]:
        """Windows are computed in a relation of their own below, so that expressions may be made of them."""
        scalars = WindowScalars(self.rows, self.scalars, self.names.fresh())
        items = self._items(scalars)
        scalars.aliases = {name.lower(): item for name, item in items}
        clause = self.select.args.get("qualify")
        qualify = scalars.condition(clause.this) if clause is not None else None
        owners = (Owner(scalars.source),) if self.rows.owners else ()
        below = Derived(scalars.source, self.rows.relation, scalars.items(), self.rows.owners, condition)
        return self._derived(below, owners, items, qualify, distinct)

    def _refuse_missing(self, items: list[Expression]) -> None:
        """A person key that an outer join can leave NULL is not the key that the rows are counted by."""
        if any(isinstance(item, Owner) and item.source in self.rows.nullable for item in items):
            message = "this person key may be missing after the outer join"
            raise self.reading.refuse("join-on-owner", message, self.select, hint="select the other table's key")

    def _items(self, scalars: Scalars) -> list[tuple[str, Expression]]:
        items: list[tuple[str, Expression]] = []
        for node in self.select.expressions:
            if isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star)):
                items += self._star(node, scalars)
                continue
            inner = node.unalias()
            name = node.alias if isinstance(node, exp.Alias) else default_name(self.reading, inner)
            items.append((name, scalars.lower(inner)))
        return items

    def _star(self, node: exp.Expr, scalars: Scalars) -> list[tuple[str, Expression]]:
        star = node if isinstance(node, exp.Star) else node.this
        if any(star.args.values()):
            raise self.reading.refuse("syntax", "EXCLUDE and REPLACE are not understood yet", node)
        qualifier = node.table if isinstance(node, exp.Column) else ""
        items: list[tuple[str, Expression]] = []
        for source in self.rows.scope.sources:
            if qualifier and source.alias.lower() != qualifier.lower():
                continue
            if source.owner is not None and source.owner_name:
                items.append((source.owner_name, scalars.carried(node, source.owner)))
            items += [(name, scalars.carried(node, value)) for name, value in source.columns.items()]
        return items

    def _derived(
        self,
        relation: Relation,
        owners: tuple[Owner, ...],
        items: list[tuple[str, Expression]],
        condition: Expression | None,
        distinct: bool = False,
    ) -> tuple[Relation, Source]:
        source = self.names.fresh()
        columns: dict[str, Expression] = {}
        stored: list[tuple[str, Expression]] = []
        owner_name: str | None = None
        for name, item in items:
            if isinstance(item, Owner):
                owner_name = owner_name or name
            elif name.lower() not in columns:
                inner = f"c{len(stored)}"
                stored.append((inner, item))
                columns[name.lower()] = derived_column(source, inner, item)
        owner = Owner(source) if owners else None
        derived = Derived(source, relation, tuple(stored), owners, condition, distinct)
        return derived, Source(self.alias, columns, owner, owner_name)

    def _grouped(self, condition: Expression | None, group: exp.Group | None) -> tuple[Relation, Source]:
        nodes = [] if group is None else self._group_nodes(group)
        keys = [self.scalars.lower(node) for node in nodes]
        if self.rows.owners and not any(isinstance(key, Owner) for key in keys):
            raise self.reading.refuse(
                "subquery",
                "a subquery that aggregates over many persons is not understood yet",
                group or self.select.expressions[0],
                hint="group the subquery by the person key, or make it the outermost SELECT",
            )
        self._refuse_missing(keys)
        if self.select.args.get("qualify") is not None:
            raise self.reading.refuse(
                "window",
                "QUALIFY beside GROUP BY is not understood",
                self.select.args["qualify"],
                hint="put the grouped SELECT into a subquery",
            )
        if self.select.args.get("distinct") is not None:
            raise self.reading.refuse(
                "syntax", "DISTINCT beside GROUP BY is not understood", self.select, hint="drop it"
            )
        others = tuple(key for key in keys if not isinstance(key, Owner))
        inner = _PersonLevel(self, self.names.fresh(), others)
        items = self._items(inner)
        having = self.select.args.get("having")
        held = inner.condition(having.this) if having is not None else None
        stored = tuple((f"g{index}", key) for index, key in enumerate(others))
        partials = tuple((f"a{index}", partial) for index, partial in enumerate(inner.found))
        grouped = Derived(
            inner.source, self.rows.relation, stored, self.rows.owners, condition, group=Group(others, partials)
        )
        return self._derived(grouped, (Owner(inner.source),) if self.rows.owners else (), items, held)

    def _group_nodes(self, group: exp.Group) -> list[exp.Expr]:
        if set(given(group)) - {"expressions", "all"}:
            raise self.reading.refuse("syntax", "only plain GROUP BY is understood yet", group)
        items = self.select.expressions
        if group.args.get("all"):
            return [item.unalias() for item in items if not has_aggregate(item)]
        nodes: list[exp.Expr] = []
        for node in group.expressions:
            if isinstance(node, exp.Literal) and str(node.this).isdigit() and 1 <= int(node.this) <= len(items):
                node = items[int(node.this) - 1].unalias()
            nodes.append(node)
        return nodes


_PARTIALS: dict[type[exp.Expr], str] = {
    exp.Sum: "sum",
    exp.Avg: "avg",
    exp.Min: "min",
    exp.Max: "max",
    exp.Median: "median",
    exp.LogicalOr: "bool_or",
    exp.LogicalAnd: "bool_and",
}


_PER_PERSON = "per person there are count, sum, avg, min, max, median, bool_or and bool_and"


class _PersonLevel(Scalars):
    """Scalars over one person's group: keys, and aggregates over that person's own rows."""

    def __init__(self, nested: NestedSelect, source: str, keys: tuple[Expression, ...]) -> None:
        super().__init__(nested.reading)
        self.rows = nested.scalars
        self.source = source
        self.keys = keys
        self.found: list[Partial] = []

    def leaf(self, node: exp.Expr) -> Expression | None:
        if is_aggregate(node):
            return self._partial(node)
        if has_aggregate(node):
            return None
        if isinstance(node, exp.Literal | exp.Null | exp.Boolean | exp.Interval):
            return None
        try:
            lowered = self.rows.lower(node)
        except QueryRefused:
            if isinstance(node, exp.Column):
                raise
            return None
        if isinstance(lowered, Owner):
            return Owner(self.source)
        if lowered in self.keys:
            return Column(self.source, f"g{self.keys.index(lowered)}", lowered.kind, grade(lowered))
        if isinstance(node, exp.Column):
            raise self.reading.refuse("row-level", f"{node.name!r} is neither grouped by nor aggregated", node)
        return None

    def _partial(self, node: exp.Expr) -> Expression:
        domain: Expression | None = None
        inner = node
        if isinstance(inner, exp.Filter):
            domain = self.rows.condition(inner.expression.this)
            inner = inner.this
        partial, kind, measurability = self._read(inner, domain)
        if partial not in self.found:
            self.found.append(partial)
        return Column(self.source, f"a{self.found.index(partial)}", kind, measurability)

    def _read(self, node: exp.Expr, domain: Expression | None) -> tuple[Partial, Kind, Measurability]:
        counted = Measurability(Grade.COUNT, 1, own=False)
        if isinstance(node, (exp.Count, exp.CountIf, *_PARTIALS)) and extras(node):
            raise self.reading.refuse("aggregate", "this aggregate has more arguments than are understood", node)
        if isinstance(node, exp.CountIf):
            return Partial("count_if", self.rows.condition(node.this), domain), Kind.INT, counted
        argument = node.this
        if isinstance(node, exp.Count):
            if argument is None or isinstance(argument, exp.Star | exp.Literal):
                return Partial("count", None, domain), Kind.INT, counted
            distinct = isinstance(argument, exp.Distinct)
            if distinct and len(argument.expressions) != 1:
                raise self.reading.refuse("aggregate", "count(DISTINCT ...) takes one column", node)
            value = self.rows.lower(argument.expressions[0] if distinct else argument)
            return Partial("count", value, domain, distinct), Kind.INT, counted
        name = _PARTIALS.get(type(node))
        if name is None or isinstance(argument, exp.Distinct) or node.expressions:
            raise self.reading.refuse("aggregate", "this aggregate is not available per person", node, hint=_PER_PERSON)
        return self._value_partial(node, name, domain)

    def _value_partial(
        self, node: exp.Expr, name: str, domain: Expression | None
    ) -> tuple[Partial, Kind, Measurability]:
        value = self.rows.value(node.this)
        if name.startswith("bool") and value.kind is not Kind.BOOL:
            raise self.reading.refuse("type", f"{name} needs a condition, not a {value.kind}", node)
        if name in ("sum", "avg", "median") and not (value.kind.numeric or value.kind is Kind.BOOL):
            raise self.reading.refuse("type", f"{name} needs a number, not a {value.kind}", node)
        if name in ("sum", "avg", "median") and value.kind is Kind.BOOL:
            value = _as_integer(value)
        found = grade(value)
        if found.grade is Grade.CONSTANT or (found.grade is Grade.INDICATOR and name in ("sum", "avg", "median")):
            found = Measurability(Grade.COUNT, 1, own=False)
        kind = Kind.NUM if name in ("avg", "median") else value.kind
        return Partial(name, value, domain), kind, found


def _as_integer(value: Expression) -> Expression:
    return Cast(value, "INTEGER", Kind.INT)
