"""FROM: from tables, subqueries and joins to one relation of person rows (or of public rows).

The owner is carried from the scans up, found by the catalogue and never by a name in the query. A join of two person
relations needs equality of their owners, so that every row still belongs to exactly one person.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from sqlglot import exp

from ambergate_policies.algebra.expressions import (
    Call,
    Column,
    Comparison,
    Expression,
    Literal,
    Logical,
    Owner,
    walk,
)
from ambergate_policies.algebra.kinds import Kind, common
from ambergate_policies.algebra.relations import Cleared, Join, JoinKind, Relation, Values
from ambergate_policies.functions import ALLOWED
from ambergate_policies.lowering.expressions import Scalars, widened
from ambergate_policies.lowering.fanout import fan_out
from ambergate_policies.lowering.measures import grade
from ambergate_policies.lowering.remembered import points_of
from ambergate_policies.lowering.scope import Names, Scope, Source
from ambergate_policies.lowering.series import series
from ambergate_policies.verdict import QueryRefused

MAX_SOURCES = 64


@dataclass(slots=True)
class Rows:
    """A relation under construction. `owners`: their coalesce is the row's person; empty means Public.
    `linked`: sources whose owner, where not NULL, is the row's person; `nullable`: those where it may be NULL."""

    relation: Relation
    scope: Scope
    owners: tuple[Owner, ...]
    linked: set[str] = field(default_factory=set)
    nullable: set[str] = field(default_factory=set)
    commas: bool = False
    unmatched: bool = False
    """An outer join has public rows without a person, which are left out: what counts them may not be asked."""
    repeated: bool = False
    """Rows of one person may have been multiplied by the query: what counts rows may not be measured."""


class PersonScalars(Scalars):
    """Scalars over the columns of a scope, below a boundary."""

    def __init__(self, names: Names, scope: Scope, memberships: Membership | None = None) -> None:
        super().__init__(names.reading)
        self.names = names
        self.scope = scope
        self.memberships = memberships

    def leaf(self, node: exp.Expr) -> Expression | None:
        if isinstance(node, exp.Column) and not isinstance(node.this, exp.Star):
            return self.names.column(self.scope, node)
        if self.memberships is not None:
            return self.memberships.lower(node, self)
        return None

    def carried(self, node: exp.Expr, value: Expression) -> Expression:
        return value

    def is_constant(self, node: exp.Subquery) -> bool:
        """Whether a subquery that is joined already is the same value in every row."""
        return self.memberships is not None and self.memberships.is_constant(node)

    def subqueries(self) -> Collection[exp.Expr]:
        """The subqueries that are joined to the rows already."""
        return self.memberships.known() if self.memberships is not None else ()

    def where(self, node: exp.Expr | None) -> Expression | None:
        """A WHERE: its EXISTS that read the outer row become joins, the rest a condition."""
        if node is None:
            return None
        parts = [part for part in conjuncts(node) if self.memberships is None or not self.memberships.semi_join(part)]
        lowered = [self.condition(part) for part in parts]
        if len(lowered) <= 1:
            return lowered[0] if lowered else None
        return Logical("AND", tuple(lowered))


def conjuncts(node: exp.Expr) -> list[exp.Expr]:
    """The parts of a condition that are joined by AND, however they are bracketed."""
    if isinstance(node, exp.And):
        return [*conjuncts(node.this), *conjuncts(node.expression)]
    if isinstance(node, exp.Paren) and isinstance(node.this, exp.And | exp.Paren):
        return conjuncts(node.this)
    return [node]


def scalar_subqueries(node: exp.Expr) -> list[exp.Subquery]:
    """The subqueries of an expression that stand for one value, outside of other subqueries."""
    if isinstance(node, exp.Subquery):
        return [node]
    if isinstance(node, exp.Query | exp.Exists):
        return []
    parts = (part for key, part in _parts(node) if not (isinstance(node, exp.In) and key == "query"))
    return [found for part in parts for found in scalar_subqueries(part)]


def _parts(node: exp.Expr) -> Iterator[tuple[str, exp.Expr]]:
    for key, value in node.args.items():
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, exp.Expr):
                yield key, part


