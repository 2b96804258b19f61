"""Joins of person rows with public rows must not multiply a row: one person would be counted as many.

`JOIN (VALUES (1), (2), ... (20)) v(x) ON v.x = 1 OR <something about one person>` makes twenty rows of that person and
one of everybody else, and a count of rows then tells what is true of one person, however well it is rounded. So each
person row may meet at most one public row: by equality with a key, or by lying in one of several bands that do not
overlap. Whether keys are unique and bands apart is a property of public data, and is asked of it before the query runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ambergate_policies.algebra.expressions import Column, Comparison, Expression, Logical, Owner, walk
from ambergate_policies.algebra.relations import Beside, Cleared, Derived, Join, Relation, Scan, United, Values
from ambergate_policies.printing import columns_used, expression, relation
from ambergate_policies.statistics import within
from ambergate_policies.verdict import Finding

_MIRRORED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True, slots=True)
class FanOut:
    """What must be unique in the public side of a join. `finding` is the refusal if it is not.

    keys: columns that are compared by equality, none where the public side may have one row only; low and high: the
    ends of a band; touching: whether bands that share an end overlap; condition: what the join asks of the public side
    alone."""

    public: Relation
    keys: tuple[Expression, ...]
    low: Expression | None
    high: Expression | None
    touching: bool
    condition: Expression | None
    finding: Finding

    @property
    def bounded(self) -> bool:
        """Whether the join compares anything: if not, the public side may have one row only."""
        return bool(self.keys) or self.low is not None

    def statement(self) -> str:
        """One number: 0 where no person row can meet two public rows."""
        used = columns_used([*self.expressions()])
        keys = [f"{expression(key)} AS q{index}" for index, key in enumerate(self.keys)]
        ends = [f"{expression(end)} AS {name}" for name, end in (("l", self.low), ("h", self.high)) if end is not None]
        where = f" WHERE {expression(self.condition)}" if self.condition is not None else ""
        source = (
            f"SELECT {', '.join(['row_number() OVER () AS i', *keys, *ends])} FROM {relation(self.public, used)}{where}"
        )
        same = [_also_as_double("=", f"a.q{index}", f"b.q{index}", key) for index, key in enumerate(self.keys)]
        below = "<=" if self.touching else "<"
        apart = []
        if self.low is not None and self.high is not None:
            apart = [
                _also_as_double(below, f"{one}.l", f"{other}.h", self.low, self.high) for one, other in ("ab", "ba")
            ]
        clash = f"SELECT 1 AS one FROM j AS a JOIN j AS b ON {' AND '.join(['a.i < b.i', *same, *apart])} LIMIT 1"
        return f"WITH j AS MATERIALIZED ({source}) SELECT count(*) AS clashes FROM ({clash}) AS k"

    def expressions(self) -> list[Expression]:
        """Everything that the statement computes from the public side."""
        ends = [end for end in (*self.keys, self.low, self.high, self.condition) if end is not None]
        return [*ends, *within(self.public)]


def _also_as_double(operator: str, left: str, right: str, *values: Expression) -> str:
    """A comparison that holds of the numbers as they are, or as the person's side may make the engine read them: to a
    DOUBLE, forty neighbours above 2**53 are one number."""
    exact = f"{left} {operator} {right}"
    if not all(value.kind.numeric for value in values):
        return exact
    rounded = f"CAST({left} AS DOUBLE) {operator} CAST({right} AS DOUBLE)"
    return rounded if operator == "=" else f"({exact} OR {rounded})"


def fan_out(conditions: Iterable[Expression], public: Relation, finding: Finding) -> FanOut:
    """The demand that a join's conjuncts make on its public side: where they bound nothing, that it has one row."""
    sources = set(_sources(public))
    keys: list[Expression] = []
    alone: list[Expression] = []
    lows: dict[Expression, tuple[Expression, bool]] = {}
    highs: dict[Expression, tuple[Expression, bool]] = {}
    for condition in conditions:
        if _read(condition) <= sources:
            alone.append(condition)
        elif (found := _split(condition, sources)) is not None:
            operator, person, column = found
            if operator == "=":
                keys.append(column)
            elif operator in (">", ">="):
                lows.setdefault(person, (column, operator == ">="))
            else:
                highs.setdefault(person, (column, operator == "<="))
    both = next((person for person in lows if person in highs), None)
    low, closed_low = lows[both] if both is not None else (None, False)
    high, closed_high = highs[both] if both is not None else (None, False)
    only = None if not alone else alone[0] if len(alone) == 1 else Logical("AND", tuple(alone))
    return FanOut(public, tuple(keys), low, high, closed_low and closed_high, only, finding)


def _split(condition: Expression, sources: set[str]) -> tuple[str, Expression, Expression] | None:
    """`person OP public value`, whichever way round it is written."""
    if not isinstance(condition, Comparison) or condition.operator not in _MIRRORED:
        return None
    left, right = condition.left, condition.right
    if _is_public(right, sources) and not _read(left) & sources:
        return condition.operator, left, right
    if _is_public(left, sources) and not _read(right) & sources:
        return _MIRRORED[condition.operator], right, left
    return None


def _is_public(node: Expression, sources: set[str]) -> bool:
    """A column of the public side, or what is computed from such columns alone: the end of a band, `low + 10`."""
    return bool(_read(node)) and _read(node) <= sources


def _read(node: Expression) -> set[str]:
    return {part.source for part in walk(node) if isinstance(part, Column | Owner)}


def _sources(node: Relation) -> list[str]:
    """The aliases under which a relation's columns are read from outside."""
    match node:
        case Beside(source=source, left=left):
            return [*_sources(left), source]
        case Join(left=left, right=right):
            return [*_sources(left), *_sources(right)]
        case (
            United(source=source)
            | Scan(source=source)
            | Values(source=source)
            | Cleared(source=source)
            | Derived(source=source)
        ):
            return [source]
