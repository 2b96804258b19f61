"""Aggregates over one person's own rows, inside a subquery that is grouped by the person key.

What they yield is a value of that person, so nothing is disclosed by it: it stays inside, like a column. It must be the
same whenever the query is asked, though: where an order leaves two rows equal, the value itself decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlglot import exp

from ambergate_policies.algebra.expressions import (
    NOT_MEASURABLE,
    Cast,
    Column,
    Composite,
    Expression,
    Grade,
    IsNull,
    Logical,
    Measurability,
    Not,
    Ordering,
    Owner,
)
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.algebra.relations import Partial
from ambergate_policies.lowering.expressions import Scalars
from ambergate_policies.lowering.measures import MAX_FACTORS, grade
from ambergate_policies.lowering.remembered import of_person
from ambergate_policies.lowering.rows import PersonScalars
from ambergate_policies.lowering.spellings import (
    QUANTILE_AT,
    extras,
    has_aggregate,
    is_aggregate,
    known,
    name_of,
    quantile_of,
    quantiles_of,
)
from ambergate_policies.verdict import QueryRefused

Read = tuple[Partial, Kind, Measurability]

_COUNTING = frozenset({"count", "count_if", "sum"})
_COUNTED = Measurability(Grade.COUNT, 1, own=False)
_ANY_KIND: dict[type[exp.Expr], str] = {exp.Min: "min", exp.Max: "max", exp.AnyValue: "min"}
"""Any of a person's values will do for any_value, so it is the least."""
_CONDITIONS: dict[type[exp.Expr], str] = {exp.LogicalOr: "bool_or", exp.LogicalAnd: "bool_and"}
_NUMBERS: dict[type[exp.Expr], str] = {exp.Sum: "sum", exp.Avg: "avg", exp.Median: "median"}
_SPREADS: dict[type[exp.Expr], str] = {
    exp.Stddev: "stddev_samp",
    exp.StddevSamp: "stddev_samp",
    exp.StddevPop: "stddev_pop",
    exp.Variance: "var_samp",
    exp.VariancePop: "var_pop",
}
_QUANTILES: dict[type[exp.Expr], str] = {
    exp.PercentileCont: "quantile_cont",
    exp.PercentileDisc: "quantile_disc",
    exp.Quantile: "quantile_disc",
    exp.ApproxQuantile: "quantile_cont",
}
_LINES: dict[type[exp.Expr], str] = {
    exp.Corr: "corr",
    exp.CovarSamp: "covar_samp",
    exp.CovarPop: "covar_pop",
    exp.RegrSlope: "regr_slope",
    exp.RegrIntercept: "regr_intercept",
    exp.RegrR2: "regr_r2",
}
_PER_PERSON = (
    "per person there are count, sum, avg, min, max, median, quantile_cont, stddev, variance, mode, any_value, "
    "arg_min, arg_max, first and last with ORDER BY, string_agg, bool_or, bool_and, corr and regr_slope"
)


