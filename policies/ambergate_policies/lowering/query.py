"""SELECT: one boundary at the top, Person relations below it, post-processing above it."""

from __future__ import annotations

from sqlglot import exp

from ambergate_policies.agreement import Agreement
from ambergate_policies.algebra.expressions import (
    Aggregate,
    Cast,
    Column,
    Expression,
    Grade,
    Literal,
    Measurability,
    Owner,
)
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.algebra.relations import (
    CLEARED,
    Boundary,
    Derived,
    Group,
    Ordering,
    Output,
    Partial,
    Program,
    PublicProgram,
    Relation,
)
from ambergate_policies.catalogue import Catalogue
from ambergate_policies.lowering.aggregates import STATISTIC, Aggregates, has_aggregate, is_aggregate
from ambergate_policies.lowering.expressions import Scalars
from ambergate_policies.lowering.measures import grade
from ambergate_policies.lowering.rows import FromClause, PersonScalars, Rows, derived_column
from ambergate_policies.lowering.scope import Names, Source
from ambergate_policies.lowering.text import Reading
from ambergate_policies.verdict import QueryRefused

MAX_COLUMNS = 200
MAX_SUBQUERIES = 200
_SELECT_PARTS = frozenset(
    {"expressions", "from_", "joins", "where", "group", "having", "order", "limit", "offset", "distinct", "with_"},
)


def lower(reading: Reading, catalogue: Catalogue, agreement: Agreement) -> Program | PublicProgram:
    """The program that a text means under an agreement. Raises QueryRefused."""
    return _Query(reading, catalogue, agreement).program()


class _Query:
    def __init__(self, reading: Reading, catalogue: Catalogue, agreement: Agreement) -> None:
        self.reading = reading
        self.agreement = agreement
        self.names = Names(reading, catalogue, agreement)
        self._subqueries = 0

    def program(self) -> Program | PublicProgram:
        tree = self.reading.tree
        while isinstance(tree, exp.Subquery) and set(_given(tree)) == {"this"}:
            tree = tree.this
        if not isinstance(tree, exp.Select):
            raise self._no_select(tree)
        ctes = self._check_parts(tree, {})
        rows = self._from(tree, ctes)
        if not rows.owners:
            return _public(self, tree, rows)
        return _Boundary(self, tree, rows, PersonScalars(self.names, rows.scope)).program()

    def _no_select(self, tree: exp.Expr) -> QueryRefused:
        word = self.reading.text.split(None, 1)[0].upper()[:20] if self.reading.text.strip() else "nothing"
        if isinstance(tree, exp.SetOperation):
            return self.reading.refuse("statement", "UNION and the like are not understood yet", None, hint="run each")
        return self.reading.refuse(
            "statement", f"only SELECT is possible here, not {word}", None, hint="ask for counts, sums or averages"
        )

    def _check_parts(self, select: exp.Select, outer: dict[str, exp.Expr]) -> dict[str, exp.Expr]:
        for key in _given(select):
            if key not in _SELECT_PARTS:
                value = select.args[key]
                where = value[0] if isinstance(value, list) else value
                what = key.strip("_").upper()
                node = where if isinstance(where, exp.Expr) else select
                raise self.reading.refuse("syntax", f"{what} is not understood yet", node)
        if len(select.expressions) > MAX_COLUMNS:
            raise self.reading.refuse("size", f"a result may have at most {MAX_COLUMNS} columns", select)
        return self._ctes(select.args.get("with_"), outer)

    def _ctes(self, clause: exp.Expr | None, outer: dict[str, exp.Expr]) -> dict[str, exp.Expr]:
        if clause is None:
            return outer
        if clause.args.get("recursive"):
            raise self.reading.refuse("syntax", "WITH RECURSIVE is not understood", clause)
        ctes = dict(outer)
        for item in clause.expressions:
            alias = item.args["alias"]
            if not isinstance(item.this, exp.Select) or alias.args.get("columns"):
                raise self.reading.refuse("syntax", "a WITH part must be a plain SELECT", item)
            # A part sees those before it: its own dictionary travels with it.
            item.this.meta["ambergate_ctes"] = dict(ctes)
            ctes[alias.name.lower()] = item.this
        return ctes

    def _from(self, select: exp.Select, ctes: dict[str, exp.Expr]) -> Rows:
        def subquery(node: exp.Expr, alias: str) -> tuple[Relation, Source]:
            return self._subquery(node, alias, node.meta.get("ambergate_ctes", ctes))

        return FromClause(self.names, ctes, subquery).lower(select)

    def _subquery(self, node: exp.Expr, alias: str, ctes: dict[str, exp.Expr]) -> tuple[Relation, Source]:
        self._subqueries += 1
        if self._subqueries > MAX_SUBQUERIES:
            raise self.reading.refuse("size", f"more than {MAX_SUBQUERIES} subqueries", node)
        if not isinstance(node, exp.Select):
            raise self.reading.refuse("subquery", "only a plain SELECT may be nested", node)
        inner = self._check_parts(node, ctes)
        return _Nested(self, node, self._from(node, inner), alias).lower()


