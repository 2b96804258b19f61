"""UNION, INTERSECT and EXCEPT: of person rows, whose owners are aligned, or of public rows.

UNION ALL keeps rows as they are, so the owner is carried whether the branches select it or not. The others compare
rows: there the person key must be among what is compared, at the same place in every branch, or they would compare the
rows of different persons.

A stack of several tables is as one table: what may be measured in it is what is the same column in every branch, or the
query would choose per branch whose value stands in which place. Where rows of one table can come out of several
branches, the query multiplies rows: `repeated` is said of the result, and what counts rows may not be measured there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations

from sqlglot import exp

from ambergate_policies.algebra.expressions import (
    NOT_MEASURABLE,
    Column,
    Expression,
    Grade,
    Literal,
    Measurability,
    Ordering,
    Owner,
)
from ambergate_policies.algebra.kinds import Kind, common
from ambergate_policies.algebra.relations import Derived, Relation, SetOperator, United, scans
from ambergate_policies.lowering.expressions import coerce, widened
from ambergate_policies.lowering.measures import grade, is_zero_or_one
from ambergate_policies.lowering.outputs import constant, given, same
from ambergate_policies.lowering.scope import Names, Source
from ambergate_policies.lowering.stacks import apart, same_everywhere, told_apart

MAX_BRANCHES = 100
_OPERATORS: dict[type[exp.Expr], SetOperator] = {
    exp.Union: "UNION",
    exp.Intersect: "INTERSECT",
    exp.Except: "EXCEPT",
}
_PARTS = frozenset({"this", "expression", "distinct", "with_", "order", "limit", "offset"})
Lower = Callable[[exp.Expr], tuple[Relation, Source]]


@dataclass(frozen=True, slots=True)
class _Branch:
    """One branch: its relation, and its outputs in the order in which they are written."""

    node: exp.Expr
    relation: Relation
    source: Source
    outputs: tuple[Expression, ...]
    names: tuple[str, ...]

    @property
    def owner_place(self) -> int | None:
        return next((place for place, item in enumerate(self.outputs) if isinstance(item, Owner)), None)


class SetOperations:
    """Lowers set operations. `lower_branch` lowers a SELECT, or a set operation inside of another."""

    def __init__(self, names: Names, lower_branch: Lower) -> None:
        self.names = names
        self.reading = names.reading
        self.lower_branch = lower_branch

    def lower(self, node: exp.SetOperation, alias: str) -> tuple[Relation, Source]:
        """The relation and what can be named of it. Refuses what cannot be aligned."""
        for key in given(node):
            if key not in _PARTS:
                hint = "give the columns of every SELECT in the same order" if key == "by_name" else None
                what = "BY NAME" if key == "by_name" else key
                raise self.reading.refuse("set-operation", f"{what} is not understood here", node, hint=hint)
        everything = not node.args.get("distinct")
        nodes = self._flat(node) if isinstance(node, exp.Union) and everything else [node.this, node.expression]
        if len(nodes) > MAX_BRANCHES:
            raise self.reading.refuse("size", f"more than {MAX_BRANCHES} SELECTs are united", node)
        branches = [self._branch(part, first=place == 0) for place, part in enumerate(nodes)]
        operator = _OPERATORS[type(node)]
        self._check_aligned(node, branches, everything)
        return self._ordered(node, *self._united(node, operator, everything, branches, alias))

    def _flat(self, node: exp.Expr) -> list[exp.Expr]:
        """The branches of a chain of UNION ALL. A loop: the chain may be as long as the text."""
        nodes: list[exp.Expr] = []
        while isinstance(node, exp.Union) and not node.args.get("distinct"):
            if nodes and set(given(node)) - {"this", "expression"}:
                break
            nodes.append(node.expression)
            node = node.this
        return [node, *reversed(nodes)]

    def _branch(self, node: exp.Expr, *, first: bool) -> _Branch:
        while isinstance(node, exp.Subquery) and set(given(node)) == {"this"}:
            node = node.this
        if isinstance(node, exp.Select):
            _name_outputs(node, first=first)
        relation, source = self.lower_branch(node)
        outputs: list[Expression] = []
        for name in source.outputs:
            is_owner = source.owner is not None and source.owner_name is not None and same(name, source.owner_name)
            outputs.append(source.owner if is_owner and source.owner is not None else source.columns[name])
        if not outputs or len(set(source.outputs)) != len(outputs):
            message = "two columns of this SELECT have the same name"
            raise self.reading.refuse("set-operation", message, node, hint="give each a name of its own with AS")
        return _Branch(node, relation, source, tuple(outputs), source.outputs)

    def _check_aligned(self, node: exp.Expr, branches: list[_Branch], everything: bool) -> None:
        first, kept = branches[0], everything and isinstance(node, exp.Union)
        for branch in branches[1:]:
            if len(branch.outputs) != len(first.outputs):
                message = "every SELECT of a set operation needs the same number of columns"
                raise self.reading.refuse("set-operation", message, branch.node, hint="select NULL for what is missing")
            if (branch.source.owner is None) != (first.source.owner is None):
                raise self.reading.refuse(
                    "set-operation",
                    "rows about persons and rows about nobody cannot be put together",
                    branch.node,
                    hint="aggregate the persons first: then both are tables about nobody",
                )
            if branch.owner_place != first.owner_place:
                raise self.reading.refuse(
                    "set-operation",
                    "the person key must stand at the same place in every SELECT of a set operation",
                    branch.node,
                    hint="select the person key first in every SELECT",
                )
        if first.source.owner is not None and first.owner_place is None and not kept:
            raise self.reading.refuse(
                "set-operation",
                "rows of different persons would be compared",
                node,
                hint="select the person key too, or use UNION ALL and count(DISTINCT ...)",
            )

    def _united(
        self, node: exp.Expr, operator: SetOperator, everything: bool, branches: list[_Branch], alias: str
    ) -> tuple[Relation, Source]:
        source, first = self.names.fresh(), branches[0]
        place = first.owner_place
        wanted = [index for index in range(len(first.outputs)) if index != place]
        kinds = {index: self._kind(node, [branch.outputs[index] for branch in branches]) for index in wanted}
        deriveds = [self._derived(branch, wanted, kinds) for branch in branches]
        repeated = self._repeated(operator, everything, branches, deriveds)
        columns: dict[str, Expression] = {}
        for position, index in enumerate(wanted):
            items = [derived.items[position][1] for derived in deriveds]
            relations = [derived.relation for derived in deriveds]
            found = _first_grade(items) if operator == "EXCEPT" else _grade(items, relations, repeated)
            columns[first.names[index]] = Column(source, f"c{position}", kinds[index], found)
        owner = Owner(source) if first.source.owner is not None else None
        owner_name = None if place is None else first.names[place]
        united = United(source, operator, everything, tuple(deriveds))
        apart = frozenset[str]()
        if operator == "UNION" and not any(branch.source.repeated for branch in branches):
            apart = frozenset(
                first.names[index]
                for position, index in enumerate(wanted)
                if told_apart([(derived.items[position][1], derived.relation) for derived in deriveds])
            )
        return united, Source(alias, columns, owner, owner_name, outputs=first.names, repeated=repeated, apart=apart)

    def _kind(self, node: exp.Expr, items: list[Expression]) -> Kind:
        kind: Kind | None = Kind.NULL
        for item in items:
            kind = common(kind, item.kind) if kind is not None else None
        if kind is None:
            found = ", ".join(sorted({str(item.kind) for item in items}))
            message = f"a column holds different kinds of values in the SELECTs: {found}"
            raise self.reading.refuse("type", message, node, hint="use TRY_CAST in one of them")
        return kind

    def _derived(self, branch: _Branch, wanted: list[int], kinds: dict[int, Kind]) -> Derived:
        items = tuple(
            (f"c{position}", _fitting(branch.outputs[index], kinds[index])) for position, index in enumerate(wanted)
        )
        owners = (branch.source.owner,) if branch.source.owner is not None else ()
        return Derived(self.names.fresh(), branch.relation, items, owners, None)

    def _repeated(
        self, operator: SetOperator, everything: bool, branches: list[_Branch], deriveds: list[Derived]
    ) -> bool:
        """Whether a row of a person can come out more than once because the query asks for it more than once."""
        if operator != "UNION":
            return branches[0].source.repeated
        if not everything and len(branches[0].outputs) == 1:
            return False  # the distinct persons
        if any(branch.source.repeated for branch in branches):
            return True
        return any(_overlap(one, other) for one, other in combinations(deriveds, 2))

    def _ordered(self, node: exp.SetOperation, relation: Relation, source: Source) -> tuple[Relation, Source]:
        """ORDER BY and LIMIT below a set operation, which public rows alone may have."""
        order, limit, offset = (node.args.get(key) for key in ("order", "limit", "offset"))
        if order is None and limit is None and offset is None:
            return relation, source
        if source.owner is not None:
            if limit is not None or offset is not None:
                message = "LIMIT inside a subquery picks individuals"
                raise self.reading.refuse("row-level", message, node, hint="choose rows by a condition")
            return relation, source
        terms = tuple(self._term(item, source) for item in (order.expressions if order is not None else ()))
        above = self.names.fresh()
        items = tuple((column.name, column) for column in source.columns.values() if isinstance(column, Column))
        columns: dict[str, Expression] = {
            name: replace(column, source=above) for name, column in source.columns.items() if isinstance(column, Column)
        }
        number, skipped = constant(self.reading, node, "limit"), constant(self.reading, node, "offset")
        ordered = Derived(above, relation, items, (), None, order=terms, limit=number, offset=skipped or 0)
        return ordered, replace(source, columns=columns)

    def _term(self, item: exp.Expr, source: Source) -> Ordering:
        node = item.this
        named = list(source.columns.items())
        if isinstance(node, exp.Literal) and str(node.this).isdigit() and 1 <= int(node.this) <= len(named):
            value: Expression | None = named[int(node.this) - 1][1]
        else:
            plain = isinstance(node, exp.Column) and not node.table
            value = source.columns.get(node.name.lower()) if plain else None
        if value is None:
            message = "order a set operation by a column of its first SELECT"
            raise self.reading.refuse("syntax", message, node, hint="ORDER BY 1")
        return Ordering(value, bool(item.args.get("desc")), bool(item.args.get("nulls_first")))


def _name_outputs(select: exp.Select, *, first: bool) -> None:
    """Names for what has none, or one that was given before: in all but the first SELECT they are never read."""
    seen: set[str] = set()
    for place, item in enumerate(select.expressions):
        if item.is_star:
            continue
        plain = isinstance(item, exp.Column)
        unnamed = not (plain or isinstance(item, exp.Alias))
        if (plain and item.name.lower() in seen) or (unnamed and not first):
            item.replace(exp.alias_(item.copy(), f"column {place + 1}", quoted=True, copy=False))
        seen.add(item.alias_or_name.lower())


def _fitting(node: Expression, kind: Kind) -> Expression:
    """An output in the column's kind. What is NULL in every row takes any type from a NULL that is written there."""
    if node.kind is Kind.NULL:
        return Literal(None, Kind.NULL)
    return widened(coerce(node, kind), kind)