class PersonLevel(Scalars):
    """Scalars over one person's group: keys, and aggregates over that person's own rows."""

    def __init__(
        self,
        rows: PersonScalars,
        source: str,
        keys: tuple[Expression, ...],
        *,
        repeated: bool = False,
        missing: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(rows.reading)
        self.repeated = repeated
        self.missing = missing
        """Sources whose person key an outer join can leave NULL."""
        self.rows = rows
        self.source = source
        self.keys = keys
        self.found: list[Partial] = []

    def leaf(self, node: exp.Expr) -> Expression | None:
        if (several := quantiles_of(node)) is not None:
            return Composite(tuple(self._partial(one) for one in several))
        if is_aggregate(node):
            return self._partial(node)
        if has_aggregate(node):
            return None
        if isinstance(node, exp.Literal | exp.Null | exp.Boolean | exp.Interval):
            return None
        try:
            lowered = self.rows.lower(node)
        except QueryRefused:
            if isinstance(node, exp.Column):
                raise
            return None
        if isinstance(lowered, Owner):
            if lowered.source in self.missing:
                message = "this person key may be missing after the outer join"
                raise self.reading.refuse("join-on-owner", message, node, hint="select the other table's key")
            return Owner(self.source)
        if lowered in self.keys:
            return Column(self.source, f"g{self.keys.index(lowered)}", lowered.kind, grade(lowered))
        if isinstance(node, exp.Subquery) and self.rows.is_constant(node):
            return self._of_group(Partial("max", lowered, None), lowered.kind, grade(lowered))
        if isinstance(node, exp.Column):
            raise self.reading.refuse("row-level", f"{node.name!r} is neither grouped by nor aggregated", node)
        return None

    def _partial(self, node: exp.Expr) -> Expression:
        domain: Expression | None = None
        inner = node
        if isinstance(inner, exp.Filter):
            domain = self.rows.condition(inner.expression.this)
            inner = inner.this
        if isinstance(inner, exp.IgnoreNulls) and isinstance(inner.this, exp.AnyValue):
            inner = inner.this
        inner = known(inner)
        partial, kind, measurability = self._read(inner)
        if self.repeated and partial.function in _COUNTING and not partial.distinct:
            measurability = NOT_MEASURABLE
        partial = replace(partial, domain=both(domain, partial.domain))
        column = self._of_group(partial, kind, measurability)
        if self.repeated:
            return column
        return of_person(column, partial, lambda other: self._of_group(other, Kind.NUM, NOT_MEASURABLE))

    def _of_group(self, partial: Partial, kind: Kind, measurability: Measurability) -> Column:
        if partial not in self.found:
            self.found.append(partial)
        return Column(self.source, f"a{self.found.index(partial)}", kind, measurability)

    def _read(self, node: exp.Expr) -> Read:
        readers: dict[tuple[type[exp.Expr], ...], Callable[[exp.Expr], Read]] = {
            (exp.CountIf,): self._count_if,
            (exp.Count,): self._count,
            (*_ANY_KIND, *_CONDITIONS): self._plain,
            tuple(_NUMBERS): self._number,
            tuple(_SPREADS): self._spread,
            (*_QUANTILES, exp.WithinGroup): self._quantile,
            tuple(_LINES): self._line,
            (exp.ArgMax, exp.ArgMin): self._at_extreme,
            (exp.First, exp.Last): self._at_end,
            (exp.Mode,): self._mode,
            (exp.GroupConcat,): self._joined,
        }
        for types, reader in readers.items():
            if isinstance(node, types):
                self._require_known_arguments(node, types)
                return reader(node)
        name = name_of(node)
        raise self.reading.refuse("aggregate", f"{name} is not available per person", node, hint=_PER_PERSON)

    def _require_known_arguments(self, node: exp.Expr, types: tuple[type[exp.Expr], ...]) -> None:
        two = {"expression"} if types in ((exp.ArgMax, exp.ArgMin), (*_QUANTILES, exp.WithinGroup)) else set()
        if extras(node) - two - ({"separator"} if isinstance(node, exp.GroupConcat) else set()):
            raise self.reading.refuse("aggregate", "this aggregate has more arguments than are understood", node)

    # -- counts

    def _count_if(self, node: exp.Expr) -> Read:
        return Partial("count_if", self.rows.condition(node.this), None), Kind.INT, _COUNTED

    def _count(self, node: exp.Expr) -> Read:
        argument = node.this
        if argument is None or isinstance(argument, exp.Star | exp.Literal):
            return Partial("count", None, None), Kind.INT, _COUNTED
        distinct = isinstance(argument, exp.Distinct)
        if distinct and len(argument.expressions) != 1:
            raise self.reading.refuse("aggregate", "count(DISTINCT ...) takes one column", node)
        value = self.rows.lower(argument.expressions[0] if distinct else argument)
        return Partial("count", value, None, distinct), Kind.INT, _COUNTED

    # -- one value of the person's

    def _plain(self, node: exp.Expr) -> Read:
        name = _ANY_KIND.get(type(node)) or _CONDITIONS[type(node)]
        value, _ = self._argument(node, node.this)
        if type(node) in _CONDITIONS and value.kind is not Kind.BOOL:
            raise self.reading.refuse("type", f"{name} needs a condition, not a {value.kind}", node)
        return Partial(name, value, None), value.kind, _own(value)

    def _at_extreme(self, node: exp.Expr) -> Read:
        """arg_max(x, by): x of the row with the greatest `by`; rows without either do not count."""
        value, _ = self._argument(node, node.this)
        by = self.rows.value(node.expression)
        order = (_by(by, descending=isinstance(node, exp.ArgMax)), _by(value, descending=False))
        filled = both(Not(IsNull(value)), Not(IsNull(by)))
        return Partial("first", value, filled, order=order), value.kind, _own(value)

    def _at_end(self, node: exp.Expr) -> Read:
        """first(x ORDER BY date): of rows that the order leaves equal, the one with the least x is taken for first."""
        name = name_of(node)
        if not isinstance(node.this, exp.Order):
            hint = f"write {name}(x ORDER BY date), or any_value(x)"
            raise self.reading.refuse("aggregate", f"{name} without ORDER BY is any value", node, hint=hint)
        value, order = self._argument(node, node.this)
        return Partial(name, value, None, order=(*order, _by(value))), value.kind, _own(value)

    def _mode(self, node: exp.Expr) -> Read:
        """The value that the person has most often; of several the least."""
        value, _ = self._argument(node, node.this)
        return Partial("mode", value, Not(IsNull(value)), order=(_by(value),)), value.kind, _own(value)

    def _joined(self, node: exp.Expr) -> Read:
        """string_agg(x, ',' ORDER BY date): a text, which may be grouped by and compared, and never measured."""
        separator = node.args.get("separator")
        if separator is not None and not (isinstance(separator, exp.Literal) and separator.is_string):
            raise self.reading.refuse("aggregate", "the separator must be a text in the query", node)
        inner = node.this.this if isinstance(node.this, exp.Order) else node.this
        distinct = isinstance(inner, exp.Distinct)
        value, order = self._argument(node, node.this, distinct=distinct)
        if value.kind is not Kind.TEXT:
            value = Cast(value, "VARCHAR", Kind.TEXT)
        if distinct and any(item.expression != value for item in order):
            hint = "order by the value itself"
            raise self.reading.refuse("aggregate", "DISTINCT values have no other order", node, hint=hint)
        text = "," if separator is None else str(separator.this)
        order = order if distinct and order else (*order, _by(value))
        partial = Partial("string_agg", value, None, distinct, order=order, constant=text)
        return partial, Kind.TEXT, NOT_MEASURABLE

    # -- numbers

    def _number(self, node: exp.Expr) -> Read:
        distinct = isinstance(node.this, exp.Distinct)
        if distinct and (len(node.this.expressions) != 1 or isinstance(node, exp.Median)):
            raise self.reading.refuse("aggregate", "DISTINCT is understood in count, sum and avg of one column", node)
        value, _ = self._argument(node, node.this, distinct=distinct)
        value, found = self._numeric(node, value)
        name = _NUMBERS[type(node)]
        kind = value.kind if name == "sum" else Kind.NUM
        return Partial(name, value, None, distinct), kind, found

    def _quantile(self, node: exp.Expr) -> Read:
        descending = False
        if isinstance(node, exp.WithinGroup):
            inner, order = node.this, node.expression
            if type(inner) not in (exp.PercentileCont, exp.PercentileDisc) or len(order.expressions) != 1:
                raise self.reading.refuse("aggregate", "this ordered aggregate is not understood", node)
            name, where, argument = _QUANTILES[type(inner)], inner.this, order.expressions[0].this
            descending = bool(order.expressions[0].args.get("desc"))
        else:
            name, where, argument = _QUANTILES[type(node)], node.args.get(QUANTILE_AT[type(node)]), node.this
        place = quantile_of(self.reading, where, node)
        value, _ = self._argument(node, argument)
        value, found = self._numeric(node, value)
        partial = Partial(name, value, None, constant=1 - place if descending else place)
        return partial, value.kind if name == "quantile_disc" else Kind.NUM, found

    def _spread(self, node: exp.Expr) -> Read:
        value, _ = self._argument(node, node.this)
        value, found = self._numeric(node, value)
        measurable = found.grade in (Grade.MAGNITUDE, Grade.COUNT) and grade(value).grade is not Grade.INDICATOR
        return Partial(_SPREADS[type(node)], value, None), Kind.NUM, found if measurable else NOT_MEASURABLE

    def _line(self, node: exp.Expr) -> Read:
        """The line through a person's own values: regr_slope(value, date_diff('day', DATE '2020-01-01', date))."""
        y, x = (self.rows.value(part) for part in (node.this, node.expression))
        if not (y.kind.numeric and x.kind.numeric):
            raise self.reading.refuse("type", f"{name_of(node)} needs two numbers", node, hint="use date_diff for time")
        found, other = grade(y), grade(x)
        factors = found.factors + other.factors
        magnitudes = found.grade is Grade.MAGNITUDE is other.grade and factors <= MAX_FACTORS
        measurability = Measurability(Grade.MAGNITUDE, factors, found.own and other.own)
        partial = Partial(_LINES[type(node)], y, None, second=x)
        return partial, Kind.NUM, measurability if magnitudes else NOT_MEASURABLE

    # -- arguments

    def _argument(
        self, node: exp.Expr, argument: exp.Expr, *, distinct: bool = False
    ) -> tuple[Expression, tuple[Ordering, ...]]:
        """An aggregate's argument and its ORDER BY. `distinct`: it may be one DISTINCT value."""
        order = tuple(
            Ordering(self.rows.value(item.this), bool(item.args.get("desc")), bool(item.args.get("nulls_first")))
            for item in (argument.expressions if isinstance(argument, exp.Order) else ())
        )
        inner = argument.this if isinstance(argument, exp.Order) else argument
        if isinstance(inner, exp.Distinct):
            if not distinct or len(inner.expressions) != 1:
                raise self.reading.refuse("aggregate", "DISTINCT changes nothing here", node, hint="leave it out")
            inner = inner.expressions[0]
        return self.rows.value(inner), order

    def _numeric(self, node: exp.Expr, value: Expression) -> tuple[Expression, Measurability]:
        """A number, and its grade. A 0/1 value is a count from here on."""
        if not (value.kind.numeric or value.kind is Kind.BOOL):
            raise self.reading.refuse("type", f"{name_of(node)} needs a number, not a {value.kind}", node)
        if value.kind is Kind.BOOL:
            value = Cast(value, "INTEGER", Kind.INT)
        found = grade(value)
        return value, _COUNTED if found.grade in (Grade.CONSTANT, Grade.INDICATOR) else found


def _own(value: Expression) -> Measurability:
    found = grade(value)
    return _COUNTED if found.grade is Grade.CONSTANT else found


def _by(value: Expression, *, descending: bool = False) -> Ordering:
    return Ordering(value, descending, nulls_first=False)


def both(one: Expression | None, other: Expression | None) -> Expression | None:
    """Both conditions, where there are two."""
    if one is None or other is None:
        return one if other is None else other
    return Logical("AND", (one, other))
