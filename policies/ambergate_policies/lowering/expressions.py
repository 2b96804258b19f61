"""Lowering scalar expressions. Every sqlglot node class that may stand in a query has a case here; the rest is refused.

`Scalars` is used twice: below a boundary, where names are columns of person rows, and above it, where the only leaves
are group keys and cleared measures. The subclass decides by overriding `leaf`.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from sqlglot import exp

from ambergate_policies.algebra.expressions import (
    Arithmetic,
    ArithmeticOperator,
    Call,
    Case,
    Comparison,
    ComparisonOperator,
    Composite,
    Expression,
    InList,
    IsNull,
    Junction,
    Literal,
    Logical,
    Negate,
    Not,
    Owner,
)
from ambergate_policies.algebra.kinds import Kind, common
from ambergate_policies.functions import AGGREGATES, Function, why_not
from ambergate_policies.lowering import casts, composites, moments, patterns
from ambergate_policies.lowering.calls import NAMED, SPECIAL
from ambergate_policies.lowering.constants import NUMBER, agreed, as_text, coerce, missing_stays_missing, widened
from ambergate_policies.lowering.functions import function
from ambergate_policies.lowering.text import Reading

__all__ = ["MAX_LIST", "UNDERSTOOD", "Scalars", "coerce", "widened"]

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
MAX_LIST = 10_000
_IN_PARTS = frozenset({Kind.COMPOSITE, Kind.TEXTS})


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
        """The algebra's node for a tree node: one value. Raises QueryRefused for anything not understood."""
        lowered = self.whole(node)
        if lowered.kind in _IN_PARTS:
            hint = "take one of its items: x[1], x.field"
            raise self.reading.refuse("type", f"a {lowered.kind} cannot stand here", node, hint=hint)
        return lowered

    def whole(self, node: exp.Expr) -> Expression:
        """Like `lower`, where a list, struct or tuple may stand too."""
        if (own := self.leaf(node)) is not None:
            return own
        case = _LOWERINGS.get(type(node))
        if case is not None:
            parts, lower = case
            self.account_for(node, parts)
            return lower(self, node)
        if isinstance(node, exp.Func):
            return function(self, node)
        raise self._not_understood(node)

    def account_for(self, node: exp.Expr, parts: frozenset[str] | None = None) -> None:
        """Every argument of a tree node must be one that its lowering reads: `negate` is not to be overlooked."""
        parts = parts if parts is not None else _PARTS.get(type(node), frozenset())
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
        raise self.reading.refuse(
            "type", f"a condition is needed here, not a {lowered.kind}", node, hint="compare it with something: x > 0"
        )

    # -- leaves

    def literal(self, node: exp.Literal) -> Expression:
        text = str(node.this)
        if node.is_string:
            return Literal(text, Kind.TEXT)
        if not NUMBER.fullmatch(text):
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

    # -- conditions

    def comparison(self, node: exp.Expr) -> Expression:
        operator = _COMPARISONS[type(node)]
        left, right = self.whole(node.this), node.expression
        if isinstance(right, exp.Any):
            return composites.quantified(self, node, operator, left, right.this.unnest(), every=False)
        if isinstance(right, exp.Anonymous) and str(right.this).lower() == "all" and len(right.expressions) == 1:
            return composites.quantified(self, node, operator, left, right.expressions[0], every=True)
        return self.compared(node, operator, left, self.whole(right))

    def compared(self, node: exp.Expr, operator: ComparisonOperator, left: Expression, right: Expression) -> Expression:
        """A comparison of two values, two person keys or two tuples."""
        if isinstance(left, Composite) and isinstance(right, Composite):
            return composites.compared(self, node, operator, left, right)
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
        if common(left.kind, right.kind) is None or {left.kind, right.kind} & _IN_PARTS:
            hint = None
            if Kind.TEXT in (left.kind, right.kind):
                hint = "put codes in single quotes; write dates as DATE '2020-01-31'; or use TRY_CAST"
            raise self.reading.refuse("type", f"a {left.kind} cannot be compared with a {right.kind}", node, hint=hint)
        return widened(left, right.kind), widened(right, left.kind)

    def between(self, node: exp.Between) -> Expression:
        part = self.value(node.this)
        left, low = self._meet(node, part, self.value(node.args["low"]))
        right, high = self._meet(node, part, self.value(node.args["high"]))
        return Logical("AND", (Comparison(">=", left, low), Comparison("<=", right, high)))

    def membership(self, node: exp.In) -> Expression:
        if node.args.get("query") or node.args.get("unnest"):
            raise self.reading.refuse(
                "subquery", "IN with a subquery is not understood here", node, hint="join on the person key instead"
            )
        if node.args.get("field") is not None:
            return composites.contains(self, node, [node.args["field"], node.this])
        if len(node.expressions) > MAX_LIST:
            raise self.reading.refuse("size", f"a list may hold at most {MAX_LIST} values", node)
        whole = self.whole(node.this)
        if isinstance(whole, Composite):
            return composites.among(self, node, whole, node.expressions)
        part, values = self.value(node.this), []
        for item in node.expressions:
            part, value = self._meet(node, part, self.value(item))
            values.append(value)
        self._plain_list(node, values)
        return InList(part, tuple(widened(value, part.kind) for value in values))

    def _plain_list(self, node: exp.In, values: list[Expression]) -> None:
        """`x IN [a, b]` and `x IN (a, b)` are one tree to sqlglot, and differ in the engine where one is missing."""
        if self.reading.listed and not all(isinstance(one, Literal) and one.value is not None for one in values):
            hint = "use round brackets: x IN (a, b)"
            raise self.reading.refuse("syntax", "IN [...] is understood for constants only", node, hint=hint)

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
        return self.calculated(node, _ARITHMETIC[type(node)], self.value(node.this), self.value(node.expression))

    def calculated(
        self, node: exp.Expr, operator: ArithmeticOperator, left: Expression, right: Expression
    ) -> Expression:
        """`left operator right`, of numbers, texts, dates and intervals."""
        if operator == "||":
            return Arithmetic(operator, as_text(left), as_text(right), Kind.TEXT)
        moved = moments.arithmetic(self, node, operator, left, right)
        if moved is not None:
            return moved
        kind = _arithmetic_kind(operator, left, right)
        if kind is None:
            hint = "write x::INTEGER to count with a condition" if Kind.BOOL in (left.kind, right.kind) else None
            message = f"{left.kind} {operator} {right.kind} has no meaning here"
            raise self.reading.refuse("type", message, node, hint=hint)
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
        if otherwise is None:
            values = self.agreed(node, values)
            return Case(tuple(zip(tests, values, strict=True)), None, _kind_of(values))
        *values, default = self.agreed(node, [*values, self.value(otherwise)])
        return Case(tuple(zip(tests, values, strict=True)), default, _kind_of([*values, default]))

    def agreed(self, node: exp.Expr, values: list[Expression]) -> list[Expression]:
        """Values that stand for each other, in kinds that the engine need not convert."""
        values = agreed(values)
        kind: Kind | None = Kind.NULL
        for value in values:
            kind = common(kind, value.kind) if kind is not None else None
        if kind is None:
            found = ", ".join(sorted({str(value.kind) for value in values}))
            raise self.reading.refuse(
                "type", f"these values are of different kinds: {found}", node, hint="make them one: x::VARCHAR"
            )
        return [widened(value, kind) for value in values]

    def parenthesis(self, node: exp.Paren) -> Expression:
        return self.whole(node.this)

    # -- functions

    def unknown_function(self, node: exp.Expr, name: str) -> Exception:
        """The refusal of a function that is not available; a subclass may know more."""
        if name in AGGREGATES:
            return self.reading.refuse("aggregate", f"{name} cannot stand here", node)
        message, hint = why_not(name)
        return self.reading.refuse("function", message, node, hint=hint)

    def call(
        self, node: exp.Expr, function: Function, arguments: tuple[Expression, ...], unit: str | None = None
    ) -> Expression:
        """A call of an allowed function, with its arguments' number and kinds checked."""
        parameters = function.parameters
        least = (1 if function.variadic else len(parameters) - function.optional) if parameters else 0
        if len(arguments) < least or (len(arguments) > len(parameters) and not function.variadic):
            raise self.reading.refuse("function", f"{function.name} has another number of arguments", node)
        arguments = tuple(_fitted(one, parameters[min(i, len(parameters) - 1)]) for i, one in enumerate(arguments))
        for index, argument in enumerate(arguments):
            if argument.kind not in parameters[min(index, len(parameters) - 1)]:
                raise self.reading.refuse("type", f"{function.name} does not take a {argument.kind}", node)
            if index in function.constant and not _is_constant(argument):
                raise self.reading.refuse("function", f"{function.name} needs a constant there", node)
        arguments, kind = self._kinds(node, function, arguments)
        call = Call(function, arguments, kind, unit)
        return missing_stays_missing(patterns.checked(self, node, call))

    def _kinds(
        self, node: exp.Expr, function: Function, arguments: tuple[Expression, ...]
    ) -> tuple[tuple[Expression, ...], Kind]:
        """What the call yields, and its arguments in the kinds that this needs."""
        if function.name == "time_bucket":
            return arguments, arguments[-1].kind
        if function.result is None:
            arguments = tuple(self.agreed(node, list(arguments)))
            return arguments, _kind_of(list(arguments))
        return arguments, function.result

    def _not_understood(self, node: exp.Expr) -> Exception:
        name = type(node).__name__
        if isinstance(node, exp.Star):
            return self.reading.refuse("row-level", "* would show person rows", node, hint="name what to count")
        if isinstance(node, exp.Select | exp.Subquery | exp.SetOperation | exp.Exists):
            return self.reading.refuse("subquery", "a subquery is not understood here", node, hint="use a join")
        if isinstance(node, exp.Window):
            return self.reading.refuse("window", "a window function is not understood here", node)
        if isinstance(
            node, exp.BitwiseAnd | exp.BitwiseOr | exp.BitwiseXor | exp.BitwiseLeftShift | exp.BitwiseRightShift
        ):
            hint = "use AND and OR for conditions, // and % for digits"
            return self.reading.refuse("syntax", "operations on bits are not available", node, hint=hint)
        return self.reading.refuse("syntax", f"this construct ({name}) is not understood", node)


