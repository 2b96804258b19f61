"""Lowering scalar expressions. Every sqlglot node class that may stand in a query has a case here; the rest is refused.

`Scalars` is used twice: below a boundary, where names are columns of person rows, and above it, where the only leaves
are group keys and cleared measures. The subclass decides by overriding `leaf`.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlglot import exp

from ambergate_policies.algebra.expressions import (
    Arithmetic,
    ArithmeticOperator,
    Call,
    Case,
    Cast,
    Comparison,
    ComparisonOperator,
    Expression,
    InList,
    IsNull,
    Junction,
    Like,
    Literal,
    Logical,
    Negate,
    Not,
    Owner,
    Span,
)
from ambergate_policies.algebra.kinds import Kind, common
from ambergate_policies.functions import AGGREGATES, ALIASES, ALLOWED, DATE_PARTS, INTERVAL_UNITS, Function
from ambergate_policies.lowering.calls import call_of
from ambergate_policies.lowering.text import Reading

_COMPARISONS: dict[type[exp.Expr], ComparisonOperator] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.NullSafeEQ: "IS NOT DISTINCT FROM",
    exp.NullSafeNEQ: "IS DISTINCT FROM",
}
_ARITHMETIC: dict[type[exp.Expr], ArithmeticOperator] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.IntDiv: "//",
    exp.Mod: "%",
    exp.DPipe: "||",
}
_TARGETS: dict[str, tuple[str, Kind]] = {
    "INT": ("INTEGER", Kind.INT),
    "BIGINT": ("BIGINT", Kind.INT),
    "SMALLINT": ("INTEGER", Kind.INT),
    "DOUBLE": ("DOUBLE", Kind.NUM),
    "FLOAT": ("DOUBLE", Kind.NUM),
    "DECIMAL": ("DOUBLE", Kind.NUM),
    "TEXT": ("VARCHAR", Kind.TEXT),
    "VARCHAR": ("VARCHAR", Kind.TEXT),
    "DATE": ("DATE", Kind.DATE),
    "TIMESTAMP": ("TIMESTAMP", Kind.TIME),
    "TIMESTAMPNTZ": ("TIMESTAMP", Kind.TIME),
    "BOOLEAN": ("BOOLEAN", Kind.BOOL),
}
_NUMBER = re.compile(r"\d{1,30}(\.\d{0,15})?|\.\d{1,15}|\d{1,15}(\.\d{1,15})?[eE][+-]?\d{1,2}")
_INTERVAL = re.compile(r"\s*([+-]?\d{1,6})\s*([A-Za-z]+)?\s*")
MAX_LIST = 10_000


class Scalars:
    """Lowers scalar expressions over the leaves that `leaf` knows."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading

    def leaf(self, node: exp.Expr) -> Expression | None:
        """The expression for a node that this context gives a meaning of its own, else None."""
        raise NotImplementedError

    def carried(self, node: exp.Expr, value: Expression) -> Expression:
        """What a column that `*` stands for is called in this context."""
        raise self.reading.refuse("row-level", "* is not possible beside GROUP BY", node, hint="name the columns")

    def lower(self, node: exp.Expr) -> Expression:
        """The algebra's node for a tree node. Raises QueryRefused for anything not understood."""
        if (own := self.leaf(node)) is not None:
            return own
        for kinds, parts, lower in _LOWERINGS:
            if isinstance(node, kinds):
                self._account_for(node, parts)
                lowered: Expression = lower(self, node)
                return lowered
        if isinstance(node, exp.Func):
            return self._function(node)
        raise self._not_understood(node)

    def _account_for(self, node: exp.Expr, parts: frozenset[str]) -> None:
        """Every argument of a tree node must be one that its lowering reads: `negate` is not to be overlooked."""
        for key, given in node.args.items():
            if given not in (None, False, []) and key not in parts:
                raise self.reading.refuse("syntax", f"{key!r} is not understood in this construct", node)

    def value(self, node: exp.Expr) -> Expression:
        """A lowered value that is not a person key: the key may only be compared, grouped by and counted."""
        lowered = self.lower(node)
        if isinstance(lowered, Owner):
            raise self.reading.refuse(
                "owner-opaque",
                "the person key may only be joined on, grouped by and counted",
                node,
                hint="use count(DISTINCT ...) of it, or join on it",
            )
        return lowered

    def condition(self, node: exp.Expr) -> Expression:
        """A lowered boolean; whole numbers stand for `<> 0`, as in the engine."""
        lowered = self.lower(node)
        if lowered.kind is Kind.BOOL or lowered.kind is Kind.NULL:
            return lowered
        if lowered.kind is Kind.INT:
            return Comparison("<>", lowered, Literal(0, Kind.INT))
        raise self.reading.refuse("type", f"a condition is needed here, not a {lowered.kind}", node)

    # -- leaves

    def literal(self, node: exp.Literal) -> Expression:
        text = str(node.this)
        if node.is_string:
            return Literal(text, Kind.TEXT)
        if not _NUMBER.fullmatch(text):
            raise self.reading.refuse("syntax", "this number cannot be read", node)
        if text.isdigit():
            value = int(text)
            if value >= 2**63:
                raise self.reading.refuse("type", "this number is too large", node)
            return Literal(value, Kind.INT)
        return Literal(Decimal(text), Kind.NUM)

    def boolean(self, node: exp.Boolean) -> Expression:
        return Literal(bool(node.this), Kind.BOOL)

    def null(self, node: exp.Expr) -> Expression:
        return Literal(None, Kind.NULL)

    def current_date(self, node: exp.Expr) -> Expression:
        """The day on which the gate was asked: one value for the whole query."""
        return Literal(self.reading.today.isoformat(), Kind.DATE)

    def interval(self, node: exp.Interval) -> Expression:
        """INTERVAL 1 YEAR, INTERVAL '6 months'."""
        unit = node.args.get("unit")
        amount = node.this
        match = _INTERVAL.fullmatch(str(amount.this)) if isinstance(amount, exp.Literal) else None
        word = (match.group(2) if match and match.group(2) else str(getattr(unit, "this", ""))).lower().rstrip("s")
        doubled = bool(match and match.group(2) and unit is not None)
        if match is None or word not in INTERVAL_UNITS or doubled or not isinstance(unit, exp.Var | None):
            raise self.reading.refuse("function", "write intervals as INTERVAL 6 MONTH", node)
        return Span(int(match.group(1)), word)

    # -- conditions

    def comparison(self, node: exp.Expr) -> Expression:
        operator = _COMPARISONS[type(node)]
        left, right = self.lower(node.this), self.lower(node.expression)
        if isinstance(left, Owner) or isinstance(right, Owner):
            return self._owner_comparison(node, operator, left, right)
        left, right = self._meet(node, left, right)
        return Comparison(operator, left, right)

    def _owner_comparison(
        self, node: exp.Expr, operator: ComparisonOperator, left: Expression, right: Expression
    ) -> Expression:
        if isinstance(left, Owner) and isinstance(right, Owner) and operator == "=":
            return Comparison("=", left, right)
        raise self.reading.refuse(
            "owner-opaque",
            "the person key can only be compared with another table's person key, by =",
            node,
            hint="select people by what is recorded about them, not by their key",
        )

    def _meet(self, node: exp.Expr, left: Expression, right: Expression) -> tuple[Expression, Expression]:
        """Both sides in kinds that compare without an implicit cast."""
        left, right = coerce(left, right.kind), coerce(right, left.kind)
        if common(left.kind, right.kind) is None:
            hint = None
            if Kind.TEXT in (left.kind, right.kind):
                hint = "put codes in single quotes; write dates as DATE '2020-01-31'; or use TRY_CAST"
            raise self.reading.refuse("type", f"a {left.kind} cannot be compared with a {right.kind}", node, hint=hint)
        return widened(left, right.kind), widened(right, left.kind)

    def between(self, node: exp.Between) -> Expression:
        if node.args.get("symmetric"):
            raise self._not_understood(node)
        part = self.value(node.this)
        left, low = self._meet(node, part, self.value(node.args["low"]))
        right, high = self._meet(node, part, self.value(node.args["high"]))
        return Logical("AND", (Comparison(">=", left, low), Comparison("<=", right, high)))

    def membership(self, node: exp.In) -> Expression:
        if node.args.get("query") or node.args.get("unnest") or node.args.get("field"):
            raise self.reading.refuse(
                "subquery", "IN with a subquery is not understood yet", node, hint="join on the person key instead"
            )
        if len(node.expressions) > MAX_LIST:
            raise self.reading.refuse("size", f"a list may hold at most {MAX_LIST} values", node)
        part = self.value(node.this)
        values = []
        for item in node.expressions:
            part, value = self._meet(node, part, self.value(item))
            values.append(value)
        return InList(part, tuple(widened(value, part.kind) for value in values))

    def like(self, node: exp.Expr) -> Expression:
        part, pattern = self.value(node.this), self.value(node.expression)
        if part.kind is not Kind.TEXT or not isinstance(pattern, Literal) or pattern.kind is not Kind.TEXT:
            raise self.reading.refuse("type", "LIKE needs a text and a constant pattern", node)
        like = Like(part, pattern, isinstance(node, exp.ILike))
        return Not(like) if node.args.get("negate") else like

    def is_test(self, node: exp.Is) -> Expression:
        part = self.lower(node.this)
        if isinstance(node.expression, exp.Null):
            return IsNull(part)
        if isinstance(node.expression, exp.Boolean):
            right = Literal(bool(node.expression.this), Kind.BOOL)
            return Comparison("IS NOT DISTINCT FROM", self.condition(node.this), right)
        raise self._not_understood(node)

    def logical(self, node: exp.Expr) -> Expression:
        operator: Junction = "AND" if isinstance(node, exp.And) else "OR"
        parts: list[Expression] = []
        for side in (node.this, node.expression):
            lowered = self.condition(side)
            same = isinstance(lowered, Logical) and lowered.operator == operator
            parts += lowered.parts if same and isinstance(lowered, Logical) else (lowered,)
        return Logical(operator, tuple(parts))

    def negation(self, node: exp.Not) -> Expression:
        return Not(self.condition(node.this))

    # -- values

    def arithmetic(self, node: exp.Expr) -> Expression:
        operator = _ARITHMETIC[type(node)]
        left, right = self.value(node.this), self.value(node.expression)
        kind = _arithmetic_kind(operator, left, right)
        if operator == "||":
            left, right = as_text(left), as_text(right)
        if kind is None:
            raise self.reading.refuse("type", f"{left.kind} {operator} {right.kind} has no meaning here", node)
        return Arithmetic(operator, left, right, kind)

    def negative(self, node: exp.Neg) -> Expression:
        part = self.value(node.this)
        if isinstance(part, Literal) and isinstance(part.value, int | Decimal) and part.kind.numeric:
            return Literal(-part.value, part.kind)
        if not part.kind.numeric:
            raise self.reading.refuse("type", "only numbers have a negative", node)
        return Negate(part, part.kind)

    def case(self, node: exp.Expr) -> Expression:
        subject = node.args.get("this") if isinstance(node, exp.Case) else None
        ifs = node.args["ifs"] if isinstance(node, exp.Case) else [node]
        tests: list[Expression] = []
        for branch in ifs:
            if subject is None:
                tests.append(self.condition(branch.this))
            else:
                left, right = self._meet(branch, self.value(subject), self.value(branch.this))
                tests.append(Comparison("=", left, right))
        values = [self.value(branch.args["true"]) for branch in ifs]
        otherwise = node.args.get("default") if isinstance(node, exp.Case) else node.args.get("false")
        default = self.value(otherwise) if otherwise is not None else None
        kind = self._common_kind(node, [*values, default] if default is not None else values)
        values = [widened(value, kind) for value in values]
        return Case(tuple(zip(tests, values, strict=True)), widened(default, kind) if default else None, kind)

    def _common_kind(self, node: exp.Expr, values: list[Expression]) -> Kind:
        kind: Kind | None = Kind.NULL
        for value in values:
            kind = common(kind, value.kind) if kind is not None else None
        if kind is None:
            found = ", ".join(sorted({str(value.kind) for value in values}))
            raise self.reading.refuse("type", f"these values are of different kinds: {found}", node)
        return kind

    def cast(self, node: exp.Cast) -> Expression:
        target = node.to.this.value if isinstance(node.to, exp.DataType) else ""
        if target not in _TARGETS or node.args.get("format") or not _plain_parameters(node.to):
            raise self.reading.refuse("type", "this type is not available", node, hint="try DOUBLE, VARCHAR or DATE")
        name, kind = _TARGETS[target]
        part = self.value(node.this)
        if isinstance(part, Literal) and part.kind is Kind.TEXT and kind.temporal:
            moment = moment_literal(str(part.value), kind)
            if moment is None:
                raise self.reading.refuse("type", "this is not a date", node, hint="write DATE '2020-01-31'")
            return moment
        return Cast(part, name, kind)

    def parenthesis(self, node: exp.Paren) -> Expression:
        return self.lower(node.this)

    def _function(self, node: Any) -> Expression:
        name, unit, nodes = call_of(node)
        name = ALIASES.get(name, name)
        function = ALLOWED.get(name)
        if function is None:
            raise self.unknown_function(node, name)
        if function.unit and unit not in DATE_PARTS:
            raise self.reading.refuse("function", f"{name} needs a date part such as 'year'", node)
        arguments = tuple(self.value(argument) for argument in nodes)
        return self._checked_call(node, function, arguments, unit if function.unit else None)

    def unknown_function(self, node: exp.Expr, name: str) -> Exception:
        if name in AGGREGATES:
            return self.reading.refuse("aggregate", f"{name} cannot stand here", node)
        message = f"the function {name} is not available"
        return self.reading.refuse("function", message, node, hint="the list of functions is in the reference")

    def _checked_call(
        self, node: exp.Expr, function: Function, arguments: tuple[Expression, ...], unit: str | None
    ) -> Expression:
        parameters = function.parameters
        least = 1 if function.variadic else len(parameters) - function.optional
        if len(arguments) < least or (len(arguments) > len(parameters) and not function.variadic):
            raise self.reading.refuse("function", f"{function.name} has another number of arguments", node)
        arguments = tuple(
            self._fitted(argument, parameters[min(i, len(parameters) - 1)]) for i, argument in enumerate(arguments)
        )
        for index, argument in enumerate(arguments):
            if argument.kind not in parameters[min(index, len(parameters) - 1)]:
                raise self.reading.refuse("type", f"{function.name} does not take a {argument.kind}", node)
            if index in function.constant and not isinstance(argument, Literal):
                raise self.reading.refuse("function", f"{function.name} needs a constant there", node)
        kind = function.result or self._call_kind(node, function, arguments)
        if function.result in (None, Kind.TIME):
            arguments = tuple(widened(argument, kind) for argument in arguments)
        return missing_stays_missing(Call(function, arguments, kind, unit))

    def _call_kind(self, node: exp.Expr, function: Function, arguments: tuple[Expression, ...]) -> Kind:
        return arguments[0].kind if function.unit else self._common_kind(node, list(arguments))

    @staticmethod
    def _fitted(argument: Expression, kinds: frozenset[Kind]) -> Expression:
        wants_moment = Kind.DATE in kinds and Kind.TEXT not in kinds
        return coerce(argument, Kind.DATE) if wants_moment else argument

    def _not_understood(self, node: exp.Expr) -> Exception:
        name = type(node).__name__
        if isinstance(node, exp.Star):
            return self.reading.refuse("row-level", "* would show person rows", node, hint="name what to count")
        if isinstance(node, exp.Select | exp.Subquery | exp.SetOperation | exp.Exists):
            return self.reading.refuse("subquery", "a subquery is not understood here", node, hint="use a join")
        if isinstance(node, exp.Window):
            return self.reading.refuse("window", "a window function is not understood here", node)
        return self.reading.refuse("syntax", f"this construct ({name}) is not understood", node)


