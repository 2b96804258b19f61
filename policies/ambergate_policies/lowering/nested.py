"""A subquery over person rows: a projection, or one row per person and further keys. It stays `Person`."""

from __future__ import annotations

from sqlglot import exp

from ambergate_policies.algebra.expressions import Column, Expression, IsNull, Ordering, Owner
from ambergate_policies.algebra.relations import Derived, Group, Relation
from ambergate_policies.lowering.expressions import Scalars
from ambergate_policies.lowering.grouping import group_nodes
from ambergate_policies.lowering.outputs import constant, default_name, same
from ambergate_policies.lowering.over_groups import split
from ambergate_policies.lowering.person_level import PersonLevel
from ambergate_policies.lowering.remembered import kept, passed_on
from ambergate_policies.lowering.rows import PersonScalars, Rows, derived_column
from ambergate_policies.lowering.scope import Names, Scope, Source
from ambergate_policies.lowering.spellings import has_aggregate
from ambergate_policies.lowering.stars import is_star, star_items
from ambergate_policies.lowering.windows import WindowScalars, has_window


class NestedSelect:
    """A subquery over person rows: a projection, or one row per person and further keys."""

    def __init__(
        self,
        names: Names,
        select: exp.Select,
        rows: Rows,
        scalars: PersonScalars,
        alias: str,
    ) -> None:
        self.names = names
        self.reading = names.reading
        self.select = select
        self.rows = rows
        self.alias = alias
        self.scalars = scalars
        self.spelled: list[str] = []
        """The names of the columns as the researcher wrote them."""

    def lower(self) -> tuple[Relation, Source]:
        """The relation of the rows and what can be named of them from outside."""
        if self.rows.unmatched:
            message = "rows without a person would appear"
            raise self.reading.refuse("join-on-owner", message, self.select, hint="put the person table first")
        if self.rows.owners:
            self._refuse_picking()
        where = self.select.args.get("where")
        condition = self.scalars.where(where.this if where is not None else None)
        if self.select.args.get("group") is None and not any(has_aggregate(item) for item in self.select.expressions):
            return self._projection(condition)
        return self._grouped(condition)

    def _refuse_picking(self) -> None:
        for key in ("limit", "offset"):
            if self.select.args.get(key) is not None:
                raise self.reading.refuse(
                    "row-level",
                    "LIMIT inside a subquery picks individuals",
                    self.select.args[key],
                    hint="choose rows by a condition, or take one per person with min or max",
                )

    def _projection(self, condition: Expression | None) -> tuple[Relation, Source]:
        if self.select.args.get("having") is not None:
            raise self.reading.refuse("syntax", "HAVING needs GROUP BY", self.select.args["having"])
        distinct = self.select.args.get("distinct")
        if has_window(self.select):
            return self._windowed(condition, distinct is not None)
        if self.select.args.get("qualify") is not None:
            raise self.reading.refuse("window", "QUALIFY needs a window", self.select.args["qualify"], hint="use WHERE")
        items = self._items(self.scalars)
        order = self._order(items, self.scalars)
        self._refuse_missing([item for _, item in items])
        if distinct is not None and not any(isinstance(item, Owner) for _, item in items) and self.rows.owners:
            raise self.reading.refuse(
                "subquery",
                "DISTINCT over many persons inside a subquery is not understood yet",
                distinct,
                hint="select the person key too, or use count(DISTINCT ...) in the outermost SELECT",
            )
        return self._derived(self.rows.relation, self.rows.owners, items, condition, order, distinct is not None)

    def _windowed(self, condition: Expression | None, distinct: bool) -> tuple[Relation, Source]:
        """Windows are computed in a relation of their own below, so that expressions may be made of them."""
        scalars = WindowScalars(self.rows, self.scalars, self.names.fresh())
        items = self._items(scalars)
        scalars.aliases = {name.lower(): item for name, item in items}
        clause = self.select.args.get("qualify")
        qualify = scalars.condition(clause.this) if clause is not None else None
        order = self._order(items, scalars)
        owners = (Owner(scalars.source),) if self.rows.owners else ()
        below = Derived(scalars.source, self.rows.relation, scalars.items(), self.rows.owners, condition)
        return self._derived(below, owners, items, qualify, order, distinct)

    def _refuse_missing(self, items: list[Expression]) -> None:
        """A person key that an outer join can leave NULL is not the key that the rows are counted by."""
        if any(isinstance(item, Owner) and item.source in self.rows.nullable for item in items):
            message = "this person key may be missing after the outer join"
            raise self.reading.refuse("join-on-owner", message, self.select, hint="select the other table's key")

    def _items(self, scalars: Scalars) -> list[tuple[str, Expression]]:
        items: list[tuple[str, Expression]] = []
        for node in self.select.expressions:
            if is_star(node):
                items += star_items(node, self.rows.scope, scalars)
                continue
            inner = node.unalias()
            name = node.alias if isinstance(node, exp.Alias) else default_name(self.reading, inner)
            items.append((name, scalars.lower(inner)))
        return items

    def _derived(
        self,
        relation: Relation,
        owners: tuple[Owner, ...],
        items: list[tuple[str, Expression]],
        condition: Expression | None,
        order: tuple[Ordering, ...],
        distinct: bool = False,
        *,
        once: bool = False,
    ) -> tuple[Relation, Source]:
        source = self.names.fresh()
        columns: dict[str, Expression] = {}
        stored: list[tuple[str, Expression]] = []
        beside: list[tuple[str, Expression]] = []
        owner_name: str | None = None
        outputs: list[str] = []

        def keep(term: Expression) -> Column:
            beside.append((f"p{len(beside)}", term))
            return derived_column(source, beside[-1][0], term)

        for name, item in items:
            outputs.append(name.lower())
            if isinstance(item, Owner):
                owner_name = owner_name or name
            elif name.lower() not in columns:
                inner = f"c{len(stored)}"
                stored.append((inner, item))
                self.spelled.append(name)
                column = derived_column(source, inner, item)
                plain = not owners or distinct  # nothing may stand beside the columns there
                columns[name.lower()] = passed_on(column, item) if plain else kept(column, item, keep)
        stored += beside
        owner = Owner(source) if owners else None
        limit, offset = constant(self.reading, self.select, "limit"), constant(self.reading, self.select, "offset")
        derived = Derived(
            source,
            relation,
            tuple(stored),
            owners,
            condition,
            distinct,
            order=order,
            limit=limit,
            offset=offset or 0,
        )
        repeated = self.rows.repeated and not once
        return derived, Source(
            self.alias,
            columns,
            owner,
            owner_name,
            outputs=tuple(outputs),
            repeated=repeated,
            apart=self._apart(items) if repeated else frozenset(),
        )

    def _apart(self, items: list[tuple[str, Expression]]) -> frozenset[str]:
        """The outputs that still tell apart what could repeat a row, where only one source does."""
        repeated = self.rows.scope.repeated()
        told = repeated[0] if len(repeated) == 1 else frozenset()
        names = [name.lower() for name, _ in items]
        return frozenset(name.lower() for name, item in items if item in told and names.count(name.lower()) == 1)

    def _order(self, items: list[tuple[str, Expression]], scalars: Scalars) -> tuple[Ordering, ...]:
        """ORDER BY over public rows. That of person rows orders what nobody sees."""
        clause = self.select.args.get("order")
        if clause is None or self.rows.owners:
            return ()
        return tuple(self._ordering(item, items, scalars) for item in clause.expressions)

    def _ordering(self, item: exp.Expr, items: list[tuple[str, Expression]], scalars: Scalars) -> Ordering:
        node, value = item.this, None
        if isinstance(node, exp.Literal) and not node.is_string:
            position = int(node.this) if str(node.this).isdigit() else 0
            if not 1 <= position <= len(items):
                raise self.reading.refuse("syntax", "ORDER BY names a position that does not exist", node)
            value = items[position - 1][1]
        elif isinstance(node, exp.Column) and not node.table:
            value = next((found for name, found in items if same(name, node.name)), None)
        value = scalars.value(node) if value is None else value
        return Ordering(value, bool(item.args.get("desc")), bool(item.args.get("nulls_first")))

    def _grouped(self, condition: Expression | None) -> tuple[Relation, Source]:
        nodes = group_nodes(self.select, self.scalars)
        if has_window(self.select) and nodes:
            return self._windows_over_groups(condition, nodes)
        keys = self._with_sure_key([self.scalars.lower(node) for node in nodes])
        self._refuse_missing(keys)
        if self.select.args.get("qualify") is not None:
            message = "QUALIFY needs a window"
            raise self.reading.refuse("window", message, self.select.args["qualify"], hint="use HAVING")
        if self.select.args.get("distinct") is not None:
            raise self.reading.refuse(
                "syntax", "DISTINCT beside GROUP BY is not understood", self.select, hint="drop it"
            )
        others = tuple(key for key in keys if not isinstance(key, Owner))
        missing = frozenset(self.rows.nullable)
        inner = PersonLevel(self.scalars, self.names.fresh(), others, repeated=self.rows.repeated, missing=missing)
        items = self._items(inner)
        having = self.select.args.get("having")
        held = inner.condition(having.this) if having is not None else None
        order = self._order(items, inner)
        stored = tuple((f"g{index}", key) for index, key in enumerate(others))
        partials = tuple((f"a{index}", partial) for index, partial in enumerate(inner.found))
        grouped = Derived(
            inner.source, self.rows.relation, stored, self.rows.owners, condition, group=Group(others, partials)
        )
        owners = (Owner(inner.source),) if self.rows.owners else ()
        return self._derived(grouped, owners, items, held, order, once=not others)

    def _with_sure_key(self, keys: list[Expression]) -> list[Expression]:
        """Beside the key that the rows are counted by, one that an outer join leaves NULL says only whether it is."""
        nullable = [isinstance(key, Owner) and key.source in self.rows.nullable for key in keys]
        sure = any(isinstance(key, Owner) and not missing for key, missing in zip(keys, nullable, strict=True))
        return [IsNull(key) if missing and sure else key for key, missing in zip(keys, nullable, strict=True)]

    def _windows_over_groups(self, condition: Expression | None, nodes: list[exp.Expr]) -> tuple[Relation, Source]:
        below, above = split(self.reading, self.select, nodes)
        grouping = NestedSelect(self.names, below, self.rows, self.scalars, "groups")
        relation, source = grouping._grouped(condition)
        owners = (source.owner,) if source.owner is not None else ()
        scope, linked = Scope([source]), {owner.source for owner in owners}
        rows = Rows(relation, scope, owners, linked, repeated=source.repeated)
        outer = NestedSelect(self.names, above, rows, PersonScalars(self.names, scope), self.alias)
        result = outer.lower()
        self.spelled = outer.spelled
        return result
