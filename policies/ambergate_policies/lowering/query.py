"""A query: its WITH, its FROM, and which kind of SELECT it is."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from ambergate_policies.agreement import Agreement
from ambergate_policies.algebra.expressions import Column, Expression, Ordering
from ambergate_policies.algebra.relations import Program, PublicProgram, Relation
from ambergate_policies.catalogue import Catalogue
from ambergate_policies.lowering.boundary import OutermostSelect
from ambergate_policies.lowering.fanout import FanOut
from ambergate_policies.lowering.membership import Memberships
from ambergate_policies.lowering.nested import NestedSelect
from ambergate_policies.lowering.outputs import constant, given, same
from ambergate_policies.lowering.rows import FromClause, PersonScalars, Rows
from ambergate_policies.lowering.scope import Names, Source
from ambergate_policies.lowering.text import Reading
from ambergate_policies.verdict import QueryRefused

MAX_COLUMNS = 200
MAX_SUBQUERIES = 200
_SELECT_PARTS = frozenset(
    {
        "expressions",
        "from_",
        "joins",
        "where",
        "group",
        "having",
        "order",
        "limit",
        "offset",
        "distinct",
        "with_",
        "qualify",
        "windows",
    },
)


@dataclass(frozen=True, slots=True)
class Lowered:
    """What a text means, and what must hold of public data for it to mean that."""

    program: Program | PublicProgram
    fan_outs: tuple[FanOut, ...]


def lower(reading: Reading, catalogue: Catalogue, agreement: Agreement) -> Lowered:
    """The program that a text means under an agreement. Raises QueryRefused."""
    query = _Query(reading, catalogue, agreement)
    return Lowered(query.program(), tuple(query.names.fan_outs))


class _Query:
    def __init__(self, reading: Reading, catalogue: Catalogue, agreement: Agreement) -> None:
        self.reading = reading
        self.agreement = agreement
        self.names = Names(reading, catalogue, agreement)
        self._subqueries = 0

    def program(self) -> Program | PublicProgram:
        tree = self.reading.tree
        while isinstance(tree, exp.Subquery) and set(given(tree)) == {"this"}:
            tree = tree.this
        if not isinstance(tree, exp.Select):
            raise self._no_select(tree)
        ctes = self._check_parts(tree, {})
        rows, scalars = self._from(tree, ctes)
        if rows.owners and tree.args.get("qualify") is not None:
            raise self.reading.refuse(
                "window",
                "QUALIFY picks rows: that is possible in a subquery only",
                tree.args["qualify"],
                hint="SELECT ... FROM (SELECT ... QUALIFY row_number() OVER (PARTITION BY person_id ...) = 1) AS first",
            )
        if not rows.owners:
            return _public(self.names, tree, rows, scalars)
        return OutermostSelect(self.reading, self.agreement, tree, rows, scalars).program()

    def _no_select(self, tree: exp.Expr) -> QueryRefused:
        word = self.reading.text.split(None, 1)[0].upper()[:20] if self.reading.text.strip() else "nothing"
        if isinstance(tree, exp.SetOperation):
            return self.reading.refuse("statement", "UNION and the like are not understood yet", None, hint="run each")
        return self.reading.refuse(
            "statement", f"only SELECT is possible here, not {word}", None, hint="ask for counts, sums or averages"
        )

    def _check_parts(self, select: exp.Select, outer: dict[str, exp.Expr]) -> dict[str, exp.Expr]:
        for key in given(select):
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

    def _from(self, select: exp.Select, ctes: dict[str, exp.Expr]) -> tuple[Rows, PersonScalars]:
        def subquery(node: exp.Expr, alias: str) -> tuple[Relation, Source]:
            return self._subquery(node, alias, node.meta.get("ambergate_ctes", ctes))

        rows = FromClause(self.names, ctes, subquery).lower(select)
        memberships = Memberships(self.names, rows, ctes, subquery)
        return rows, PersonScalars(self.names, rows.scope, memberships)

    def _subquery(self, node: exp.Expr, alias: str, ctes: dict[str, exp.Expr]) -> tuple[Relation, Source]:
        self._subqueries += 1
        if self._subqueries > MAX_SUBQUERIES:
            raise self.reading.refuse("size", f"more than {MAX_SUBQUERIES} subqueries", node)
        if not isinstance(node, exp.Select):
            raise self.reading.refuse("subquery", "only a plain SELECT may be nested", node)
        inner = self._check_parts(node, ctes)
        rows, scalars = self._from(node, inner)
        return NestedSelect(self.names, node, rows, scalars, alias).lower()


def _public(names: Names, select: exp.Select, rows: Rows, scalars: PersonScalars) -> PublicProgram:
    """A query over reference tables and VALUES alone: no row of it belongs to anybody."""
    nested = NestedSelect(names, select, rows, scalars, "", outermost=True)
    relation, source = nested.lower()
    outputs = [name for name, value in source.columns.items() if isinstance(value, Column)]
    order = []
    clause = select.args.get("order")
    for item in clause.expressions if clause is not None else ():
        order.append(_public_ordering(names.reading, item, list(source.columns.items())))
    limit, offset = constant(names.reading, select, "limit"), constant(names.reading, select, "offset")
    columns = tuple(value for value in source.columns.values() if isinstance(value, Column))
    return PublicProgram(relation, tuple(outputs), columns, tuple(order), limit, offset or 0)


def _public_ordering(reading: Reading, item: exp.Expr, columns: list[tuple[str, Expression]]) -> Ordering:
    node = item.this
    for position, (name, value) in enumerate(columns, 1):
        by_position = isinstance(node, exp.Literal) and str(node.this) == str(position)
        if by_position or (isinstance(node, exp.Column) and same(node.name, name)):
            return Ordering(value, bool(item.args.get("desc")), bool(item.args.get("nulls_first")))
    raise reading.refuse("syntax", "order by a column of the result", node)
