"""Scalar expressions and aggregates of the algebra.

Every node is frozen and hashable, so equal text means equal node. `kind` is what the node yields. Nothing here can
name a table, a setting, a file or a function that is not on the list in `functions.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Literal as Choice

from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.functions import Function


class Grade(StrEnum):
    """What an expression may be used for inside an aggregate (policy-kernel, section 2, 'what may be measured')."""

    NOT = "no measure"  # codes, texts, free expressions
    RECORD = "a record's own key"
    CONSTANT = "a constant"
    DATE = "a date"  # only the time between two is a measure
    INDICATOR = "a 0/1 predicate"
    COUNT = "a person-level count"
    MAGNITUDE = "a measure"


@dataclass(frozen=True, slots=True)
class Measurability:
    """A grade and how many columns are multiplied or combined in it. `own`: wherever it is not NULL it is what is
    recorded about the person, and nothing that the query has put there instead."""

    grade: Grade
    factors: int = 0
    own: bool = True

    @property
    def ok(self) -> bool:
        return self.grade not in (Grade.NOT, Grade.RECORD, Grade.DATE)


NOT_MEASURABLE = Measurability(Grade.NOT)


@dataclass(frozen=True, slots=True)
class Linear:
    """A value as `constant + sum of weight * term`: every term is a condition, or a measure of its own.

    guards: measures each of which must be shown for the value to be (lowering/linear.py)."""

    constant: Decimal
    terms: tuple[tuple[Decimal, Expression], ...]
    guards: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """A column of one source of the query: `source` is the kernel's own alias, never the researcher's. `parts`: what a
    subquery has made it of, as columns of the same source, where it is no measure itself."""

    source: str
    name: str
    kind: Kind
    measurability: Measurability = NOT_MEASURABLE
    parts: Linear | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """The person key of one source. Opaque: compared with another owner, grouped by, counted distinct."""

    source: str
    kind: Kind = Kind.OWNER


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant from the query text. Dates and timestamps are ISO texts that have been parsed once."""

    value: int | Decimal | str | bool | None
    kind: Kind


@dataclass(frozen=True, slots=True)
class Span:
    """A constant interval: whole units from a fixed list."""

    count: int
    unit: str
    kind: Kind = Kind.SPAN


ComparisonOperator = Choice["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"]
Junction = Choice["AND", "OR"]
LikeOperator = Choice["LIKE", "ILIKE", "GLOB"]
ArithmeticOperator = Choice["+", "-", "*", "/", "//", "%", "||"]


@dataclass(frozen=True, slots=True)
class Comparison:
    operator: ComparisonOperator
    left: Expression
    right: Expression
    kind: Kind = Kind.BOOL


@dataclass(frozen=True, slots=True)
class Logical:
    """AND or OR of two or more parts."""

    operator: Junction
    parts: tuple[Expression, ...]
    kind: Kind = Kind.BOOL


@dataclass(frozen=True, slots=True)
class Not:
    part: Expression
    kind: Kind = Kind.BOOL


@dataclass(frozen=True, slots=True)
class IsNull:
    part: Expression
    kind: Kind = Kind.BOOL


@dataclass(frozen=True, slots=True)
class InList:
    part: Expression
    values: tuple[Expression, ...]
    kind: Kind = Kind.BOOL


@dataclass(frozen=True, slots=True)
class Like:
    """LIKE, ILIKE or GLOB. `escape`: one character before which a wildcard stands for itself."""

    part: Expression
    pattern: Expression
    operator: LikeOperator = "LIKE"
    escape: str | None = None
    kind: Kind = Kind.BOOL


@dataclass(frozen=True, slots=True)
class Arithmetic:
    operator: ArithmeticOperator
    left: Expression
    right: Expression
    kind: Kind


@dataclass(frozen=True, slots=True)
class Negate:
    part: Expression
    kind: Kind


@dataclass(frozen=True, slots=True)
class Case:
    branches: tuple[tuple[Expression, Expression], ...]
    default: Expression | None
    kind: Kind


@dataclass(frozen=True, slots=True)
class Cast:
    """A conversion that yields NULL where it is not possible."""

    part: Expression
    target: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Call:
    """A function on the allowlist. `unit` is a date part from a fixed list, for the functions that take one."""

    function: Function
    arguments: tuple[Expression, ...]
    kind: Kind
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Composite:
    """A list, struct or map of a few expressions. The query may read its items and compare it with another; it is taken
    apart while it is lowered and never printed. `names` are a struct's fields, in lower case."""

    items: tuple[Expression, ...]
    names: tuple[str, ...] = ()
    kind: Kind = Kind.COMPOSITE


