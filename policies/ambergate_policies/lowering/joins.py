"""Joins: of person rows on their owners, of person rows with public ones that none of them meets twice.

A join of two person relations needs equality of their owners, so that every row still belongs to exactly one person.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from ambergate_policies.algebra.expressions import (
    Call,
    Comparison,
    Expression,
    Logical,
    Owner,
)
from ambergate_policies.algebra.kinds import common
from ambergate_policies.algebra.relations import Join, JoinKind, Relation, Values
from ambergate_policies.functions import ALLOWED
from ambergate_policies.lowering.expressions import widened
from ambergate_policies.lowering.fanout import fan_out
from ambergate_policies.lowering.rows import PersonScalars, Rows, links, sources_of, sources_read
from ambergate_policies.lowering.scope import Names, Scope, Source
from ambergate_policies.lowering.written import only
from ambergate_policies.ranges import multiplications
from ambergate_policies.verdict import QueryRefused

MAX_SOURCES = 64
MAX_MULTIPLICATIONS = 4
Item = Callable[[exp.Expr], tuple[Relation, Source]]


class Joins:
    """Joins the items of one FROM to its rows, one after the other. `item` lowers a FROM item."""

    def __init__(self, names: Names, item: Item) -> None:
        self.names = names
        self.reading = names.reading
        self.item = item

    def join(self, rows: Rows, node: exp.Join, equalities: list[tuple[exp.Column, exp.Column]]) -> None:
        only(self.reading, node, {"this", "side", "kind", "on", "using", "method"})
        kind = self._join_kind(node)
        relation, source = self.item(node.this)
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
        if multiplications(rows.relation) > MAX_MULTIPLICATIONS:
            raise self.reading.refuse(
                "size",
                f"more than {MAX_MULTIPLICATIONS} joins multiply the rows of a person: the time would tell whose",
                node,
                hint="make one row per person of each table first: SELECT DISTINCT person_id, or GROUP BY person_id",
            )
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
            sides = [sources_read(unequal[0].left), sources_read(unequal[0].right)]
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


def column_equalities(node: exp.Expr) -> list[tuple[exp.Column, exp.Column]]:
    if isinstance(node, exp.And):
        return [*column_equalities(node.this), *column_equalities(node.expression)]
    if isinstance(node, exp.Paren):
        return column_equalities(node.this)
    if isinstance(node, exp.EQ) and isinstance(node.this, exp.Column) and isinstance(node.expression, exp.Column):
        return [(node.this, node.expression)]
    return []