class Membership(Protocol):
    """What turns subqueries in conditions into joins (membership.py)."""

    def known(self) -> Collection[exp.Expr]: ...
    def is_constant(self, node: exp.Subquery) -> bool: ...
    def lower(self, node: exp.Expr, scalars: PersonScalars) -> Expression | None: ...
    def semi_join(self, node: exp.Expr) -> bool: ...


Subquery = Callable[[exp.Expr, str], tuple[Relation, Source]]
Single = Callable[[exp.Subquery], Cleared]
"""Lowers a subquery of one value to an earlier step of one row and one column."""


class FromClause:
    """Lowers one FROM with its joins. `subquery` lowers a nested SELECT, `ctes` are the WITH names in reach."""

    def __init__(self, names: Names, ctes: dict[str, exp.Expr], subquery: Subquery) -> None:
        self.names = names
        self.reading = names.reading
        self.ctes = ctes
        self.subquery = subquery

    def lower(self, select: exp.Select) -> Rows:
        """The joined rows of a SELECT. Refuses a SELECT without FROM."""
        clause = select.args.get("from_")
        if clause is None:
            return self._nothing()
        where = select.args.get("where")
        equalities = list(_column_equalities(where.this)) if where is not None else []
        rows = self._first(clause.this)
        for item in (*(clause.this.args.get("joins") or ()), *(select.args.get("joins") or ())):
            self._join(rows, item, equalities)
        return rows

    def _nothing(self) -> Rows:
        """A SELECT without FROM has one row, about nobody."""
        source = self.names.fresh()
        one = Column(source, "v0", Kind.INT)
        return Rows(Values(source, (one,), ((Literal(1, Kind.INT),),)), Scope(), ())

    def _first(self, node: exp.Expr) -> Rows:
        relation, source = self._item(node)
        owners = (source.owner,) if source.owner else ()
        linked = {owner.source for owner in owners}
        return Rows(relation, Scope([source]), owners, linked, repeated=source.repeated)

    def _item(self, node: exp.Expr) -> tuple[Relation, Source]:
        alias = node.args.get("alias")
        names = [item.name for item in (alias.args.get("columns") or ())] if alias is not None else []
        relation, source = self._unnamed_item(node)
        return relation, self._renamed(node, source, [] if isinstance(node, exp.Values) else names)

    def _unnamed_item(self, node: exp.Expr) -> tuple[Relation, Source]:
        """A FROM item without the list of column names behind its alias."""
        if isinstance(node, exp.Unnest) or (isinstance(node, exp.Table) and isinstance(node.this, exp.GenerateSeries)):
            return self._series(node)
        if isinstance(node, exp.Table):
            return self._table(node)
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Select | exp.SetOperation):
            self._only(node, {"this", "alias"})
            return self.subquery(node.this, node.alias or "")
        if isinstance(node, exp.Values):
            return self._values(node)
        if isinstance(node, exp.Lateral):
            raise self.reading.refuse("subquery", "LATERAL is not understood", node, hint="join on the person key")
        raise self.reading.refuse(
            "unknown-table",
            "only granted tables and subqueries may follow FROM",
            node,
            hint="use a granted table, a subquery, VALUES, range(...) or unnest([...])",
        )

    def _table(self, node: exp.Table) -> tuple[Relation, Source]:
        if not isinstance(node.this, exp.Identifier):
            message = "table functions and files cannot be read"
            raise self.reading.refuse("unknown-table", message, node, hint="use a granted table")
        self._only(node, {"this", "alias", "db", "catalog", "joins"})
        name = node.name
        if not node.args.get("db") and name.lower() in self.ctes:
            cte = self.ctes[name.lower()]
            relation, source = self.subquery(cte, node.alias or name)
            return relation, self._renamed(node, source, cte.meta.get("ambergate_columns", []))
        return self.names.granted_table(node, node.alias or name)

    def _renamed(self, node: exp.Expr, source: Source, names: list[str]) -> Source:
        """`AS t(a, b)`: the first columns under other names. Only a subquery shows which they are."""
        if not names:
            return source
        renamed = (*(name.lower() for name in names), *source.outputs[len(names) :])
        clear = len(names) <= len(source.outputs) and len(set(source.outputs)) == len(source.outputs)
        if source.grant is not None or not clear or len(set(renamed)) != len(renamed):
            message = "these names do not fit the columns"
            raise self.reading.refuse("syntax", message, node, hint="name the columns by AS in the SELECT")
        new = dict(zip(source.outputs, renamed, strict=True))
        columns = {new[name]: value for name, value in source.columns.items()}
        owner_name = None if source.owner_name is None else new[source.owner_name.lower()]
        return replace(source, columns=columns, owner_name=owner_name, outputs=renamed)

    def _series(self, node: exp.Unnest | exp.Table) -> tuple[Relation, Source]:
        """range(...), generate_series(...) or unnest([...]) of constants: a public relation of one column."""
        self._only(node, {"this", "alias", "expressions"})
        scalars = PersonScalars(self.names, Scope())
        name, values = series(scalars, node.this if isinstance(node, exp.Table) else node)
        kind = self._column_kind(node, values)
        source = self.names.fresh()
        column = Column(source, "v0", kind)
        rows = tuple((widened(value, kind),) for value in values)
        relation: Relation = Values(source, (column,), rows)
        return relation, Source(node.alias or name, {name: column}, outputs=(name,))

    def _only(self, node: exp.Expr, allowed: set[str]) -> None:
        for key, value in node.args.items():
            if value and key not in allowed:
                where = value if isinstance(value, exp.Expr) else node
                what = key.strip("_")
                hint = "picking individuals is not possible" if what == "sample" else None
                raise self.reading.refuse("syntax", f"{what!r} is not understood here", where, hint=hint)

    def _values(self, node: exp.Values) -> tuple[Relation, Source]:
        """VALUES written in the query: a public relation, such as age bands or a code list."""
        scalars = PersonScalars(self.names, Scope())
        alias = node.args.get("alias")
        rows = [tuple(scalars.value(value) for value in getattr(row, "expressions", ())) for row in node.expressions]
        width = len(rows[0]) if rows else 0
        names = [item.name for item in (alias.args.get("columns") or ())] if alias is not None else []
        names = names or [f"col{index}" for index in range(width)]
        if not width or any(len(row) != width for row in rows) or len(names) != width or len(rows) > 5000:
            raise self.reading.refuse("syntax", "every row of VALUES needs the same columns", node)
        source = self.names.fresh()
        columns = []
        for index in range(width):
            kind = self._column_kind(node, [row[index] for row in rows])
            rows = [(*row[:index], widened(row[index], kind), *row[index + 1 :]) for row in rows]
            columns.append(points_of(Column(source, f"v{index}", kind), [row[index] for row in rows]))
        named = {name.lower(): column for name, column in zip(names, columns, strict=True)}
        relation = Values(source, tuple(columns), tuple(rows))
        return relation, Source(node.alias or "", dict(named), outputs=tuple(named))

    def _column_kind(self, node: exp.Expr, values: list[Expression]) -> Kind:
        kind: Kind | None = Kind.NULL
        for value in values:
            kind = common(kind, value.kind) if kind is not None else None
        if kind is None:
            raise self.reading.refuse("type", "a column of VALUES holds different kinds of values", node)
        return kind

    # -- joins

    def _join(self, rows: Rows, node: exp.Join, equalities: list[tuple[exp.Column, exp.Column]]) -> None:
        self._only(node, {"this", "side", "kind", "on", "using", "method"})
        kind = self._join_kind(node)
        relation, source = self._item(node.this)
        if len(rows.scope.sources) >= MAX_SOURCES:
            raise self.reading.refuse("size", f"more than {MAX_SOURCES} tables are joined", node)
        if any(source.alias.lower() == other.alias.lower() for other in rows.scope.sources):
            raise self.reading.refuse("ambiguous", f"{source.alias!r} is used twice", node, hint="give it an alias")
        kind = self._with_persons(rows, source, kind)
        left = Scope(list(rows.scope.sources), dict(rows.scope.merged))
        rows.scope.sources.append(source)
        on = self._condition(rows, left, source, node, kind, equalities)
        rows.commas |= _is_comma(node)
        rows.repeated |= source.repeated and kind not in (JoinKind.SEMI, JoinKind.ANTI)
        self._check_persons(rows, source, kind, on, node)
        self._check_fan_out(rows, source, relation, kind, on, node, equalities)
        rows.relation = Join(kind, rows.relation, relation, on)
        rows.owners = self._owners(rows, source, kind)
        if kind in (JoinKind.RIGHT, JoinKind.FULL):
            rows.nullable |= rows.linked
        if source.owner is not None:
            rows.linked.add(source.owner.source)
            if kind in (JoinKind.LEFT, JoinKind.FULL, JoinKind.ASOF_LEFT):
                rows.nullable.add(source.owner.source)
        if kind in (JoinKind.SEMI, JoinKind.ANTI):
            rows.scope.sources.pop()
            rows.linked.discard(source.owner.source if source.owner else "")

    @staticmethod
    def _with_persons(rows: Rows, source: Source, kind: JoinKind) -> JoinKind:
        """An outer join that would keep public rows without a person: those rows are nobody's, and are left out."""
        if bool(rows.owners) == (source.owner is not None):
            return kind
        kept = {JoinKind.RIGHT: JoinKind.INNER, JoinKind.FULL: JoinKind.LEFT}
        if not rows.owners:
            kept = {JoinKind.LEFT: JoinKind.INNER, JoinKind.FULL: JoinKind.RIGHT}
        rows.unmatched |= kind in kept
        return kept.get(kind, kind)

    def _join_kind(self, node: exp.Join) -> JoinKind:
        side, kind = (node.args.get("side") or "").upper(), (node.args.get("kind") or "").upper()
        method = (node.args.get("method") or "").upper()
        if method == "ASOF" and side in ("", "LEFT") and kind in ("", "INNER", "OUTER"):
            return JoinKind.ASOF_LEFT if side else JoinKind.ASOF
        if method not in ("", "NATURAL"):
            message = f"this kind of join ({method}) is not understood"
            raise self.reading.refuse("syntax", message, node, hint="JOIN ... ON a.person_id = b.person_id")
        if kind in ("SEMI", "ANTI") and not side:
            return JoinKind(kind)
        if kind in ("", "INNER", "OUTER", "CROSS") and side in ("", "LEFT", "RIGHT", "FULL"):
            return JoinKind(side or "INNER")
        raise self.reading.refuse("syntax", f"this kind of join ({side} {kind}) is not understood", node)

    def _condition(
        self,
        rows: Rows,
        left: Scope,
        source: Source,
        node: exp.Join,
        kind: JoinKind,
        equalities: list[tuple[exp.Column, exp.Column]],
    ) -> Expression | None:
        if (on := node.args.get("on")) is not None:
            condition = PersonScalars(self.names, rows.scope).condition(on)
            if kind in (JoinKind.ASOF, JoinKind.ASOF_LEFT):
                self._check_nearest(node, rows, source, condition)
            return condition
        if node.args.get("method") == "NATURAL":
            return self._using(rows, left, source, [self._natural(left, source, node)], node)
        if using := node.args.get("using"):
            if rows.commas:
                message = "USING after a comma in FROM can be read in two ways"
                raise self.reading.refuse("ambiguous", message, node, hint="write JOIN ... ON for every table")
            return self._using(rows, left, source, using, node)
        if source.owner is None or not rows.owners:
            if kind is not JoinKind.INNER:
                raise self.reading.refuse("syntax", f"a {kind} JOIN needs ON or USING", node)
            return None
        return self._from_where(rows, source, equalities)

    def _using(self, rows: Rows, left: Scope, source: Source, using: list[exp.Expr], node: exp.Join) -> Expression:
        parts: list[Expression] = []
        for item in using:
            name = exp.column(exp.to_identifier(item.name, quoted=True))
            name.this.meta.update(item.meta)
            mine = self.names.column(left, name)
            theirs = self.names.column(Scope([source]), name)
            if common(mine.kind, theirs.kind) is None:
                raise self.reading.refuse("type", f"{item.name!r} is of different kinds in the two tables", item)
            nearest = node.args.get("method") == "ASOF" and item is using[-1]
            left_side, right_side = widened(mine, theirs.kind), widened(theirs, mine.kind)
            parts.append(Comparison(">=" if nearest else "=", left_side, right_side))
            side = (node.args.get("side") or "").upper()
            if side != "FULL":
                rows.scope.merged[item.name.lower()] = theirs if side == "RIGHT" else mine
            elif not isinstance(mine, Owner) and not isinstance(theirs, Owner):
                merged = Call(ALLOWED["coalesce"], (left_side, right_side), common(mine.kind, theirs.kind) or mine.kind)
                rows.scope.merged[item.name.lower()] = merged
        return parts[0] if len(parts) == 1 else Logical("AND", tuple(parts))

    def _natural(self, left: Scope, source: Source, node: exp.Join) -> exp.Expr:
        """NATURAL JOIN where the person key is all that the tables have in common, what is not granted included."""
        common_names = {name for one in left.sources for name in _every_name(one)} & _every_name(source)
        owner = (source.owner_name or "").lower()
        if common_names != {owner} or left.merged.keys() - {owner}:
            hint = f"JOIN ... USING ({source.owner_name or 'the columns that are meant'})"
            raise self.reading.refuse("ambiguous", "NATURAL JOIN compares every column of one name", node, hint=hint)
        return exp.Identifier(this=source.owner_name, quoted=True)

    def _check_nearest(self, node: exp.Join, rows: Rows, source: Source, condition: Expression) -> None:
        """ASOF: equalities, and one inequality between a value of each side."""
        mine = sources_of(source)
        unequal = [
            part for part in _conjuncts(condition) if not (isinstance(part, Comparison) and part.operator == "=")
        ]
        sides: list[set[str]] = []
        if len(unequal) == 1 and isinstance(unequal[0], Comparison) and unequal[0].operator in _NEAREST:
            sides = [_read(unequal[0].left), _read(unequal[0].right)]
        apart = len(sides) == 2 and all(sides) and any(side <= mine for side in sides)
        if not apart or all(side & mine for side in sides):
            hint = "ASOF JOIN b ON a.person_id = b.person_id AND a.happened_on >= b.happened_on"
            raise self.reading.refuse("syntax", "ASOF needs equalities and one inequality", node, hint=hint)

    def _from_where(
        self, rows: Rows, source: Source, equalities: list[tuple[exp.Column, exp.Column]]
    ) -> Expression | None:
        """For `FROM a, b WHERE a.person_id = b.person_id`: the equality of owners among WHERE's conjuncts."""
        for one, other in equalities:
            try:
                left, right = (self.names.column(rows.scope, column) for column in (one, other))
            except QueryRefused:
                continue
            if isinstance(left, Owner) and isinstance(right, Owner):
                equality = Comparison("=", left, right)
                if links(equality, rows.linked, source.owner):
                    return equality
        return None

    def _check_persons(self, rows: Rows, source: Source, kind: JoinKind, on: Expression | None, node: exp.Join) -> None:
        here, there = bool(rows.owners), source.owner is not None
        if here and there:
            if on is None or not any(links(part, rows.linked, source.owner) for part in _conjuncts(on)):
                raise self.reading.refuse(
                    "join-on-owner",
                    "tables about persons may only be joined on the person key",
                    node,
                    hint=self._join_hint(rows, source),
                )
        elif there and kind is not JoinKind.INNER and kind is not JoinKind.RIGHT:
            raise self.reading.refuse(
                "join-on-owner", "rows without a person would appear", node, hint="put the person table first"
            )

    def _check_fan_out(
        self,
        rows: Rows,
        source: Source,
        relation: Relation,
        kind: JoinKind,
        on: Expression | None,
        node: exp.Join,
        equalities: list[tuple[exp.Column, exp.Column]],
    ) -> None:
        """A person row may meet one public row only: asked of the public side before the query runs."""
        if bool(rows.owners) == (source.owner is not None) or kind in _AT_MOST_ONCE:
            return
        public = relation if rows.owners else rows.relation
        if isinstance(public, Values) and len(public.rows) == 1:
            return
        refusal = self.reading.refuse(
            "fan-out",
            "a person's row could meet several rows of a table that is about nobody, and be counted more than once",
            node,
            hint="join on a key that is unique there, or on bands that do not overlap; or use IN (SELECT ...)",
        )
        conditions = _conjuncts(on) if on is not None else self._equal_columns(rows, equalities)
        demand = fan_out(conditions, public, refusal.findings[0])
        if isinstance(public, Values) and not demand.bounded:
            raise refusal
        self.names.fan_outs.append(demand)

    def _equal_columns(self, rows: Rows, equalities: list[tuple[exp.Column, exp.Column]]) -> tuple[Expression, ...]:
        """For `FROM a, b WHERE a.code = b.code`: the equalities of WHERE that the tables so far can name."""
        found: list[Expression] = []
        for one, other in equalities:
            try:
                left, right = (self.names.column(rows.scope, column) for column in (one, other))
            except QueryRefused:
                continue
            if not isinstance(left, Owner) and not isinstance(right, Owner):
                found.append(Comparison("=", left, right))
        return tuple(found)

    @staticmethod
    def _join_hint(rows: Rows, source: Source) -> str:
        mine = next((other for other in rows.scope.sources if other.owner is not None and other.owner_name), None)
        if mine is None or source.owner_name is None:
            return "select the person key in the subquery, and join on it"
        return f"join on {mine.alias}.{mine.owner_name} = {source.alias}.{source.owner_name}"

    @staticmethod
    def _owners(rows: Rows, source: Source, kind: JoinKind) -> tuple[Owner, ...]:
        theirs = (source.owner,) if source.owner is not None else ()
        if not rows.owners:
            return theirs if kind not in (JoinKind.SEMI, JoinKind.ANTI) else ()
        if kind is JoinKind.RIGHT and theirs:
            return theirs
        return rows.owners + theirs if kind is JoinKind.FULL else rows.owners