@dataclass(frozen=True, slots=True)
class Ordering:
    """One term of an ORDER BY."""

    expression: Expression
    descending: bool
    nulls_first: bool


Unit = Choice["ROWS", "RANGE", "GROUPS"]
Side = Choice["PRECEDING", "CURRENT ROW", "FOLLOWING"]


@dataclass(frozen=True, slots=True)
class Edge:
    """One end of a frame. `distance` is a constant; None means all the way (or nothing, at the current row)."""

    side: Side
    distance: Literal | Span | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """Which rows of its partition a window function sees."""

    unit: Unit
    start: Edge
    end: Edge


@dataclass(frozen=True, slots=True)
class Window:
    """A window over one person's rows: `partition` holds the person key. Stands as an item of a Derived, and
    never inside another expression: the engine's TRY cannot hold one. `domain`: its FILTER."""

    function: str
    arguments: tuple[Expression, ...]
    partition: tuple[Expression, ...]
    order: tuple[Ordering, ...]
    kind: Kind
    frame: Frame | None = None
    domain: Expression | None = None
    distinct: bool = False
    ignore_nulls: bool = False


Expression = (
    Column
    | Owner
    | Literal
    | Span
    | Comparison
    | Logical
    | Not
    | IsNull
    | InList
    | Like
    | Arithmetic
    | Negate
    | Case
    | Cast
    | Call
    | Composite
    | Window
)


class Measure(StrEnum):
    """How an aggregate is defined person-first, and so which statistics its disclosure control needs."""

    ROWS = "rows"  # number of rows for which `argument` (a condition) holds
    PERSONS = "persons"  # number of distinct persons with such a row
    DISTINCT = "distinct values"  # number of values that enough persons have
    RECORDS = "records"  # number of distinct record keys, each of which belongs to one person
    PROPORTION = "proportion"
    TOTAL = "total"
    MEAN = "mean"
    DEVIATION = "standard deviation"
    VARIANCE = "variance"
    PERCENTILE = "percentile"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"
    ERROR = "standard error of the mean"
    COVARIANCE = "covariance"
    PRODUCTS = "sum of products"  # of the deviations of two measures from their means
    CORRELATION = "correlation"
    DETERMINATION = "coefficient of determination"
    SLOPE = "slope"
    INTERCEPT = "intercept"


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One measure of a boundary. `argument` is a condition for counts and a measure otherwise; `domain` the rows
    it is taken over (FILTER, or where the argument is not NULL); None means all rows. `second`: the explaining measure
    of a pair, of which `argument` is the explained one."""

    measure: Measure
    argument: Expression | None
    domain: Expression | None
    kind: Kind
    quantile: Decimal | None = None
    population: bool = False
    second: Expression | None = None

    def parts(self) -> tuple[Expression, ...]:
        """Every expression that it reads rows through."""
        return tuple(part for part in (self.argument, self.second, self.domain) if part is not None)


def children(node: Expression) -> tuple[Expression, ...]:
    """The direct sub-expressions of a node, in the order they are written."""
    match node:
        case Column() | Owner() | Literal() | Span():
            return ()
        case Comparison(left=left, right=right) | Arithmetic(left=left, right=right):
            return (left, right)
        case Logical(parts=parts):
            return parts
        case Not(part=part) | IsNull(part=part) | Negate(part=part) | Cast(part=part):
            return (part,)
        case Like(part=part, pattern=pattern):
            return (part, pattern)
        case InList(part=part, values=values):
            return (part, *values)
        case Case(branches=branches, default=default):
            flat = tuple(part for branch in branches for part in branch)
            return (*flat, default) if default is not None else flat
        case Call(arguments=arguments):
            return arguments
        case Composite(items=items):
            return items
        case Window(arguments=arguments, partition=partition, order=order, domain=domain):
            filtered = () if domain is None else (domain,)
            return (*arguments, *partition, *(item.expression for item in order), *filtered)


def walk(node: Expression) -> Iterator[Expression]:
    """The node and everything below it."""
    yield node
    for child in children(node):
        yield from walk(child)