def _public(query: _Query, select: exp.Select, rows: Rows) -> PublicProgram:
    """A query over reference tables and VALUES alone: no row of it belongs to anybody."""
    nested = _Nested(query, select, rows, "", outermost=True)
    relation, source = nested.lower()
    names = [name for name, value in source.columns.items() if isinstance(value, Column)]
    order = []
    clause = select.args.get("order")
    for item in clause.expressions if clause is not None else ():
        order.append(_public_ordering(query.reading, item, list(source.columns.items())))
    limit, offset = constant(query.reading, select, "limit"), constant(query.reading, select, "offset")
    columns = tuple(value for value in source.columns.values() if isinstance(value, Column))
    return PublicProgram(relation, tuple(names), columns, tuple(order), limit, offset or 0)


def _public_ordering(reading: Reading, item: exp.Expr, columns: list[tuple[str, Expression]]) -> Ordering:
    node = item.this
    for position, (name, value) in enumerate(columns, 1):
        by_position = isinstance(node, exp.Literal) and str(node.this) == str(position)
        if by_position or (isinstance(node, exp.Column) and _same(node.name, name)):
            return Ordering(value, bool(item.args.get("desc")), bool(item.args.get("nulls_first")))
    raise reading.refuse("syntax", "order by a column of the result", node)


def default_name(reading: Reading, item: exp.Expr) -> str:
    """The name of an output without an alias: the column's, the function's, or the text itself."""
    if isinstance(item, exp.Column):
        return item.name
    inner = item.this if isinstance(item, exp.Filter) else item
    if isinstance(inner, exp.Func):
        return inner.sql_name().lower()
    span = reading.span(item)
    return reading.text[span.start : span.end][:60] if span else "column"


def constant(reading: Reading, select: exp.Select, key: str) -> int | None:
    """LIMIT or OFFSET: a whole number written in the query."""
    clause = select.args.get(key)
    if clause is None:
        return None
    node = clause.expression
    if not isinstance(node, exp.Literal) or not str(node.this).isdigit() or clause.args.get("limit_options"):
        raise reading.refuse("syntax", f"{key.upper()} must be a whole number", clause)
    return int(node.this)


class _Boundary:
    """The outermost SELECT of a query: what it groups by, what it measures, what it does with the cleared table."""

    def __init__(self, query: _Query, select: exp.Select, rows: Rows, scalars: PersonScalars) -> None:
        self.query = query
        self.reading = query.reading
        self.select = select
        self.rows = rows
        self.scalars = scalars
        self.aggregates = Aggregates(scalars, rows.owners)

    def program(self) -> Program:
        items = self.select.expressions
        where = self.select.args.get("where")
        condition = self.scalars.condition(where.this) if where is not None else None
        keys = tuple(_unique(self._keys(items)))
        above = _Above(self, keys)
        outputs = tuple(
            Output(name, above.value(item.unalias()))
            for name, item in zip(self._output_names(items), items, strict=True)
        )
        having = self.select.args.get("having")
        held = above.condition(having.this) if having is not None else None
        order = tuple(self._ordering(item, above, outputs) for item in self._order_items())
        boundary = Boundary(self.rows.relation, self.rows.owners, condition, keys, tuple(above.found))
        limit, offset = constant(self.reading, self.select, "limit"), constant(self.reading, self.select, "offset")
        return Program(boundary, outputs, held, order, limit, offset or 0)

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
        return [self._key(node) for node in self._group_nodes(group, items)]

    def _having_aggregates(self) -> bool:
        having = self.select.args.get("having")
        return having is not None and has_aggregate(having)

    def _group_nodes(self, group: exp.Group, items: list[exp.Expr]) -> list[exp.Expr]:
        given = set(_given(group))
        if given - {"expressions", "all"}:
            raise self.reading.refuse("syntax", "only plain GROUP BY is understood yet", group)
        if group.args.get("all"):
            return [item.unalias() for item in items if not has_aggregate(item)]
        nodes = []
        for node in group.expressions:
            if isinstance(node, exp.Rollup | exp.Cube | exp.GroupingSets | exp.Tuple):
                raise self.reading.refuse("syntax", "only plain GROUP BY is understood yet", node)
            nodes.append(self._group_node(node, items))
        return nodes

    def _group_node(self, node: exp.Expr, items: list[exp.Expr]) -> exp.Expr:
        """A position or an output's alias stands for that output; a column of the tables goes first."""
        if isinstance(node, exp.Literal) and not node.is_string:
            position = int(node.this) if str(node.this).isdigit() else 0
            if not 1 <= position <= len(items):
                raise self.reading.refuse("syntax", "GROUP BY names a position that does not exist", node)
            return items[position - 1].unalias()
        if isinstance(node, exp.Column) and not node.table:
            try:
                self.scalars.lower(node)
            except QueryRefused:
                named = [item for item in items if isinstance(item, exp.Alias) and _same(item.alias, node.name)]
                if named:
                    return named[0].unalias()
                raise
        return node

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
                if _same(output.name, node.name):
                    return output.expression
        return above.value(node)


