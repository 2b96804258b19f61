"""Subqueries inside expressions, as joins: the algebra has no subquery inside an expression.

`person_id IN (SELECT person_id ...)` and `EXISTS (... WHERE b.person_id = a.person_id AND ...)` ask something about the
row's own person, so they become a left join to the distinct persons of the subquery and a test whether one was found.
`code IN (SELECT code FROM reference ...)` does the same with a public list. An EXISTS that also compares with the outer
row becomes a semi or anti join, which only a condition of WHERE can be. A subquery of one value is either of the row's
own person, or an earlier step that is cleared first and then joined as its one row.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from sqlglot import exp

from ambergate_policies.algebra.expressions import (
    Case,
    Column,
    Comparison,
    Expression,
    Grade,
    IsNull,
    Literal,
    Logical,
    Measurability,
    Not,
    Owner,
    walk,
)
from ambergate_policies.algebra.kinds import Kind, common
from ambergate_policies.algebra.relations import Beside, Derived, Group, Join, JoinKind, Partial, Relation
from ambergate_policies.lowering.expressions import coerce
from ambergate_policies.lowering.from_clause import FromClause
from ambergate_policies.lowering.person_level import PersonLevel
from ambergate_policies.lowering.rows import PersonScalars, Rows, Single, Subquery, conjuncts, links
from ambergate_policies.lowering.scope import Names, Scope
from ambergate_policies.lowering.spellings import is_aggregate
from ambergate_policies.verdict import QueryRefused

_EXISTS_PARTS = frozenset({"expressions", "from_", "joins", "where", "distinct"})


@dataclass(slots=True)
class _Inner:
    """A lowered EXISTS: its rows, the conditions on them alone, and those that also read the outer row."""

    rows: Rows
    alone: list[Expression] = field(default_factory=list)
    link: Expression | None = None
    mixed: list[Expression] = field(default_factory=list)


class Memberships:
    """Joins the subqueries of one SELECT's conditions to its rows. Equal texts are joined once."""

    def __init__(self, names: Names, rows: Rows, ctes: dict[str, exp.Expr], subquery: Subquery, single: Single) -> None:
        self.names = names
        self.single = single
        self.reading = names.reading
        self.rows = rows
        self.ctes = ctes
        self.subquery = subquery
        self._known: dict[exp.Expr, Expression] = {}

    def known(self) -> Collection[exp.Expr]:
        """The subqueries that are joined already."""
        return self._known.keys()

    def is_constant(self, node: exp.Subquery) -> bool:
        """Whether a subquery that is joined already is a step: one value, whatever the row."""
        return node in self._known and not _reads_outside(node.this, self.rows.scope)

    def lower(self, node: exp.Expr, scalars: PersonScalars) -> Expression | None:
        """The test for an IN or EXISTS with a subquery, a subquery's value, or None where the node is neither."""
        if node in self._known:
            return self._known[node]
        if isinstance(node, exp.Exists):
            found = self._exists(node)
        elif isinstance(node, exp.In) and node.args.get("query") is not None:
            found = self._in(node, scalars)
        elif isinstance(node, exp.Subquery):
            found = self._value(node)
        else:
            return None
        self._known[node] = found
        return found

    def semi_join(self, node: exp.Expr) -> bool:
        """Take a conjunct of WHERE as a semi or anti join if it is an EXISTS that reads the outer row."""
        kind, inside = JoinKind.SEMI, node
        while isinstance(inside, exp.Paren | exp.Not):
            if isinstance(inside, exp.Not):
                kind = JoinKind.ANTI if kind is JoinKind.SEMI else JoinKind.SEMI
            inside = inside.this
        if not isinstance(inside, exp.Exists):
            return False
        inner = self._inside(inside)
        if not inner.mixed:
            return False
        conditions = [*([inner.link] if inner.link is not None else []), *inner.mixed, *inner.alone]
        on = conditions[0] if len(conditions) == 1 else Logical("AND", tuple(conditions))
        self.rows.relation = Join(kind, self.rows.relation, inner.rows.relation, on)
        return True

    # -- one value

    def _value(self, node: exp.Subquery) -> Expression:
        """A subquery of one value: of the row's own person, or cleared before and the same for every row."""
        select = node.this
        if isinstance(select, exp.Select) and _reads_outside(select, self.rows.scope):
            return self._own_value(node, select)
        step = self.single(node)
        self.rows.relation = Join(JoinKind.LEFT, self.rows.relation, step, Literal(True, Kind.BOOL))
        return step.columns[0]

    def _own_value(self, node: exp.Subquery, select: exp.Select) -> Expression:
        """What a subquery computes from the rows of the row's own person."""
        inner = self._inner(select, node)
        item = select.expressions[0].unalias()
        if len(select.expressions) != 1 or not is_aggregate(item):
            raise self._refused(node, "a subquery about the row's person must be one aggregate")
        both = _Correlated(self.names, inner.rows.scope, self.rows.scope)
        level = PersonLevel(both, self.names.fresh(), (), repeated=inner.rows.repeated)
        value = level.lower(item)
        self._beside(level.source, inner, level.found[0])
        return value

    def _beside(self, source: str, inner: _Inner, partial: Partial | None) -> None:
        """One more column beside the rows so far, from those of a subquery's rows that each of them meets."""
        on = _all([*([inner.link] if inner.link is not None else []), *inner.mixed, *inner.alone])
        if on is None:
            raise TypeError("a subquery about the row without a condition")
        self.rows.relation = Beside(source, self.rows.relation, inner.rows.relation, on, partial)

    # -- IN

    def _in(self, node: exp.In, scalars: PersonScalars) -> Expression:
        query = node.args["query"]
        select = query.this if isinstance(query, exp.Subquery) else query
        relation, source = self.subquery(select, "")
        part = scalars.lower(node.this)
        if isinstance(part, Owner):
            if source.owner is None or source.owner_name is None or source.columns:
                raise self._refused(node, "the subquery must select the person key and nothing else")
            return self._person_test(node, part, relation, source.owner)
        if source.owner is not None:
            raise self._refused(node, "a subquery over other people's rows cannot be compared with")
        if len(source.columns) != 1:
            raise self._refused(node, "the subquery must select one column")
        return self._public_test(node, part, relation, next(iter(source.columns.values())))

    def _person_test(self, node: exp.Expr, part: Owner, relation: Relation, owner: Owner) -> Expression:
        if part.source not in self.rows.linked:
            raise self._refused(node, "this person key is not the one that the rows are counted by")
        found = self._attach(relation, (owner,), (), None, lambda source: Comparison("=", part, Owner(source)))
        present = Not(IsNull(Owner(found)))
        return _unknown_where_null(part, present) if part.source in self.rows.nullable else present

    def _public_test(self, node: exp.Expr, part: Expression, relation: Relation, column: Expression) -> Expression:
        part = coerce(part, column.kind)
        if common(part.kind, column.kind) is None:
            raise self.reading.refuse("type", f"a {part.kind} cannot be compared with a {column.kind}", node)

        def on(source: str) -> Expression:
            return Comparison("=", part, Column(source, "c0", column.kind))

        found = Not(
            IsNull(Column(self._attach(relation, (), (("c0", column),), Not(IsNull(column)), on), "c0", column.kind))
        )
        unknown = Logical("AND", (*self._with_missing(relation, column, part), Literal(None, Kind.NULL)))
        return Logical("OR", (found, unknown))

    def _with_missing(self, relation: Relation, column: Expression, part: Expression) -> tuple[Expression, Expression]:
        """When SQL cannot tell whether a value that was not found is in a list: the list has something, and the value
        or one in the list is missing. Otherwise NOT IN would say what it does not say in the engine."""
        source = self.names.fresh()
        counted = ("a0", Partial("count", None, None)), ("a1", Partial("bool_or", IsNull(column), None))
        listed = Derived(source, relation, (), (), None, group=Group((), counted))
        self.rows.relation = Join(JoinKind.LEFT, self.rows.relation, listed, Literal(True, Kind.BOOL))
        some = Comparison("<>", Column(source, "a0", Kind.INT), Literal(0, Kind.INT))
        return some, Logical("OR", (IsNull(part), Column(source, "a1", Kind.BOOL)))

    # -- EXISTS

    def _exists(self, node: exp.Exists) -> Expression:
        inner = self._inside(node)
        if inner.mixed or inner.link is None:
            source = self.names.fresh()
            self._beside(source, inner, None)
            return Column(source, "a0", Kind.BOOL, Measurability(Grade.INDICATOR, 1, own=False))
        theirs, mine = _sides(inner.link, inner.rows.linked)
        condition = _all(inner.alone)
        found = self._attach(
            inner.rows.relation, (theirs,), (), condition, lambda source: Comparison("=", mine, Owner(source))
        )
        return Not(IsNull(Owner(found)))

    def _inside(self, node: exp.Exists) -> _Inner:
        select = node.this.this if isinstance(node.this, exp.Subquery) else node.this
        if not isinstance(select, exp.Select):
            raise self._refused(node, "EXISTS takes a plain SELECT")
        return self._inner(select, node)

    def _inner(self, select: exp.Select, node: exp.Expr) -> _Inner:
        given = {key for key, value in select.args.items() if value not in (None, False, [])}
        if given - _EXISTS_PARTS:
            raise self._refused(node, "only FROM, JOIN and WHERE are understood in this subquery")
        rows = FromClause(self.names, self.ctes, self.subquery).lower(select)
        inner = _Inner(rows)
        where = select.args.get("where")
        scalars = _Correlated(self.names, rows.scope, self.rows.scope)
        for part in conjuncts(where.this) if where is not None else []:
            self._sort(inner, scalars.condition(part))
        if rows.owners and inner.link is None:
            raise self.reading.refuse(
                "join-on-owner",
                "a subquery about persons must be about the row's own person",
                node,
                hint="add the equality of the person keys to the subquery's WHERE",
            )
        if not rows.owners and not inner.mixed:
            raise self._refused(node, "this subquery does not depend on the row")
        return inner

    def _sort(self, inner: _Inner, condition: Expression) -> None:
        mine = _sources(self.rows.scope)
        read = {part.source for part in walk(condition) if isinstance(part, Column | Owner)}
        linking = any(links(condition, self.rows.linked, owner) for owner in inner.rows.owners)
        if linking and inner.link is None:
            inner.link = condition
        elif read & mine:
            inner.mixed.append(condition)
        else:
            inner.alone.append(condition)

    # -- joining

    def _attach(
        self,
        relation: Relation,
        owners: tuple[Owner, ...],
        items: tuple[tuple[str, Expression], ...],
        condition: Expression | None,
        on: Callable[[str], Expression],
    ) -> str:
        """Left-join the distinct rows of a subquery; returns the kernel's alias for it."""
        source = self.names.fresh()
        distinct = Derived(source, relation, items, owners, condition, distinct=True)
        self.rows.relation = Join(JoinKind.LEFT, self.rows.relation, distinct, on(source))
        return source

    def _refused(self, node: exp.Expr, message: str) -> QueryRefused:
        return self.reading.refuse("subquery", message, node, hint="use a join on the person key instead")