_AT_MOST_ONCE = frozenset({JoinKind.SEMI, JoinKind.ANTI, JoinKind.ASOF, JoinKind.ASOF_LEFT})
"""Joins that never make two rows of one."""
_NEAREST = frozenset({"<", "<=", ">", ">="})


def _read(node: Expression) -> set[str]:
    return {part.source for part in walk(node) if isinstance(part, Column | Owner)}


def sources_of(source: Source) -> set[str]:
    """The kernel's aliases that a FROM item's names stand for."""
    found = {name for value in source.columns.values() for name in _read(value)}
    return found | ({source.owner.source} if source.owner is not None else set())


def _every_name(source: Source) -> set[str]:
    """Every column that a FROM item has in the engine, granted or not."""
    declared = set() if source.table is None else {name.lower() for name in source.table.columns}
    return declared | set(source.columns) | ({source.owner_name.lower()} if source.owner_name else set())


def _is_comma(node: exp.Join) -> bool:
    return not any(node.args.get(key) for key in ("side", "kind", "on", "using", "method"))


def _conjuncts(node: Expression) -> tuple[Expression, ...]:
    if isinstance(node, Logical) and node.operator == "AND":
        return tuple(part for inner in node.parts for part in _conjuncts(inner))
    return (node,)


def links(node: Expression, linked: set[str], owner: Owner | None) -> bool:
    """An equality between `owner` and the owner of a linked source."""
    if not (isinstance(node, Comparison) and node.operator == "=" and owner is not None):
        return False
    left, right = node.left, node.right
    if not (isinstance(left, Owner) and isinstance(right, Owner)):
        return False
    return (left == owner and right.source in linked) or (right == owner and left.source in linked)


def _column_equalities(node: exp.Expr) -> list[tuple[exp.Column, exp.Column]]:
    if isinstance(node, exp.And):
        return [*_column_equalities(node.this), *_column_equalities(node.expression)]
    if isinstance(node, exp.Paren):
        return _column_equalities(node.this)
    if isinstance(node, exp.EQ) and isinstance(node.this, exp.Column) and isinstance(node.expression, exp.Column):
        return [(node.this, node.expression)]
    return []


def derived_column(source: str, name: str, expression: Expression) -> Column:
    """How a subquery's output is seen from outside: an opaque column that keeps its kind and its grade."""
    return Column(source, name, expression.kind, grade(expression))
