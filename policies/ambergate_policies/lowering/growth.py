"""How large the values and the expressions of a query can become, whatever the data are.

Two lines that double a text, thirty times over, fill a memory; where only one person's row does so, the failure tells
of that person. And the engine writes the columns of nested subqueries into each other: twenty lines of `a + a` are a
million. Both are bounded before anything runs, from the query text alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ambergate_policies.algebra.expressions import (
    Arithmetic,
    Call,
    Case,
    Cast,
    Column,
    Expression,
    Literal,
    Owner,
    children,
)
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.algebra.relations import (
    Beside,
    Cleared,
    Derived,
    Join,
    Partial,
    Program,
    PublicProgram,
    Relation,
    Scan,
    United,
    Values,
)
from ambergate_policies.lowering.text import Reading

MAX_NODES = 20_000
MAX_CHARACTERS = 20_000
STORED = 200
"""Characters that a stored text, or one of many rows put together, is taken to have."""
_MULTIPLYING = frozenset({"replace", "regexp_replace"})
_PADDING = frozenset({"lpad", "rpad"})


@dataclass(frozen=True, slots=True)
class Size:
    """The nodes of an expression with every column written out, and the characters of its value."""

    nodes: int = 1
    characters: int = STORED


_LARGE = Size(MAX_NODES + 1, MAX_CHARACTERS + 1)
"""More than may be: numbers that double are not followed further."""


def require_bounded(reading: Reading, program: Program | PublicProgram) -> None:
    """Raises QueryRefused when an expression or a text of the query could become too large."""
    sizes = _Sizes()
    if isinstance(program, PublicProgram):
        sizes.enter(program.relation)
    else:
        boundary = program.boundary
        sizes.enter(boundary.relation)
        parts = [*boundary.keys, *(part for aggregate in boundary.aggregates for part in aggregate.parts())]
        sizes.measure([*parts, *([boundary.condition] if boundary.condition is not None else [])])
    _require(reading, sizes)


def require_bounded_rows(reading: Reading, relation: Relation) -> None:
    """The same of rows that are kept."""
    sizes = _Sizes()
    sizes.enter(relation)
    _require(reading, sizes)


def _require(reading: Reading, sizes: _Sizes) -> None:
    if sizes.largest.nodes > MAX_NODES:
        hint = "name a column that is used twice once, and let fewer subqueries stand in each other"
        raise reading.refuse("size", "the subqueries of this query double each other", hint=hint)
    if sizes.largest.characters > MAX_CHARACTERS:
        hint = "put fewer texts together, and replace by shorter ones"
        raise reading.refuse("size", f"a text could become longer than {MAX_CHARACTERS} characters", hint=hint)


class _Sizes:
    def __init__(self) -> None:
        self._columns: dict[tuple[str, str], Size] = {}
        self.largest = Size(0, 0)

    def enter(self, relation: Relation) -> None:
        """Measure everything below a relation, and remember its columns."""
        match relation:
            case Scan() | Cleared():
                return
            case Values(source=source, columns=columns, rows=rows):
                for index, column in enumerate(columns):
                    self._columns[source, column.name] = self._most(self.measure([row[index] for row in rows]))
            case Join(left=left, right=right, on=on):
                self.enter(left)
                self.enter(right)
                self.measure([on] if on is not None else [])
            case Beside(source=source, left=left, right=right, on=on, partial=partial):
                self.enter(left)
                self.enter(right)
                self.measure([on])
                if partial is not None:
                    self._columns[source, "a0"] = self._partial(partial)
            case Derived():
                self._derived(relation)
            case United(source=source, branches=branches):
                for branch in branches:
                    self.enter(branch)
                for name, _ in branches[0].items:
                    sizes = [self._columns.get((branch.source, name), Size()) for branch in branches]
                    self._columns[source, name] = self._most(sizes)

    def _derived(self, derived: Derived) -> None:
        self.enter(derived.relation)
        if derived.group is not None:
            self.measure(derived.group.keys)
            for name, partial in derived.group.partials:
                self._columns[derived.source, name] = self._partial(partial)
        self.measure([derived.condition] if derived.condition is not None else [])
        self.measure(item.expression for item in derived.order)
        found = self.measure(expression for _, expression in derived.items)
        for (name, _), size in zip(derived.items, found, strict=True):
            self._columns[derived.source, name] = size

    def _partial(self, partial: Partial) -> Size:
        """One person's rows put together: of numbers one number; of texts taken to be ten of them."""
        inner = self._most(self.measure(partial.parts()))
        many = 10 if partial.function in ("string_agg", "list", "array_agg") else 1
        return Size(inner.nodes, inner.characters * many)

    def measure(self, expressions: Iterable[Expression]) -> list[Size]:
        """The size of each; the largest of all that is in them is remembered."""
        return [self._size(expression) for expression in expressions]

    @staticmethod
    def _most(sizes: Iterable[Size]) -> Size:
        listed = list(sizes) or [Size()]
        return Size(max(size.nodes for size in listed), max(size.characters for size in listed))

    def _size(self, node: Expression) -> Size:
        if isinstance(node, Column):
            return self._columns.get((node.source, node.name), Size())
        if isinstance(node, Owner):
            return Size(1, 36)
        if isinstance(node, Literal):
            return Size(1, len(str(node.value)))
        parts = [self._size(child) for child in children(node)]
        nodes = min(_LARGE.nodes, 1 + sum(part.nodes for part in parts))
        characters = min(_LARGE.characters, _characters(node, [part.characters for part in parts]))
        self.largest = self._most([self.largest, Size(nodes, characters)])
        return Size(nodes, characters)


def _characters(node: Expression, parts: list[int]) -> int:
    """How long the value of a node can be, given its parts."""
    if node.kind is not Kind.TEXT:
        return max([40, *parts]) if isinstance(node, Case | Cast) else 40
    if isinstance(node, Arithmetic):
        return sum(parts)
    if isinstance(node, Call):
        return _call(node, parts)
    return max([40, *parts])


def _call(node: Call, parts: list[int]) -> int:
    if node.function.name in _MULTIPLYING and len(parts) > 2:
        return parts[0] * max(1, parts[2])
    if node.function.name in _PADDING and len(node.arguments) > 1:
        width = node.arguments[1]
        return int(width.value) if isinstance(width, Literal) and isinstance(width.value, int) else MAX_CHARACTERS + 1
    return sum(parts)
