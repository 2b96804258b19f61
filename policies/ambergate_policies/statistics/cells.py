"""The statistics of one measure in one group: what the rules read, and nothing else of the data."""

from __future__ import annotations

from dataclasses import dataclass
from types import UnionType

from ambergate_policies.algebra.expressions import (
    Aggregate,
    Column,
    Comparison,
    Expression,
    IsNull,
    Logical,
    Measure,
    Not,
    Owner,
    walk,
)
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.algebra.relations import Beside, Boundary, Derived, Join, JoinKind, Relation, Scan, scans

MAX_GROUPS = 50_000
HEAD = 2
"""Columns of a statistics row before the keys: `withheld` and `present`."""
CONDITIONS = frozenset({Measure.ROWS, Measure.PERSONS})
WINDOWED = frozenset({Measure.PERCENTILE, Measure.MINIMUM, Measure.MAXIMUM})


@dataclass(frozen=True, slots=True)
class Cell:
    """The statistics of one measure in one group. Counts are of distinct persons unless they say rows.

    persons: in the group; domain: with a value; contributing: with a value that is neither NULL nor zero;
    complement: with a row for which the condition does not hold, or for a count of persons without any for which it
    holds (None where there is no condition);
    rows: rows with a value; counted: rows for which the condition holds, or whose value is not zero;
    spread, outlier: squared deviations of rows from the mean, summed over all and over the person with most (pairs.py
    says what they are of a pair);
    value: the plain statistic; absolute, largest, second: sum and two largest of absolute per-person contributions.
    """

    measure: Measure
    persons: int
    domain: int
    contributing: int
    complement: int | None
    rows: int
    counted: int
    value: float | None
    absolute: float
    largest: float
    second: float
    presence: bool
    spread: float = 0.0
    outlier: float = 0.0
    whole: bool = False
    """The values are whole numbers, or ..."""
    dated: bool = False
    """... dates, as numbers of days."""


NUMBERS = ("domain", "contributing", "complement", "rows", "counted", "value", "absolute", "largest", "second",
           "spread", "outlier")  # fmt: skip
"""The columns of one measure in the statistics' result, each named `m<index>_<number>`."""


def cell(
    aggregate: Aggregate,
    persons: int,
    numbers: tuple[float | int | None, ...],
    *,
    presence: bool = False,
) -> Cell:
    """Read one measure's NUMBERS of one group. A number that the engine does not give counts as zero.

    presence: what `is_presence` says of the measure."""
    given = dict(zip(NUMBERS, numbers, strict=True))
    has_condition = (
        aggregate.measure is Measure.PROPORTION
        or (aggregate.measure in CONDITIONS and aggregate.argument is not None)
        or _chooses_records(aggregate)
    )
    of_persons = aggregate.measure is Measure.PERSONS or _chooses_records(aggregate)
    contributing = int(given["contributing"] or 0)
    outside = persons - contributing if of_persons else int(given["complement"] or 0)
    return Cell(
        measure=aggregate.measure,
        persons=persons,
        domain=int(given["domain"] or 0),
        contributing=contributing,
        complement=outside if has_condition else None,
        rows=int(given["rows"] or 0),
        counted=int(given["counted"] or 0),
        value=None if given["value"] is None else float(given["value"]),
        absolute=float(given["absolute"] or 0),
        largest=float(given["largest"] or 0),
        second=float(given["second"] or 0),
        spread=float(given["spread"] or 0),
        outlier=float(given["outlier"] or 0),
        presence=presence,
        whole=aggregate.argument is not None and aggregate.argument.kind is Kind.INT,
        dated=aggregate.kind is Kind.DATE,
    )


def _chooses_records(aggregate: Aggregate) -> bool:
    """A count of records with a condition: whoever has none of them is left out by it."""
    plain = isinstance(aggregate.argument, Column)
    return aggregate.measure is Measure.RECORDS and (aggregate.domain is not None or not plain)


def is_presence(boundary: Boundary, aggregate: Aggregate) -> bool:
    """`count(column)` of a column that a table has, and that no subquery computed and no outer join left out: whether
    it is filled is then a property of the data, and not of the query. Likewise the person key of an inner join.

    Rows and groups must be chosen by one column at a time: `WHERE died_on IS NOT NULL OR <one person>` holds one row of
    which that is asked."""
    return aggregate.argument is not None and _asks_presence(boundary, aggregate.argument)


def _asks_presence(boundary: Boundary, condition: Expression) -> bool:
    match condition:
        case Not(part=IsNull(part=Column())):
            return _inner(boundary.relation, Scan) and _chosen_by_single_columns(boundary)
        case Not(part=IsNull(part=Owner())):
            return _inner(boundary.relation, Scan | Derived)
        case Logical(operator="AND", parts=parts):  # the rows with all of them: regr_count
            return all(_asks_presence(boundary, part) for part in parts)
        case _:
            return False


def _chosen_by_single_columns(boundary: Boundary) -> bool:
    stored = {scan.source for scan in scans(boundary.relation)}
    joined = _joined_by(boundary.relation)
    if joined is None:
        return False
    chosen = [*boundary.keys, *_conjuncts(boundary.condition), *joined]
    return all(_reads_one_column(part, stored) or _equates(part, stored) for part in chosen)


def _joined_by(node: Relation) -> list[Expression] | None:
    """The conditions that must all hold of a row: those of inner and semi joins. None where others choose the rows too:
    an anti join keeps those of which one does not hold."""
    match node:
        case Scan():
            return []
        case Join(kind=JoinKind.INNER | JoinKind.SEMI, left=left, right=right, on=on):
            one, other = _joined_by(left), _joined_by(right)
            return None if one is None or other is None else [*one, *other, *_conjuncts(on)]
        case Beside(left=left):
            return _joined_by(left)
        case Derived(relation=inner, condition=condition, group=None):
            found = _joined_by(inner)
            return None if found is None else [*found, *_conjuncts(condition)]
        case _:
            return None


def _conjuncts(node: Expression | None) -> list[Expression]:
    if isinstance(node, Logical) and node.operator == "AND":
        return [part for inner in node.parts for part in _conjuncts(inner)]
    return [] if node is None else [node]


def _reads_one_column(node: Expression, stored: set[str]) -> bool:
    read = {part for part in walk(node) if isinstance(part, Column | Owner)}
    return all(isinstance(part, Column) and part.source in stored for part in read) and len(read) <= 1


def _equates(node: Expression, stored: set[str]) -> bool:
    """An equality of two persons, or of two columns of tables."""
    match node:
        case Comparison(operator="=", left=Owner(), right=Owner()):
            return True
        case Comparison(operator="=", left=Column(source=one), right=Column(source=other)):
            return {one, other} <= stored
        case _:
            return False


def _inner(node: Relation, leaves: type | UnionType) -> bool:
    """Inner joins of such leaves only."""
    if isinstance(node, Join) and node.kind in (JoinKind.INNER, JoinKind.SEMI, JoinKind.ANTI):
        return _inner(node.left, leaves) and (node.kind is not JoinKind.INNER or _inner(node.right, leaves))
    if isinstance(node, Beside):
        return _inner(node.left, leaves)
    return isinstance(node, leaves)
