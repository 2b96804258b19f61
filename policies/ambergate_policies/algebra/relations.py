"""Relations of the algebra. A relation is `Person` when it has an owner, else `Public`; a `Boundary` clears it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from ambergate_policies.algebra.expressions import Aggregate, Column, Expression, Ordering, Owner, Window


class JoinKind(StrEnum):
    INNER = "INNER"
    LEFT = "LEFT"
    RIGHT = "RIGHT"
    FULL = "FULL"
    SEMI = "SEMI"
    ANTI = "ANTI"
    ASOF = "ASOF"
    ASOF_LEFT = "ASOF LEFT"


@dataclass(frozen=True, slots=True)
class ScannedColumn:
    """A granted column as the engine stores it (`name`) and the type that it is read as."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Scan:
    """A granted table under the kernel's alias, with the agreement's row filter below everything else.

    `owner` is the stored name of the person key; None makes the relation Public. `place`: the attached database of a
    cohort table; None for a table of the project. `persons`: how many persons the owner, being a dense index, counts;
    None where it is a pseudonym. `unique`: no person has two rows. `chosen`: the query that made a cohort
    table decided how many rows a person has in it (`ranges.chosen_rows`)."""

    source: str
    table: str
    columns: tuple[ScannedColumn, ...]
    owner: str | None
    row_filter: Expression | None
    place: str | None = None
    persons: int | None = None
    unique: bool = False
    chosen: bool = False

    @property
    def read_as(self) -> str:
        """What the scan is called in the reads that a bound plan is held to: no table can have a place's name."""
        return self.table if self.place is None else self.place


@dataclass(frozen=True, slots=True)
class Values:
    """Rows written in the query: Public."""

    source: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Expression, ...], ...]


@dataclass(frozen=True, slots=True)
class Cleared:
    """The result of an earlier step of the same query under the kernel's alias: cleared, so Public.

    `table` is the step's name; `columns` are its outputs `o0`.., beside which the table has their flags `s0`..."""

    source: str
    table: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Join:
    """`on` of None is a cross join, which only Public relations may take part in."""

    kind: JoinKind
    left: Relation
    right: Relation
    on: Expression | None


@dataclass(frozen=True, slots=True)
class Beside:
    """The rows of `left` with one more column, `a0` of `source`: what `partial` makes of the rows of `right` that meet
    `on`, or whether there are any (None). Over persons `on` holds the equality of the owners."""

    source: str
    left: Relation
    right: Relation
    on: Expression
    partial: Partial | None


@dataclass(frozen=True, slots=True)
class Derived:
    """A subquery over person rows that stays `Person` (or over public rows, that stays `Public`).

    Each item is (output name, expression over `relation`). With `grouped` the rows are one per owner and `keys`,
    and the items may be person-level aggregates (`partials`). Order and limit stand over public rows only: over
    person rows they would pick individuals."""

    source: str
    relation: Relation
    items: tuple[tuple[str, Expression], ...]
    owners: tuple[Owner, ...]
    condition: Expression | None
    distinct: bool = False
    group: Group | None = None
    order: tuple[Ordering, ...] = ()
    limit: int | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """GROUP BY owner, keys: one row per person and keys. HAVING is the condition of a Derived above it."""

    keys: tuple[Expression, ...]
    partials: tuple[tuple[str, Partial], ...]


@dataclass(frozen=True, slots=True)
class Partial:
    """An aggregate over one person's own rows: a value of that person, so any of a fixed list will do.

    `second`: the explaining one of a pair; `order`: in which the rows are looked at, total but for equal values;
    `constant`: a quantile or a separator."""

    function: str
    argument: Expression | None
    domain: Expression | None
    distinct: bool = False
    second: Expression | None = None
    order: tuple[Ordering, ...] = ()
    constant: Decimal | str | None = None

    def parts(self) -> tuple[Expression, ...]:
        """Every expression that it reads rows through."""
        ordered = tuple(item.expression for item in self.order)
        return (*(part for part in (self.argument, self.second, self.domain) if part is not None), *ordered)


SetOperator = Literal["UNION", "INTERSECT", "EXCEPT"]


@dataclass(frozen=True, slots=True)
class United:
    """A set operation over branches with the same items (c0..) of the same kinds, all `Person` or all `Public`. The
    owners are compared with the items unless `everything` (ALL) of a UNION keeps every row."""

    source: str
    operator: SetOperator
    everything: bool
    branches: tuple[Derived, ...]


Relation = Scan | Values | Cleared | Join | Beside | Derived | United


@dataclass(frozen=True, slots=True)
class Margin:
    """A finer table of the same query beside a boundary: the step that it is, all its keys, and the `places` among them
    of the boundary's own."""

    table: str
    keys: tuple[Expression, ...]
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Boundary:
    """The aggregation of a Person relation into rows not keyed by the owner. `owners` are equal wherever they are
    not NULL, and at least one is not: their coalesce is the person that a row counts for."""

    relation: Relation
    owners: tuple[Owner, ...]
    condition: Expression | None
    keys: tuple[Expression, ...]
    aggregates: tuple[Aggregate, ...]
    margins: tuple[Margin, ...] = ()


@dataclass(frozen=True, slots=True)
class Output:
    """One column of the final table, an expression over the cleared table's columns."""

    name: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class Program:
    """What one SELECT over persons means: one boundary and the post-processing of what was cleared. `windows` are
    computed over the cleared rows that pass `having`, as columns x0.. of the cleared table; `qualify` is asked of the
    rows with their windows. `scalars` are earlier steps of one row, which the expressions may read."""

    boundary: Boundary
    outputs: tuple[Output, ...]
    having: Expression | None
    order: tuple[Ordering, ...]
    limit: int | None
    offset: int
    windows: tuple[Window, ...] = ()
    qualify: Expression | None = None
    scalars: tuple[Cleared, ...] = ()


@dataclass(frozen=True, slots=True)
class PublicProgram:
    """A query over Public relations alone: nothing to clear. `columns` are those of `relation`, by `names`."""

    relation: Relation
    names: tuple[str, ...]
    columns: tuple[Column, ...]


def scans(relation: Relation) -> tuple[Scan, ...]:
    """Every scan below a relation, in the order of the text."""
    match relation:
        case Scan():
            return (relation,)
        case Values() | Cleared():
            return ()
        case Join(left=left, right=right) | Beside(left=left, right=right):
            return (*scans(left), *scans(right))
        case Derived(relation=inner):
            return scans(inner)
        case United(branches=branches):
            return tuple(scan for branch in branches for scan in scans(branch))


CLEARED = "c"
"""Alias of the cleared table in post-processing. Columns: k0.. keys, m0.. measures, s0.. suppressed, h0.. held, g the
row's place, and x0.. windows."""