def _plain_parameters(target: exp.Expr) -> bool:
    """Lengths and digits only: DECIMAL(10, 2), VARCHAR(5)."""
    return all(isinstance(part.this, exp.Literal) and not part.this.is_string for part in target.expressions)


def missing_stays_missing(call: Call) -> Expression:
    """least(x, 60) is NULL where x is NULL. The engine would yield 60: a value for everybody of whom nothing is known,
    beside which one person's own value would stand out."""
    values = [argument for argument in call.arguments if not isinstance(argument, Literal)]
    if call.function.name not in ("least", "greatest") or not call.kind.numeric or len(values) == len(call.arguments):
        return call
    missing = tuple((IsNull(value), Literal(None, Kind.NULL)) for value in values)
    return Case(missing, call, call.kind) if missing else call


def coerce(node: Expression, towards: Kind) -> Expression:
    """A text literal as a date or number where the other side is one; 0 and 1 as booleans. Else unchanged."""
    if not isinstance(node, Literal):
        return node
    if node.kind is Kind.TEXT and towards.temporal:
        return moment_literal(str(node.value), Kind.DATE) or moment_literal(str(node.value), Kind.TIME) or node
    if node.kind is Kind.TEXT and towards.numeric:
        return _number_literal(str(node.value)) or node
    if node.kind is Kind.INT and towards is Kind.BOOL and node.value in (0, 1):
        return Literal(bool(node.value), Kind.BOOL)
    return node


