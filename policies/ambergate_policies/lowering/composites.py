"""Lists, structs, tuples and maps of a few expressions, taken apart while they are lowered.

The algebra has single values only. `[a, b][1]` is `a`, `{'x': a}.x` is `a`, a lookup in a map is a CASE, and a list's
largest value is `greatest`. What would need a value with parts (unnest, lambdas) is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sqlglot import exp
from sqlglot.expressions import DType

from ambergate_policies.algebra.expressions import (
    Arithmetic,
    Call,
    Case,
    Comparison,
    ComparisonOperator,
    Composite,
    Expression,
    InList,
    IsNull,
    Literal,
    Logical,
    Not,
    Owner,
)
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.functions import ALLOWED
from ambergate_policies.lowering.constants import MISSING, missing_stays_missing

if TYPE_CHECKING:
    from ambergate_policies.lowering.expressions import Scalars

MAX_ITEMS = 200
_ONE, _ZERO = Literal(1, Kind.INT), Literal(0, Kind.INT)


def listed(scalars: Scalars, node: exp.Expr, nodes: list[exp.Expr]) -> Expression:
    """[a, b], list_value(a, b): values of one kind."""
    items = [scalars.value(item) for item in _few(scalars, node, nodes)]
    return Composite(tuple(scalars.agreed(node, items))) if items else Composite(())


def row(scalars: Scalars, node: exp.Expr, nodes: list[exp.Expr]) -> Expression:
    """(a, b), row(a, b): values of any kinds; the person key may be one, to be compared with another."""
    items = tuple(scalars.lower(item) for item in _few(scalars, node, nodes))
    return Composite(items, tuple("" for _ in items))


def struct(scalars: Scalars, node: exp.Expr, nodes: list[exp.Expr]) -> Expression:
    """{'x': a}, struct_pack(x := a)."""
    names, items = [], []
    for field in _few(scalars, node, nodes):
        if not isinstance(field, exp.PropertyEQ):
            raise scalars.reading.refuse("syntax", "every field of a struct needs a name", node)
        names.append(field.this.name.lower())
        items.append(scalars.value(field.expression))
    return Composite(tuple(items), tuple(names))


def _few(scalars: Scalars, node: exp.Expr, nodes: list[exp.Expr]) -> list[exp.Expr]:
    if len(nodes) > MAX_ITEMS:
        raise scalars.reading.refuse("size", f"a list may hold at most {MAX_ITEMS} values", node)
    return nodes


def bracket(scalars: Scalars, node: exp.Bracket) -> Expression:
    """x[1], x['field'], x[1:3]."""
    inner, (index, *more) = node.this, node.expressions
    if more:
        raise scalars.reading.refuse("syntax", "one index is understood here", node)
    if isinstance(inner, exp.Map):
        return _looked_up(scalars, node, inner.args["keys"], inner.args["values"], index)
    whole = scalars.whole(inner)
    if isinstance(index, exp.Slice):
        return _slice(scalars, node, whole, index)
    if isinstance(whole, Composite) and isinstance(index, exp.Literal) and index.is_string:
        return _field(scalars, node, whole, str(index.this))
    return item(scalars, node, whole, _position(scalars, node, index))


def _position(scalars: Scalars, node: exp.Bracket, index: exp.Expr) -> Expression:
    """The index that the query has. sqlglot counts from 0 and has moved the whole numbers that it recognises, but not
    where it knows the whole to be no list."""
    lowered = scalars.value(index)
    kind = node.this.type
    moved = kind is None or kind.this in (DType.UNKNOWN, DType.ARRAY)
    if isinstance(lowered, Literal) and isinstance(lowered.value, int) and not isinstance(lowered.value, bool):
        return Literal(lowered.value + 1, Kind.INT) if moved else lowered
    if not isinstance(index, exp.Column):
        raise scalars.reading.refuse("syntax", "an index is a whole number or a column", node)
    return lowered


def item(scalars: Scalars, node: exp.Expr, whole: Expression, position: Expression) -> Expression:
    """One item of a list, one field of a row, one character of a text. NULL where there is none."""
    if position.kind not in (Kind.INT, Kind.NULL):
        raise scalars.reading.refuse("type", f"an index is a whole number, not a {position.kind}", node)
    if whole.kind is Kind.TEXTS:
        return scalars.call(node, ALLOWED["list_extract"], (whole, position))
    if whole.kind is Kind.TEXT:
        return scalars.call(node, ALLOWED["substring"], (whole, position, _ONE))
    if not isinstance(whole, Composite):
        raise scalars.reading.refuse("type", f"a {whole.kind} has no items", node)
    if not isinstance(position, Literal) or not isinstance(position.value, int):
        branches: list[tuple[Expression, Expression]]
        branches = [(Comparison("=", position, Literal(n, Kind.INT)), one) for n, one in enumerate(whole.items, 1)]
        branches += [
            (Comparison("=", position, Literal(-n, Kind.INT)), one) for n, one in enumerate(reversed(whole.items), 1)
        ]
        return _chosen(scalars, node, branches)
    count = position.value
    index = count - 1 if count > 0 else len(whole.items) + count
    return whole.items[index] if count != 0 and 0 <= index < len(whole.items) else MISSING


def _chosen(scalars: Scalars, node: exp.Expr, branches: Sequence[tuple[Expression, Expression]]) -> Expression:
    values = scalars.agreed(node, [value for _, value in branches])
    if not branches:
        return MISSING
    return Case(tuple((test, value) for (test, _), value in zip(branches, values, strict=True)), None, values[0].kind)


def _slice(scalars: Scalars, node: exp.Expr, whole: Expression, index: exp.Slice) -> Expression:
    """A part of a text: s[1:3], s[:3], s[2:], s[-3:]."""
    scalars.account_for(index)
    start, end = index.args.get("this"), index.args.get("expression")
    first = scalars.value(start) if start is not None else _ONE
    last = scalars.value(end) if end is not None else None
    if whole.kind is Kind.TEXT and isinstance(first, Literal) and isinstance(first.value, int):
        if last is None and first.value < 0:
            return scalars.call(node, ALLOWED["right"], (whole, Literal(-first.value, Kind.INT)))
        if last is None and first.value > 0:
            return scalars.call(node, ALLOWED["substring"], (whole, first))
        if isinstance(last, Literal) and isinstance(last.value, int) and 0 < first.value <= last.value:
            count = Literal(last.value - first.value + 1, Kind.INT)
            return scalars.call(node, ALLOWED["substring"], (whole, first, count))
    raise scalars.reading.refuse("syntax", "this slice is not understood", node, hint="use substring, left or right")


def dot(scalars: Scalars, node: exp.Dot) -> Expression:
    """{'x': a}.x"""
    if not isinstance(node.expression, exp.Identifier):
        hint = "write the function first: lower(x)"
        raise scalars.reading.refuse("syntax", "a function after a dot is not understood", node, hint=hint)
    return _field(scalars, node, scalars.whole(node.this), node.expression.name)


def _field(scalars: Scalars, node: exp.Expr, whole: Expression, name: str) -> Expression:
    if isinstance(whole, Composite) and name.lower() in whole.names:
        return whole.items[whole.names.index(name.lower())]
    raise scalars.reading.refuse("type", f"there is no field {name!r} here", node)


def to_map(scalars: Scalars, node: exp.ToMap) -> Expression:
    """MAP {'a': 1}[x]: sqlglot holds the index inside."""
    inner = node.this
    if isinstance(inner, exp.Bracket) and isinstance(inner.this, exp.Struct) and len(inner.expressions) == 1:
        fields = inner.this.expressions
        keys = exp.Array(expressions=[field.this for field in fields])
        values = exp.Array(expressions=[field.expression for field in fields])
        return _looked_up(scalars, node, keys, values, inner.expressions[0])
    raise scalars.reading.refuse("type", "a map can only be looked up here: MAP {'a': 1}[x]", node)


def _looked_up(scalars: Scalars, node: exp.Expr, keys: exp.Expr, values: exp.Expr, index: exp.Expr) -> Expression:
    found, chosen = scalars.whole(keys), scalars.whole(values)
    if not (isinstance(found, Composite) and isinstance(chosen, Composite)) or len(found.items) != len(chosen.items):
        raise scalars.reading.refuse("type", "a map needs as many keys as values", node)
    lowered = scalars.value(index)
    pairs = zip(found.items, chosen.items, strict=True)
    return _chosen(scalars, node, [(scalars.compared(node, "=", lowered, key), value) for key, value in pairs])


def compared(
    scalars: Scalars, node: exp.Expr, operator: ComparisonOperator, left: Composite, right: Composite
) -> Expression:
    """(a, b) = (c, d): field by field. In the engine a missing field equals a missing field here."""
    same = len(left.items) == len(right.items) and bool(left.names) == bool(right.names) and left.items
    if not same or operator not in ("=", "<>", "IS NOT DISTINCT FROM", "IS DISTINCT FROM"):
        raise scalars.reading.refuse("type", "these cannot be compared", node, hint="compare the parts one by one")
    parts: list[Expression] = []
    for one, other in zip(left.items, right.items, strict=True):
        alike: ComparisonOperator = "=" if isinstance(one, Owner) else "IS NOT DISTINCT FROM"
        parts.append(scalars.compared(node, alike, one, other))
    equal: Expression = Logical("AND", tuple(parts)) if len(parts) > 1 else parts[0]
    return equal if operator in ("=", "IS NOT DISTINCT FROM") else Not(equal)


def among(scalars: Scalars, node: exp.Expr, part: Composite, nodes: list[exp.Expr]) -> Expression:
    """(a, b) IN ((1, 2), (3, 4))."""
    found = [scalars.whole(item) for item in _few(scalars, node, nodes)]
    options = [compared(scalars, node, "=", part, one) for one in found if isinstance(one, Composite)]
    if len(options) != len(found) or not options:
        raise scalars.reading.refuse("type", "these cannot be compared", node, hint="write (a, b) IN ((1, 2), (3, 4))")
    return Logical("OR", tuple(options)) if len(options) > 1 else options[0]


def contains(scalars: Scalars, node: exp.Expr, nodes: list[exp.Expr]) -> Expression:
    """list_contains([a, b], x), 'x' IN list, contains(text, part). Missing items equal nothing."""
    if len(nodes) != 2:
        raise scalars.reading.refuse("function", "a list and a value are needed here", node)
    whole, value = scalars.whole(nodes[0]), scalars.value(nodes[1])
    if not isinstance(whole, Composite):
        name = "list_contains" if whole.kind is Kind.TEXTS else "contains"
        return scalars.call(node, ALLOWED[name], (whole, value))
    if not whole.items:
        return Case(((IsNull(value), MISSING),), Literal(False, Kind.BOOL), Kind.BOOL)
    found: list[Expression] = []
    for one in whole.items:
        test = scalars.compared(node, "=", value, one)
        found.append(Logical("AND", (Not(IsNull(one)), test)) if not isinstance(one, Literal) else test)
    any_of: Expression = Logical("OR", tuple(found)) if len(found) > 1 else found[0]
    return Case(((IsNull(value), MISSING), (any_of, Literal(True, Kind.BOOL))), Literal(False, Kind.BOOL), Kind.BOOL)


def quantified(
    scalars: Scalars, node: exp.Expr, operator: ComparisonOperator, left: Expression, list_node: exp.Expr, every: bool
) -> Expression:
    """x = ANY ([a, b]), x > ALL ([a, b])."""
    whole = scalars.whole(list_node)
    if not isinstance(whole, Composite) or not whole.items:
        raise scalars.reading.refuse("subquery", "ANY and ALL need a list here", node, hint="use IN, or a join")
    tests = tuple(scalars.compared(node, operator, left, one) for one in whole.items)
    if operator == "=" and not every and all(isinstance(one, Literal) for one in whole.items):
        equal = [test.right for test in tests if isinstance(test, Comparison)]
        return InList(left, tuple(equal))
    return Logical("AND" if every else "OR", tests) if len(tests) > 1 else tests[0]


def length(scalars: Scalars, node: exp.Expr, nodes: list[exp.Expr]) -> Expression:
    """length(text), len(list)."""
    whole = scalars.whole(nodes[0]) if len(nodes) == 1 else MISSING
    if isinstance(whole, Composite) and not whole.names:
        return Literal(len(whole.items), Kind.INT)
    return scalars.call(node, ALLOWED["len" if whole.kind is Kind.TEXTS else "length"], (whole,))


def extracted(scalars: Scalars, node: exp.Expr, nodes: list[exp.Expr]) -> Expression:
    """list_extract(x, 1), struct_extract(x, 'field')."""
    if len(nodes) != 2:
        raise scalars.reading.refuse("function", "a list and an index are needed here", node)
    whole = scalars.whole(nodes[0])
    if isinstance(nodes[1], exp.Literal) and nodes[1].is_string:
        return _field(scalars, node, whole, str(nodes[1].this))
    return item(scalars, node, whole, scalars.value(nodes[1]))


def _summary(combine: Callable[[list[Expression]], Expression]) -> Rewrite:
    def lower(scalars: Scalars, node: exp.Expr, nodes: list[exp.Expr]) -> Expression:
        whole = scalars.whole(nodes[0]) if len(nodes) == 1 else MISSING
        if not isinstance(whole, Composite) or whole.names or not whole.items:
            raise scalars.reading.refuse("type", "a list written in the query is needed here: [a, b]", node)
        return combine(scalars.agreed(node, list(whole.items)))

    return lower


def _of_all(name: str) -> Callable[[list[Expression]], Expression]:
    def combine(values: list[Expression]) -> Expression:
        return missing_stays_missing(Call(ALLOWED[name], tuple(values), values[0].kind))

    return combine


def _sum(values: list[Expression]) -> Expression:
    """The sum of what is there; NULL where nothing is."""
    kind = Kind.NUM if any(value.kind is Kind.NUM for value in values) else Kind.INT
    total: Expression | None = None
    for value in values:
        constant = isinstance(value, Literal) and value.value is not None
        present = value if constant else Call(ALLOWED["coalesce"], (value, _ZERO), kind)
        total = present if total is None else Arithmetic("+", total, present, kind)
    nothing = tuple(IsNull(value) for value in values)
    test: Expression = Logical("AND", nothing) if len(nothing) > 1 else nothing[0]
    return Case(((test, MISSING),), total, kind)


def _count(values: list[Expression]) -> Expression:
    total: Expression = _ZERO
    for value in values:
        total = Arithmetic("+", total, Case(((IsNull(value), _ZERO),), _ONE, Kind.INT), Kind.INT)
    return total


def _map(scalars: Scalars, node: exp.Expr, nodes: list[exp.Expr]) -> Expression:
    raise scalars.reading.refuse("type", "a map can only be looked up here: map([1, 2], ['a', 'b'])[x]", node)


Rewrite = Callable[["Scalars", exp.Expr, list[exp.Expr]], Expression]
REWRITES: dict[str, Rewrite] = {
    "list_value": listed,
    "list_pack": listed,
    "array_value": listed,
    "row": row,
    "map": _map,
    "struct_pack": struct,
    "struct_extract": extracted,
    "list_extract": extracted,
    "list_contains": contains,
    "contains": contains,
    "length": length,
    "len": length,
    "array_length": length,
    "list_max": _summary(_of_all("greatest")),
    "list_min": _summary(_of_all("least")),
    "list_any_value": _summary(_of_all("coalesce")),
    "list_sum": _summary(_sum),
    "list_count": _summary(_count),
}
"""Functions that are read as something else."""