class _Above(Scalars):
    """Scalars over the cleared table: group keys and measures are the only leaves."""

    def __init__(self, boundary: _Boundary, keys: tuple[Expression, ...]) -> None:
        super().__init__(boundary.reading)
        self.boundary = boundary
        self.keys = keys
        self.found: list[Aggregate] = []

    def leaf(self, node: exp.Expr) -> Expression | None:
        if is_aggregate(node):
            return self._aggregate(node)
        if has_aggregate(node):
            return None
        if (key := self._group_key(node)) is not None:
            return key
        if isinstance(node, exp.Column):
            raise self._not_grouped(node)
        return None

    def _aggregate(self, node: exp.Expr) -> Expression:
        aggregate = self.boundary.aggregates.lower(node)
        self._permitted(node, aggregate)
        if aggregate not in self.found:
            self.found.append(aggregate)
        return Column(CLEARED, f"m{self.found.index(aggregate)}", aggregate.kind)

    def _permitted(self, node: exp.Expr, aggregate: Aggregate) -> None:
        terms = self.boundary.query.agreement.terms
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


class _Nested:
    """A subquery over person rows: a projection, or one row per person and further keys."""

    def __init__(self, query: _Query, select: exp.Select, rows: Rows, alias: str, *, outermost: bool = False) -> None:
        self.query = query
        self.outermost = outermost
        self.names = query.names
        self.reading = query.reading
        self.select = select
        self.rows = rows
        self.alias = alias
        self.scalars = PersonScalars(query.names, rows.scope)

    def lower(self) -> tuple[Relation, Source]:
        for key in () if self.outermost else ("limit", "offset"):
            if self.select.args.get(key) is not None:
                raise self.reading.refuse(
                    "row-level", "LIMIT inside a subquery picks individuals", self.select.args[key]
                )
        where = self.select.args.get("where")
        condition = self.scalars.condition(where.this) if where is not None else None
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

    def _refuse_missing(self, items: list[Expression]) -> None:
        """A person key that an outer join can leave NULL is not the key that the rows are counted by."""
        if any(isinstance(item, Owner) and item.source in self.rows.nullable for item in items):
            message = "this person key may be missing after the outer join"
            raise self.reading.refuse("join-on-owner", message, self.select, hint="select the other table's key")

    def _items(self, scalars: Scalars) -> list[tuple[str, Expression]]:
        items: list[tuple[str, Expression]] = []
        for node in self.select.expressions:
            if isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star)):
                items += self._star(node)
                continue
            inner = node.unalias()
            name = node.alias if isinstance(node, exp.Alias) else default_name(self.reading, inner)
            items.append((name, scalars.lower(inner)))
        return items

    def _star(self, node: exp.Expr) -> list[tuple[str, Expression]]:
        star = node if isinstance(node, exp.Star) else node.this
        if any(star.args.values()):
            raise self.reading.refuse("syntax", "EXCLUDE and REPLACE are not understood yet", node)
        qualifier = node.table if isinstance(node, exp.Column) else ""
        items: list[tuple[str, Expression]] = []
        for source in self.rows.scope.sources:
            if qualifier and source.alias.lower() != qualifier.lower():
                continue
            if source.owner is not None and source.owner_name:
                items.append((source.owner_name, source.owner))
            items += source.columns.items()
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
        if set(_given(group)) - {"expressions", "all"}:
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


_PARTIALS: dict[type[exp.Expr], str] = {exp.Sum: "sum", exp.Avg: "avg", exp.Min: "min", exp.Max: "max"}


class _PersonLevel(Scalars):
    """Scalars over one person's group: keys, and aggregates over that person's own rows."""

    def __init__(self, nested: _Nested, source: str, keys: tuple[Expression, ...]) -> None:
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
        counted = Measurability(Grade.COUNT, 1)
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
            raise self.reading.refuse("aggregate", "use count, sum, avg, min or max per person", node)
        return self._value_partial(node, name, domain)

    def _value_partial(
        self, node: exp.Expr, name: str, domain: Expression | None
    ) -> tuple[Partial, Kind, Measurability]:
        value = self.rows.value(node.this)
        if name in ("sum", "avg") and not (value.kind.numeric or value.kind is Kind.BOOL):
            raise self.reading.refuse("type", f"{name} needs a number, not a {value.kind}", node)
        if name in ("sum", "avg") and value.kind is Kind.BOOL:
            value = _as_integer(value)
        found = grade(value)
        if found.grade is Grade.CONSTANT or (found.grade is Grade.INDICATOR and name in ("sum", "avg")):
            found = Measurability(Grade.COUNT, 1)
        kind = Kind.NUM if name == "avg" else value.kind
        return Partial(name, value, domain), kind, found


def _as_integer(value: Expression) -> Expression:
    return Cast(value, "INTEGER", Kind.INT)


def _given(node: exp.Expr) -> list[str]:
    return [key for key, value in node.args.items() if value not in (None, False, [])]


def _same(one: str, other: str) -> bool:
    return one.lower() == other.lower()


def _unique(keys: list[Expression]) -> list[Expression]:
    return list(dict.fromkeys(key for key in keys if not isinstance(key, Literal)))