def _is_constant(node: Expression) -> bool:
    return isinstance(node, Literal) or node.kind is Kind.SPAN


def _fitted(argument: Expression, kinds: frozenset[Kind]) -> Expression:
    """A text of the query as a moment where one is wanted; a date as a timestamp where the engine would convert it."""
    if Kind.TIME not in kinds or Kind.TEXT in kinds:
        return argument
    argument = coerce(argument, Kind.TIME)
    return argument if Kind.DATE in kinds else widened(argument, Kind.TIME)


def _kind_of(values: list[Expression]) -> Kind:
    """The common kind of values that agree."""
    kind = Kind.NULL
    for value in values:
        kind = common(kind, value.kind) or kind
    return kind


def _arithmetic_kind(operator: ArithmeticOperator, left: Expression, right: Expression) -> Kind | None:
    a, b = left.kind, right.kind
    if a is Kind.NULL or b is Kind.NULL:
        return Kind.NULL if (a.numeric or b.numeric or a is b) else None
    if a.numeric and b.numeric:
        if operator == "/":
            return Kind.NUM
        return Kind.INT if a is b is Kind.INT else Kind.NUM
    return None


def _row(scalars: Scalars, node: exp.Tuple) -> Expression:
    return composites.row(scalars, node, node.expressions)