class _Correlated(PersonScalars):
    """Names of the inner FROM first, then of the outer one."""

    def __init__(self, names: Names, inner: Scope, outer: Scope) -> None:
        super().__init__(names, inner)
        self.outer = outer

    def leaf(self, node: exp.Expr) -> Expression | None:
        try:
            return super().leaf(node)
        except QueryRefused as refusal:
            if not isinstance(node, exp.Column) or refusal.findings[0].rule != "unknown-column":
                raise
            return self.names.column(self.outer, node)


def _reads_outside(select: exp.Select, outer: Scope) -> bool:
    """Whether a subquery's WHERE names a table of the outer FROM that its own FROM does not have."""
    clause, where = select.args.get("from_"), select.args.get("where")
    if clause is None or where is None:
        return False
    items = [clause.this, *(join.this for join in select.args.get("joins") or ())]
    mine = {item.alias_or_name.lower() for item in items}
    others = {source.alias.lower() for source in outer.sources} - mine
    return any(column.table.lower() in others for column in where.find_all(exp.Column) if column.table)


def _sources(scope: Scope) -> set[str]:
    """The kernel's aliases that a scope's names stand for."""
    found: set[str] = set()
    for source in scope.sources:
        for value in (*source.columns.values(), *([source.owner] if source.owner is not None else [])):
            found |= {part.source for part in walk(value) if isinstance(part, Column | Owner)}
    return found


def _sides(link: Expression, inner: set[str]) -> tuple[Owner, Owner]:
    """The inner and the outer owner of an equality of owners."""
    if isinstance(link, Comparison) and isinstance(link.left, Owner) and isinstance(link.right, Owner):
        return (link.left, link.right) if link.left.source in inner else (link.right, link.left)
    raise TypeError("not an equality of owners")


def _all(conditions: list[Expression]) -> Expression | None:
    if len(conditions) <= 1:
        return conditions[0] if conditions else None
    return Logical("AND", tuple(conditions))


def _unknown_where_null(part: Expression, test: Expression) -> Expression:
    """SQL's third value: IN of NULL is NULL."""
    return Case(((IsNull(part), Literal(None, Kind.NULL)),), test, Kind.BOOL)
