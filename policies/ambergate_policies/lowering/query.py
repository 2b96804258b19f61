"""A query: its WITH, its FROM, and which kind of SELECT it is."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlglot import exp

from ambergate_policies.agreement import Agreement
from ambergate_policies.algebra.expressions import Column
from ambergate_policies.algebra.relations import Cleared, Program, PublicProgram, Relation
from ambergate_policies.catalogue import Catalogue
from ambergate_policies.lowering.aliases import check_alias_keys, expand_aliases
from ambergate_policies.lowering.boundary import OutermostSelect
from ambergate_policies.lowering.fanout import FanOut
from ambergate_policies.lowering.from_clause import FromClause
from ambergate_policies.lowering.grouping import is_boundary
from ambergate_policies.lowering.membership import Memberships
from ambergate_policies.lowering.nested import NestedSelect
from ambergate_policies.lowering.outputs import given
from ambergate_policies.lowering.pivots import write_out_pivots
from ambergate_policies.lowering.rows import PersonScalars, Rows, Single
from ambergate_policies.lowering.scope import CohortNames, Names, Source
from ambergate_policies.lowering.setops import SetOperations
from ambergate_policies.lowering.sets import FINER, Sibling, spread
from ambergate_policies.lowering.shorthands import write_out
from ambergate_policies.lowering.text import Reading
from ambergate_policies.verdict import Finding, QueryRefused

MAX_COLUMNS = 200
MAX_SUBQUERIES = 200
MAX_STEPS = 40
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
class Step:
    """One cleared table on the way to the result, under a name of the kernel's own (`t1`..); the last is the result.
    `fan_outs`: what must hold of public data, earlier steps among them, for it to mean what it says. `single`: the
    refusal if it has more than one row, where it stands for a value."""

    table: str
    program: Program | PublicProgram
    fan_outs: tuple[FanOut, ...]
    single: Finding | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """A SELECT whose rows are kept inside: its relation, and what a later query may name of it. `steps` come before."""

    relation: Relation
    source: Source
    steps: tuple[Step, ...]
    fan_outs: tuple[FanOut, ...]


def lower(
    reading: Reading, catalogue: Catalogue, agreement: Agreement, cohorts: CohortNames | None = None
) -> tuple[Step, ...]:
    """The steps that a text means under an agreement: each reads only earlier ones. Raises QueryRefused."""
    return _Query(reading, catalogue, agreement, cohorts).steps()


def lower_body(
    reading: Reading, node: exp.Expr, catalogue: Catalogue, agreement: Agreement, cohorts: CohortNames
) -> Body:
    """What the SELECT of a CREATE TABLE means: a subquery, and nothing around it. Raises QueryRefused."""
    query = _Query(reading, catalogue, agreement, cohorts)
    relation, source = query._subquery(write_out_pivots(reading, node), "", {})
    return Body(relation, source, tuple(query._steps), tuple(query.names.fan_outs))


class _Query:
    def __init__(
        self, reading: Reading, catalogue: Catalogue, agreement: Agreement, cohorts: CohortNames | None
    ) -> None:
        self.reading = reading
        self.agreement = agreement
        self.names = Names(reading, catalogue, agreement, cohorts)
        self._steps: list[Step] = []
        self._done: dict[int, Cleared] = {}
        self._subqueries = 0

    def steps(self) -> tuple[Step, ...]:
        tree = write_out_pivots(self.reading, self.reading.tree)
        while isinstance(tree, exp.Subquery) and set(given(tree)) == {"this"}:
            tree = tree.this
        if isinstance(tree, exp.SetOperation):
            self._step(self._united(tree))
            return tuple(self._steps)
        if not isinstance(tree, exp.Select):
            raise self._no_select(tree)
        self._step(self._program(tree, {}))
        return tuple(self._steps)

    def _program(self, select: exp.Select, outer: dict[str, exp.Expr]) -> Program | PublicProgram:
        """A SELECT whose result is cleared or public. Raises QueryRefused where its rows belong to single persons."""
        ctes = self._check_parts(select, outer)
        rows, scalars = self._from(select, ctes)
        if not rows.owners:
            return _public(NestedSelect(self.names, select, rows, scalars, ""))
        if select.args.get("qualify") is not None and not is_boundary(select, rows, scalars):
            raise self.reading.refuse(
                "window",
                "QUALIFY picks rows: that is possible in a subquery only",
                select.args["qualify"],
                hint="SELECT ... FROM (SELECT ... QUALIFY row_number() OVER (PARTITION BY person_id ...) = 1) AS first",
            )
        return self._boundary(select, rows, scalars)

    def _boundary(self, select: exp.Select, rows: Rows, scalars: PersonScalars) -> Program:
        return OutermostSelect(self.reading, self.agreement, select, rows, scalars, self._single_of(select)).program()

    def _step(self, program: Program | PublicProgram, single: Finding | None = None) -> Cleared:
        """Take a program as the next step; fan-outs that were found since the one before are asked before it."""
        if len(self._steps) >= MAX_STEPS:
            raise self.reading.refuse("size", f"more than {MAX_STEPS} tables are cleared on the way", hint="split it")
        table = f"t{len(self._steps) + 1}"
        self._steps.append(Step(table, program, tuple(self.names.fan_outs), single))
        self.names.fan_outs.clear()
        source = self.names.fresh()
        return Cleared(source, table, tuple(replace(column, source=source) for column in _columns(program)))

    def _no_select(self, tree: exp.Expr) -> QueryRefused:
        word = self.reading.text.split(None, 1)[0].upper()[:20] if self.reading.text.strip() else "nothing"
        return self.reading.refuse(
            "statement", f"only SELECT is possible here, not {word}", None, hint="ask for counts, sums or averages"
        )

    def _check_parts(self, select: exp.Select, outer: dict[str, exp.Expr]) -> dict[str, exp.Expr]:
        write_out(self.reading, select)
        spread(self.reading, select)
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
            if not isinstance(item.this, exp.Select | exp.SetOperation):
                raise self.reading.refuse(
                    "syntax", "a WITH part must be a SELECT", item, hint="WITH name AS (SELECT ...)"
                )
            item.this.meta["ambergate_columns"] = [column.name for column in alias.args.get("columns") or ()]
            # A part sees those before it: its own dictionary travels with it.
            item.this.meta["ambergate_ctes"] = dict(ctes)
            ctes[alias.name.lower()] = item.this
        return ctes

    def _from(self, select: exp.Select, ctes: dict[str, exp.Expr]) -> tuple[Rows, PersonScalars]:
        def subquery(node: exp.Expr, alias: str) -> tuple[Relation, Source]:
            return self._subquery(node, alias, node.meta.get("ambergate_ctes", ctes))

        select.meta["ambergate_inside"] = ctes
        rows = FromClause(self.names, ctes, subquery).lower(select)
        check_alias_keys(select, self.names, rows.scope)
        expand_aliases(select, self.names, rows.scope)
        memberships = Memberships(self.names, rows, ctes, subquery, self._single_of(select))
        return rows, PersonScalars(self.names, rows.scope, memberships)

    def _subquery(self, node: exp.Expr, alias: str, ctes: dict[str, exp.Expr]) -> tuple[Relation, Source]:
        self._subqueries += 1
        if self._subqueries > MAX_SUBQUERIES:
            raise self.reading.refuse("size", f"more than {MAX_SUBQUERIES} subqueries", node)
        if isinstance(node, exp.SetOperation):
            return self._set_operation(node, alias, ctes)
        if not isinstance(node, exp.Select):
            raise self.reading.refuse("subquery", "only a plain SELECT may be nested", node)
        if id(node) in self._done:  # a WITH part that is read again is computed once
            return self._again(self._done[id(node)], alias)
        inner = self._check_parts(node, ctes)
        rows, scalars = self._from(node, inner)
        if is_boundary(node, rows, scalars):
            self._done[id(node)] = step = self._step(self._boundary(node, rows, scalars))
            if isinstance(sibling := node.meta.get(FINER), Sibling):
                sibling.table = step.table
            return self._again(self._done[id(node)], alias)
        return NestedSelect(self.names, node, rows, scalars, alias).lower()

    def _set_operation(self, node: exp.SetOperation, alias: str, ctes: dict[str, exp.Expr]) -> tuple[Relation, Source]:
        inside = self._ctes(node.args.get("with_"), ctes)

        def branch(part: exp.Expr) -> tuple[Relation, Source]:
            return self._subquery(part, "", inside)

        return SetOperations(self.names, branch).lower(node, alias)

    def _united(self, node: exp.SetOperation) -> PublicProgram:
        """A set operation as the whole query: of tables that are public or cleared."""
        relation, source = self._set_operation(node, "", {})
        if source.owner is not None:
            raise self.reading.refuse(
                "row-level",
                "the result would have one row per person or event",
                node,
                hint="aggregate over it: SELECT count(DISTINCT person_id) FROM (... UNION ALL ...) AS together",
            )
        columns = tuple(value for value in source.columns.values() if isinstance(value, Column))
        return PublicProgram(relation, source.outputs, columns)

    def _again(self, step: Cleared, alias: str) -> tuple[Relation, Source]:
        """A step's table under a new alias."""
        source = self.names.fresh()
        program = self._steps[int(step.table[1:]) - 1].program
        columns = tuple(replace(column, source=source) for column in step.columns)
        named = {name.lower(): column for name, column in zip(_names(program), columns, strict=True)}
        return Cleared(source, step.table, columns), Source(alias, dict(named), outputs=tuple(named))

    def _single_of(self, select: exp.Select) -> Single:
        """How subqueries of one value inside a SELECT become steps."""

        def single(node: exp.Subquery) -> Cleared:
            inner = node.this
            refusal = self.reading.refuse(
                "subquery",
                "a subquery that stands for a value must give one row and one column",
                node,
                hint="aggregate in it without GROUP BY, or join it by WITH",
            )
            if set(given(node)) - {"this"} or not isinstance(inner, exp.Select):
                raise refusal
            program = self._program(inner, select.meta.get("ambergate_inside", {}))
            if len(_columns(program)) != 1:
                raise refusal
            return self._step(program, refusal.findings[0])

        return single


def _names(program: Program | PublicProgram) -> tuple[str, ...]:
    return program.names if isinstance(program, PublicProgram) else tuple(item.name for item in program.outputs)


def _columns(program: Program | PublicProgram) -> list[Column]:
    """The outputs of a step, as they are read from a table `t` that has not been given an alias yet."""
    values = program.columns if isinstance(program, PublicProgram) else [item.expression for item in program.outputs]
    return [Column("t", f"o{index}", value.kind) for index, value in enumerate(values)]


def _public(nested: NestedSelect) -> PublicProgram:
    """A query over reference tables, VALUES and cleared tables alone: no row of it belongs to anybody."""
    relation, source = nested.lower()
    columns = tuple(value for value in source.columns.values() if isinstance(value, Column))
    return PublicProgram(relation, tuple(nested.spelled), columns)
