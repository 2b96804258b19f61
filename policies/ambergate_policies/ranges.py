"""Ranges of persons: a relation over persons falls apart into relations over disjoint ranges of the person index.

Every operator below a boundary works on one person's rows at a time: joins, semi joins and set operations compare the
owners, windows are partitioned by them, groups hold them. So a relation restricted to some persons is the same relation
over scans that are restricted to them. Tables are clustered by the index, so a scan of a range reads that part of the
table only, and all ranges together cost one pass.

The index is dense and in the order of the pseudonyms, which are keyed hashes: a range is a random sample of persons
and tells nothing of them. It needs no secret: who lies in which range is the same for every query, and whatever the
ranges are, a certificate over them only errs towards a recount.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import assert_never

from ambergate_policies.algebra.expressions import Column, Comparison, Expression, Literal, Logical, Owner, Window
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.algebra.relations import (
    Beside,
    Cleared,
    Derived,
    Join,
    JoinKind,
    Relation,
    Scan,
    United,
    Values,
    scans,
)


def indexed_persons(relation: Relation) -> int | None:
    """How many persons the index of the project has, or None where some table of persons is without it. A cohort table
    keeps the person key that the tables have which it was made from, and is ordered by it."""
    counts = [scan.persons for scan in scans(relation) if scan.owner is not None]
    known = [count for count in counts if count is not None]
    return max(known) if known and len(known) == len(counts) else None


WORTHWHILE = 20_000
"""Persons. With fewer, what ranges save is less than what it takes to plan them."""


def worthwhile(relation: Relation) -> bool:
    """Whether a relation is better read range by range."""
    persons = indexed_persons(relation)
    return persons is not None and persons >= WORTHWHILE and not one_row_each(relation)


def equal_ranges(persons: int, parts: int) -> Iterator[tuple[int | None, int | None]]:
    """Ranges of about as many persons each, as [low, high). The first and the last are open at their outer end, so
    that everybody is in one of them, whatever the number of persons is said to be."""
    ends = [persons * part // parts for part in range(1, parts)]
    yield from zip([None, *ends], [*ends, None], strict=True)


def within_range(node: Relation, low: int | None, high: int | None) -> Relation:
    """The relation over the persons of whom the index lies in [low, high)."""
    match node:
        case Scan():
            return node if node.owner is None else _scan(node, node.owner, low, high)
        case Values() | Cleared():
            return node
        case Join(left=left, right=right) | Beside(left=left, right=right):
            return replace(node, left=within_range(left, low, high), right=within_range(right, low, high))
        case Derived(relation=inner):
            return replace(node, relation=within_range(inner, low, high))
        case United(branches=branches):
            parts = (replace(part, relation=within_range(part.relation, low, high)) for part in branches)
            return replace(node, branches=tuple(parts))
        case _:
            assert_never(node)


def _scan(node: Scan, owner: str, low: int | None, high: int | None) -> Scan:
    index = Column(node.source, owner, Kind.INT)
    parts: list[Expression] = []
    if low is not None:
        parts.append(Comparison(">=", index, Literal(low, Kind.INT)))
    if high is not None:
        parts.append(Comparison("<", index, Literal(high, Kind.INT)))
    if node.row_filter is not None:
        parts.append(node.row_filter)
    return replace(node, row_filter=parts[0] if len(parts) == 1 else Logical("AND", tuple(parts))) if parts else node


def one_row_each(node: Relation) -> bool:
    """Whether no person can have two rows. Joins with rows about nobody never count as such: that they do not multiply
    a person's row is asked of the data, and the statistics shall not rest on it."""
    match node:
        case Scan(unique=unique, owner=owner):
            return unique and owner is not None
        case Derived(group=group, relation=inner, distinct=distinct) if node.owners:
            if group is not None:
                return not group.keys
            constant = all(isinstance(item, Owner | Literal) for _, item in node.items)
            return (distinct and constant and len(node.owners) == 1) or _first_of_each(node) or one_row_each(inner)
        case Join(kind=JoinKind.SEMI | JoinKind.ANTI, left=left) | Beside(left=left):
            return one_row_each(left)
        case Join(kind=JoinKind.INNER | JoinKind.LEFT | JoinKind.RIGHT, left=left, right=right):
            return one_row_each(left) and one_row_each(right)
        case _:
            return False


def chosen_rows(node: Relation) -> bool:
    """Whether the query decides how many rows a person has, so that it can give one person many and the others one: by
    a join of several rows with several, by keeping rows that meet none, by a key, a window or a union of its own."""
    if one_row_each(node):
        return False
    match node:
        case Join(kind=JoinKind.SEMI | JoinKind.ANTI, left=left) | Beside(left=left):
            return chosen_rows(left)
        case Join(kind=kind, left=left, right=right):
            if not (_of_persons(left) and _of_persons(right)):
                return chosen_rows(left) or chosen_rows(right)
            inner = kind is JoinKind.INNER and (one_row_each(left) or one_row_each(right))
            return not inner or chosen_rows(left) or chosen_rows(right)
        case Derived(group=group, relation=inner, distinct=distinct, items=items):
            windowed = any(isinstance(item, Window) for _, item in items)
            return group is not None or distinct or windowed or chosen_rows(inner)
        case United():
            return True
        case Scan(chosen=chosen):
            return chosen
        case _:
            return False


def multiplications(node: Relation) -> int:
    """How many joins below give a person as many rows as the product of what both sides have."""
    match node:
        case Join(kind=kind, left=left, right=right):
            below = multiplications(left) + (0 if kind in (JoinKind.SEMI, JoinKind.ANTI) else multiplications(right))
            both = _of_persons(left) and _of_persons(right) and not (one_row_each(left) or one_row_each(right))
            return below + (both and kind in _MULTIPLYING)
        case Derived(relation=inner):
            return multiplications(inner)
        case Beside(left=left, right=right):
            return multiplications(left) + multiplications(right)
        case United(branches=branches):
            return max(multiplications(branch) for branch in branches)
        case _:
            return 0


_MULTIPLYING = frozenset({JoinKind.INNER, JoinKind.LEFT, JoinKind.RIGHT, JoinKind.FULL})


def _of_persons(node: Relation) -> bool:
    return any(scan.owner is not None for scan in scans(node))


def _first_of_each(node: Derived) -> bool:
    """`QUALIFY row_number() OVER (PARTITION BY owner ...) = 1`: the condition over a window of the relation below."""
    inner, condition = node.relation, node.condition
    if not isinstance(inner, Derived) or condition is None or len(inner.owners) != 1 or len(node.owners) != 1:
        return False
    items = dict(inner.items)
    for part in condition.parts if isinstance(condition, Logical) and condition.operator == "AND" else (condition,):
        match part:
            case Comparison(operator="=", left=Column(source=inner.source, name=name), right=Literal(value=1)):
                window = items.get(name)
                # Another owner in its place could be NULL in some of a person's rows, which are a part of their own.
                if isinstance(window, Window) and window.function == "row_number" and window.domain is None:
                    return window.partition == inner.owners
    return False