def widened(node: Expression, towards: Kind) -> Expression:
    """A date as a timestamp where it meets one. The engine's own cast raises for far dates, and so would tell."""
    return Cast(node, "TIMESTAMP", Kind.TIME) if node.kind is Kind.DATE and towards is Kind.TIME else node


def as_text(node: Expression) -> Expression:
    return node if node.kind in (Kind.TEXT, Kind.NULL) else Cast(node, "VARCHAR", Kind.TEXT)


def moment_literal(text: str, kind: Kind) -> Literal | None:
    """An ISO date or timestamp written in the query, or None."""
    try:
        if kind is Kind.DATE:
            return Literal(date.fromisoformat(text.strip()).isoformat(), Kind.DATE)
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return Literal(moment.isoformat(sep=" "), Kind.TIME) if moment.tzinfo is None else None


def _number_literal(text: str) -> Literal | None:
    if not _NUMBER.fullmatch(text.strip()):
        return None
    try:
        return Literal(int(text), Kind.INT) if text.strip().isdigit() else Literal(Decimal(text), Kind.NUM)
    except (ValueError, InvalidOperation):
        return None


def _arithmetic_kind(operator: ArithmeticOperator, left: Expression, right: Expression) -> Kind | None:
    a, b = left.kind, right.kind
    if operator == "||":
        return Kind.TEXT
    if a is Kind.NULL or b is Kind.NULL:
        return Kind.NULL if (a.numeric or b.numeric or a is b) else None
    if a.numeric and b.numeric:
        if operator == "/":
            return Kind.NUM
        return Kind.INT if a is b is Kind.INT else Kind.NUM
    if a.temporal and b is Kind.SPAN and operator in ("+", "-"):
        return Kind.TIME
    if a is Kind.DATE and b is Kind.INT and operator in ("+", "-"):
        return Kind.DATE
    if a is Kind.DATE and b is Kind.DATE and operator == "-":
        return Kind.INT
    return None