def _struct(scalars: Scalars, node: exp.Struct) -> Expression:
    return composites.struct(scalars, node, node.expressions)


_Lowering = Callable[[Any, Any], Expression]
_BOTH = frozenset({"this", "expression"})
_LIKE = _BOTH | {"negate"}
_LOWERINGS: dict[type[exp.Expr], tuple[frozenset[str], _Lowering]] = {
    exp.Literal: (frozenset({"this", "is_string"}), Scalars.literal),
    exp.Boolean: (frozenset({"this"}), Scalars.boolean),
    exp.Null: (frozenset(), Scalars.null),
    exp.Interval: (frozenset({"this", "unit"}), moments.interval),
    **dict.fromkeys(_COMPARISONS, (_BOTH, Scalars.comparison)),
    exp.Between: (frozenset({"this", "low", "high"}), Scalars.between),
    exp.In: (frozenset({"this", "expressions", "query", "unnest", "field"}), Scalars.membership),
    exp.Like: (_LIKE, patterns.like),
    exp.ILike: (_LIKE, patterns.like),
    exp.Glob: (_LIKE, patterns.like),
    exp.Escape: (_BOTH, patterns.escaped),
    exp.SimilarTo: (_BOTH, function),
    exp.Is: (_BOTH, Scalars.is_test),
    exp.And: (_BOTH, Scalars.logical),
    exp.Or: (_BOTH, Scalars.logical),
    exp.Not: (frozenset({"this"}), Scalars.negation),
    **dict.fromkeys(_ARITHMETIC, (_BOTH | {"typed", "safe"}, Scalars.arithmetic)),
    exp.Neg: (frozenset({"this"}), Scalars.negative),
    exp.Case: (frozenset({"this", "ifs", "default"}), Scalars.case),
    exp.If: (frozenset({"this", "true", "false"}), Scalars.case),
    exp.Cast: (frozenset({"this", "to", "safe"}), casts.cast),
    exp.TryCast: (frozenset({"this", "to", "safe"}), casts.cast),
    exp.Paren: (frozenset({"this"}), Scalars.parenthesis),
    exp.Bracket: (frozenset({"this", "expressions"}), composites.bracket),
    exp.Dot: (_BOTH, composites.dot),
    exp.Tuple: (frozenset({"expressions"}), _row),
    exp.Struct: (frozenset({"expressions"}), _struct),
    exp.ToMap: (frozenset({"this"}), composites.to_map),
}
"""Which tree nodes have a meaning, which of their arguments that meaning reads, and what lowers them."""
_PARTS = {kind: parts for kind, (parts, _) in _LOWERINGS.items()} | {exp.Slice: _BOTH}
UNDERSTOOD = frozenset({*_PARTS, *NAMED, *SPECIAL, exp.Anonymous, exp.Any})
"""Every class of node that may stand in a scalar expression, besides columns and what a subclass knows."""