def _overlap(one: Derived, other: Derived) -> bool:
    """Whether rows of one person table can stand in both branches. A cohort table may hold those of any."""
    if any(scan.place is not None for part in (one, other) for scan in scans(part.relation)):
        return True
    tables = {scan.read_as for scan in scans(one.relation) if scan.owner is not None}
    shared = tables & {scan.read_as for scan in scans(other.relation) if scan.owner is not None}
    return bool(shared) and not apart(one.relation, other.relation)


def _first_grade(items: list[Expression]) -> Measurability:
    """EXCEPT: every row is one of the first branch."""
    return grade(items[0])


def _grade(items: list[Expression], relations: list[Relation], repeated: bool) -> Measurability:
    """What may be measured of a stacked column: the weakest of its parts, and less where they are not one column."""
    pairs = [(item, relation) for item, relation in zip(items, relations, strict=True) if not _is_missing(item)]
    grades = [grade(item) for item, _ in pairs]
    if not pairs:
        return NOT_MEASURABLE
    if all(is_zero_or_one(item) for item, _ in pairs):
        return Measurability(Grade.INDICATOR, 1, own=False)
    if any(found.grade is not grades[0].grade for found in grades) or grades[0].grade in (Grade.NOT, Grade.CONSTANT):
        return NOT_MEASURABLE
    factors = max(found.factors for found in grades)
    alike = len(pairs) == 1 or same_everywhere(pairs)
    if grades[0].grade is Grade.DATE:
        own = all(found.own and found.factors for found in grades)
        return Measurability(Grade.DATE, factors, own=own and alike) if own or alike else NOT_MEASURABLE
    if repeated or not alike:
        return NOT_MEASURABLE
    return Measurability(grades[0].grade, factors, own=all(found.own for found in grades))


def _is_missing(node: Expression) -> bool:
    return isinstance(node, Literal) and node.value is None