_BOTH = frozenset({"this", "expression"})
_LOWERINGS: tuple[tuple[Any, frozenset[str], Any], ...] = (
    (exp.Literal, frozenset({"this", "is_string"}), Scalars.literal),
    (exp.Boolean, frozenset({"this"}), Scalars.boolean),
    (exp.Null, frozenset(), Scalars.null),
    (exp.CurrentDate, frozenset(), Scalars.current_date),
    (exp.Interval, frozenset({"this", "unit"}), Scalars.interval),
    (tuple(_COMPARISONS), _BOTH, Scalars.comparison),
    (exp.Between, frozenset({"this", "low", "high"}), Scalars.between),
    (exp.In, frozenset({"this", "expressions", "query", "unnest", "field"}), Scalars.membership),
    ((exp.Like, exp.ILike), _BOTH | {"negate"}, Scalars.like),
    (exp.Is, _BOTH, Scalars.is_test),
    ((exp.And, exp.Or), _BOTH, Scalars.logical),
    (exp.Not, frozenset({"this"}), Scalars.negation),
    (tuple(_ARITHMETIC), _BOTH | {"typed", "safe"}, Scalars.arithmetic),
    (exp.Neg, frozenset({"this"}), Scalars.negative),
    (exp.Case, frozenset({"this", "ifs", "default"}), Scalars.case),
    (exp.If, frozenset({"this", "true", "false"}), Scalars.case),
    (exp.Cast, frozenset({"this", "to", "safe"}), Scalars.cast),
    (exp.Paren, frozenset({"this"}), Scalars.parenthesis),
)
"""Which tree nodes have a meaning, and which of their arguments that meaning reads."""
