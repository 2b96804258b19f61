"""Printing the algebra as DuckDB SQL: the only text that ever reaches the engine.

Every identifier is quoted, every operator parenthesised; every keyword comes from a fixed list here. sqlglot's own
printer is never used: it prints some strings and quoted names as live SQL.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import assert_never

from ambergate_policies.algebra.expressions import (
    Arithmetic,
    Call,
    Case,
    Cast,
    Column,
    Comparison,
    Composite,
    Edge,
    Expression,
    Frame,
    InList,
    IsNull,
    Like,
    Literal,
    Logical,
    Negate,
    Not,
    Ordering,
    Owner,
    Span,
    Window,
    walk,
)
from ambergate_policies.algebra.kinds import Kind
from ambergate_policies.algebra.relations import (
    Beside,
    Cleared,
    Derived,
    Group,
    Join,
    JoinKind,
    Partial,
    Relation,
    Scan,
    United,
    Values,
)
from ambergate_policies.functions import ALLOWED, DATE_PARTS, INTERVAL_UNITS
from ambergate_policies.places import DATABASE, is_cohort_place

OWNER = "person key"
"""Not a name that a column can have (names.py): nothing granted can stand in its place."""
CAST_TARGETS = frozenset(
    {
        "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "DOUBLE",
        "DECIMAL(18,3)", "VARCHAR", "DATE", "TIMESTAMP",
    },
)  # fmt: skip
_DECIMAL = re.compile(r"DECIMAL\([1-9][0-9]?,[0-9]{1,2}\)")
_INTERNAL = re.compile(r"[a-z][0-9]{0,6}")


class PrintingError(Exception):
    """A node that must not exist. An error of ours, never of the query: nothing is executed."""


def quoted(name: str) -> str:
    if not name or "\0" in name:
        raise PrintingError("a name that cannot be quoted")
    return '"' + name.replace('"', '""') + '"'


def text_literal(value: str) -> str:
    if "\0" in value:
        raise PrintingError("a text that cannot be quoted")
    return "'" + value.replace("'", "''") + "'"


def expression(node: Expression) -> str:  # noqa: C901 - one case per node of a closed set
    """One scalar expression."""
    match node:
        case Column(source=source, name=name):
            return f"{_internal(source)}.{quoted(name)}"
        case Owner(source=source):
            return f"{_internal(source)}.{quoted(OWNER)}"
        case Literal():
            return _literal(node)
        case Span(count=count, unit=unit):
            return f"(INTERVAL '{int(count)} {_listed(unit, INTERVAL_UNITS)}')"
        case Comparison(operator=operator, left=left, right=right):
            return f"({expression(left)} {_listed(operator, _COMPARISONS)} {expression(right)})"
        case Logical(operator=operator, parts=parts):
            return "(" + f" {_listed(operator, _LOGICALS)} ".join(expression(part) for part in parts) + ")"
        case Not(part=part):
            return f"(NOT {expression(part)})"
        case IsNull(part=part):
            return f"({expression(part)} IS NULL)"
        case InList(part=part, values=values):
            return f"({expression(part)} IN ({', '.join(expression(value) for value in values)}))"
        case Like():
            return _like(node)
        case Arithmetic():
            return _arithmetic(node)
        case Negate(part=part):
            return f"TRY((-{expression(part)}))"
        case Case(branches=branches, default=default):
            whens = " ".join(f"WHEN {expression(test)} THEN {expression(value)}" for test, value in branches)
            return f"(CASE {whens} ELSE {'NULL' if default is None else expression(default)} END)"
        case Cast(part=part, target=target):
            return f"TRY_CAST({expression(part)} AS {_target(target)})"
        case Call():
            return _call(node)
        case Window():
            return _window(node)
        case Composite():
            raise PrintingError("a list or struct that has not been taken apart")
        case _:
            assert_never(node)


_COMPARISONS = frozenset({"=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"})
_LOGICALS = frozenset({"AND", "OR"})
_ARITHMETIC = frozenset({"+", "-", "*", "/", "//", "%", "||"})


_LIKES = frozenset({"LIKE", "ILIKE", "GLOB"})


def _like(node: Like) -> str:
    escape = "" if node.escape is None else f" ESCAPE {text_literal(node.escape)}"
    return f"({expression(node.part)} {_listed(node.operator, _LIKES)} {expression(node.pattern)}{escape})"


def _target(name: str) -> str:
    """The type of a cast: a name from the list, or DECIMAL with digits."""
    if _DECIMAL.fullmatch(name):
        return name
    return _listed(name, CAST_TARGETS)


def _literal(node: Literal) -> str:
    value, kind = node.value, node.kind
    if value is None:
        return "NULL"
    if kind is Kind.BOOL:
        return "true" if value else "false"
    if kind is Kind.INT and isinstance(value, int):
        return str(value)
    if kind is Kind.NUM and isinstance(value, Decimal):
        return f"CAST({text_literal(str(value))} AS DOUBLE)"
    if kind is Kind.DATE:
        return f"CAST({text_literal(str(value))} AS DATE)"
    if kind is Kind.TIME:
        return f"CAST({text_literal(str(value))} AS TIMESTAMP)"
    if kind is Kind.TEXT:
        return text_literal(str(value))
    raise PrintingError("a literal of a kind that has none")


def _arithmetic(node: Arithmetic) -> str:
    operator = _listed(node.operator, _ARITHMETIC)
    left, right = expression(node.left), expression(node.right)
    if node.left.kind is Kind.INT is node.kind and operator != "//":
        left = f"TRY_CAST({left} AS BIGINT)"  # 32 bits would overflow, and TRY would make that a NULL
    if operator in {"/", "//", "%"}:
        right = f"NULLIF({right}, 0)"
    text = f"({left} {operator} {right})"
    return text if operator == "||" else f"TRY({text})"


_WINDOWS = frozenset(
    {
        "row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead", "first_value",
        "last_value", "nth_value", "count", "count_if", "sum", "avg", "min", "max", "median", "bool_or", "bool_and",
    }
)  # fmt: skip
_UNITS = frozenset({"ROWS", "RANGE", "GROUPS"})
_SIDES = frozenset({"PRECEDING", "FOLLOWING"})


def _window(node: Window) -> str:
    arguments = [expression(argument) for argument in node.arguments]
    if node.function == "sum" and node.arguments:  # of HUGEINT or DECIMAL it could overflow, and tell
        arguments = [f"TRY_CAST({arguments[0]} AS {_wide(node.kind)})"]
    elif len(arguments) == 3 and node.kind is Kind.INT:  # the default is cast to the value's width
        arguments = [f"TRY_CAST({arguments[0]} AS BIGINT)", arguments[1], f"TRY_CAST({arguments[2]} AS BIGINT)"]
    inside = ", ".join(arguments) or ("*" if node.function == "count" else "")
    inside = f"DISTINCT {inside}" if node.distinct else inside
    inside += " IGNORE NULLS" if node.ignore_nulls else ""
    over = f"PARTITION BY {', '.join(expression(part) for part in node.partition)}" if node.partition else ""
    over += _window_order(node)
    over += _frame(node.frame) if node.frame is not None else ""
    filtered = f" FILTER (WHERE {expression(node.domain)})" if node.domain is not None else ""
    text = f"{_listed(node.function, _WINDOWS)}({inside}){filtered} OVER ({over})"
    whole = node.function in ("sum", "count_if") and node.kind is Kind.INT  # the engine gives HUGEINT
    return f"TRY_CAST({text} AS BIGINT)" if whole else text


def _wide(kind: Kind) -> str:
    return "BIGINT" if kind is Kind.INT else "DOUBLE"


def _window_order(node: Window) -> str:
    """The engine counts a RANGE along the order with arithmetic that raises at the ends of a type: what is not within
    reach is ordered as missing."""
    terms = list(node.order)
    if node.frame is not None and node.frame.unit == "RANGE" and len(terms) == 1:
        value = terms[0].expression
        text = expression(value)
        if value.kind.temporal:
            text = f"TRY_CAST({text} AS TIMESTAMP)"
            near = f"{text} BETWEEN TIMESTAMP '0001-01-01' AND TIMESTAMP '9999-12-31'"
        elif value.kind.numeric:
            text = f"TRY_CAST({text} AS {_wide(value.kind)})"
            near = f"{text} BETWEEN -1000000000000000 AND 1000000000000000"
        else:
            return f" ORDER BY {', '.join(ordering(terms))}"
        return f" ORDER BY CASE WHEN {near} THEN {text} END {_direction(terms[0])}"
    return f" ORDER BY {', '.join(ordering(terms))}" if ordering(terms) else ""


def _frame(frame: Frame) -> str:
    return f" {_listed(frame.unit, _UNITS)} BETWEEN {_edge(frame.start)} AND {_edge(frame.end)}"


def _edge(edge: Edge) -> str:
    if edge.side == "CURRENT ROW":
        return "CURRENT ROW"
    distance = "UNBOUNDED" if edge.distance is None else expression(edge.distance)
    return f"{distance} {_listed(edge.side, _SIDES)}"


def _call(node: Call) -> str:
    function = node.function
    if ALLOWED.get(function.name) != function:
        raise PrintingError("a function that is not on the list")
    arguments = [expression(argument) for argument in node.arguments]
    if function.unit:
        arguments.insert(0, text_literal(_listed(node.unit or "", DATE_PARTS)))
    text = f"{function.name}({', '.join(arguments)})"
    return f"TRY({text})" if function.partial else text


def _listed(word: str, words: frozenset[str]) -> str:
    if word not in words:
        raise PrintingError("a keyword that is not on the list")
    return word


def _internal(source: str) -> str:
    if not _INTERNAL.fullmatch(source):
        raise PrintingError("an alias that is not the kernel's own")
    return f'"{source}"'


def readable(node: Expression) -> str:
    """What comes out of the engine; a date that no calendar of ours reaches is NULL. It could not be read, and the
    failure would tell of a group of few persons that there is one."""
    text = expression(node)
    if not node.kind.temporal:
        return text
    word = "DATE" if node.kind is Kind.DATE else "TIMESTAMP"
    first, last = (f"CAST('{day}' AS {word})" for day in ("0001-01-01", "9999-12-31"))
    return f"CASE WHEN ({text} >= {first}) AND ({text} < {last}) THEN {text} END"


def owner_of(owners: tuple[Owner, ...]) -> str:
    """The person of a row: the first owner that is not NULL."""
    texts = [expression(owner) for owner in owners]
    return texts[0] if len(texts) == 1 else f"COALESCE({', '.join(texts)})"


def relation(node: Relation, used: dict[str, set[str]]) -> str:
    """A relation as a FROM item. `used` says which columns of each source the program reads."""
    match node:
        case Scan():
            return _scan(node, used.get(node.source, set()))
        case Values():
            return _values(node)
        case Cleared(source=source, table=table):
            return f"{handed_over(table)} AS {_internal(source)}"
        case Join(kind=kind, left=left, right=right, on=on):
            if on is None:
                return f"({relation(left, used)} CROSS JOIN {relation(right, used)})"
            word = JoinKind(kind).value
            return f"({relation(left, used)} {word} JOIN {relation(right, used)} ON {expression(on)})"
        case Beside(source=source, left=left):
            return f"({relation(left, used)} CROSS JOIN LATERAL ({_beside(node, used)}) AS {_internal(source)})"
        case Derived():
            return f"({_derived(node, used)}) AS {_internal(node.source)}"
        case United():
            return f"({_united(node, used)}) AS {_internal(node.source)}"
        case _:
            assert_never(node)


def _beside(node: Beside, used: dict[str, set[str]]) -> str:
    rows = f"FROM {relation(node.right, used)} WHERE {expression(node.on)}"
    if node.partial is None:
        return f'SELECT EXISTS (SELECT 1 {rows}) AS "a0"'
    # The engine takes no outer column inside an aggregate, so what is aggregated is computed first.
    parts = list(dict.fromkeys(node.partial.parts()))
    values = {part: Column("x", f"v{index}", part.kind) for index, part in enumerate(parts)}
    items = [f"{expression(part)} AS {quoted(column.name)}" for part, column in values.items()]
    inner = f"SELECT {', '.join(items) or '1 AS ' + quoted('one')} {rows}"
    return f'SELECT {_partial(_over(node.partial, values))} AS "a0" FROM ({inner}) AS "x"'


def _over(partial: Partial, values: Mapping[Expression, Expression]) -> Partial:
    """The same aggregate over columns that hold what it reads."""

    def of(part: Expression | None) -> Expression | None:
        return None if part is None else values[part]

    order = tuple(replace(item, expression=values[item.expression]) for item in partial.order)
    argument, second, domain = of(partial.argument), of(partial.second), of(partial.domain)
    return replace(partial, argument=argument, second=second, domain=domain, order=order)


def _scan(node: Scan, used: set[str]) -> str:
    items = [
        f"TRY_CAST({quoted(column.name)} AS {_listed(column.type, CAST_TARGETS)}) AS {quoted(column.name)}"
        for column in node.columns
        if column.name in used
    ]
    conditions = []
    if node.owner is not None:
        items.append(f"{quoted(node.owner)} AS {quoted(OWNER)}")
        conditions.append(f"({quoted(node.owner)} IS NOT NULL)")
    inner = f"SELECT {', '.join(items) or '1 AS ' + quoted('one')}"
    inner += f" FROM {quoted(_database(node))}.{quoted('main')}.{quoted(node.table)} AS {_internal(node.source)}"
    if node.row_filter is not None:
        conditions.append(expression(node.row_filter))
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"({inner}{where}) AS {_internal(node.source)}"


def _database(node: Scan) -> str:
    if node.place is not None and not is_cohort_place(node.place):
        raise PrintingError("a database that is not the project's")
    return DATABASE if node.place is None else node.place


def _values(node: Values) -> str:
    rows = ", ".join("(" + ", ".join(expression(value) for value in row) + ")" for row in node.rows)
    names = ", ".join(quoted(column.name) for column in node.columns)
    return f"(VALUES {rows}) AS {_internal(node.source)}({names})"


def _derived(node: Derived, used: dict[str, set[str]]) -> str:
    items = [f"{expression(item)} AS {quoted(name)}" for name, item in node.items]
    tail = f" FROM {relation(node.relation, used)}"
    if node.condition is not None:
        tail += f" WHERE {expression(node.condition)}"
    if node.owners:
        items.append(f"{owner_of(node.owners)} AS {quoted(OWNER)}")
    if node.group is not None:
        items += [f"{_partial(partial)} AS {quoted(name)}" for name, partial in node.group.partials]
        tail += _group(node.group, node.owners)
    if not node.owners:
        tail += _ordered(node)
    word = "SELECT DISTINCT" if node.distinct else "SELECT"
    return f"{word} {', '.join(items) or '1 AS ' + quoted('one')}{tail}"


_SET_OPERATORS = frozenset({"UNION", "INTERSECT", "EXCEPT"})


def _united(node: United, used: dict[str, set[str]]) -> str:
    word = _listed(node.operator, _SET_OPERATORS) + (" ALL" if node.everything else "")
    return f" {word} ".join(f"({_derived(branch, used)})" for branch in node.branches)


def _ordered(node: Derived) -> str:
    order = ordering(node.order)
    text = f" ORDER BY {', '.join(order)}" if order else ""
    text += f" LIMIT {int(node.limit)}" if node.limit is not None else ""
    return text + (f" OFFSET {int(node.offset)}" if node.offset else "")


def handed_over(table: str) -> str:
    """A table that the gate itself gives to the engine, where no table of the project can stand in its place."""
    return f'"temp"."main".{_internal(table)}'


def _group(group: Group, owners: tuple[Owner, ...]) -> str:
    keys = [*([owner_of(owners)] if owners else []), *(expression(key) for key in group.keys)]
    return f" GROUP BY {', '.join(keys)}" if keys else ""


_SPREADS = frozenset({"stddev_samp", "stddev_pop", "var_samp", "var_pop"})
_LINES = frozenset({"corr", "covar_samp", "covar_pop", "regr_slope", "regr_intercept", "regr_r2"})
_PARTIALS = (
    frozenset(
        {"count", "sum", "avg", "min", "max", "count_if", "median", "bool_or", "bool_and", "first", "last", "mode"}
    )
    | {"string_agg", "quantile_cont", "quantile_disc"}
    | _SPREADS
    | _LINES
)


def _partial(node: Partial) -> str:
    arguments = ["*"] if node.argument is None else [expression(node.argument)]
    wide = None
    if node.function == "sum" and node.argument is not None:  # a sum of HUGEINT or DECIMAL could overflow, and tell
        wide = "BIGINT" if node.argument.kind is Kind.INT else "DOUBLE"
        arguments = [f"TRY_CAST({arguments[0]} AS {wide})"]
    if node.second is not None:
        arguments.append(expression(node.second))
    if node.function in _SPREADS | _LINES:
        arguments = [_clamped(argument) for argument in arguments]
    if isinstance(node.constant, Decimal):
        arguments.append(f"CAST({text_literal(str(node.constant))} AS DOUBLE)")
    elif node.constant is not None:
        arguments.append(text_literal(node.constant))
    order = f" ORDER BY {', '.join(ordering(node.order))}" if ordering(node.order) else ""
    distinct = "DISTINCT " if node.distinct else ""
    text = f"{_listed(node.function, _PARTIALS)}({distinct}{', '.join(arguments)}{order})"
    text = text if node.domain is None else f"{text} FILTER (WHERE {expression(node.domain)})"
    if node.function in _LINES:  # of values that are all the same there is none
        text = f"NULLIF({text}, CAST('NaN' AS DOUBLE))"
    return text if wide is None else f"TRY_CAST({text} AS {wide})"


def _clamped(text: str) -> str:
    """A number whose squares no spread can overflow on: the error would tell that somebody has a larger one."""
    number = f"TRY_CAST({text} AS DOUBLE)"
    return f"CASE WHEN abs({number}) < 1e50 THEN {number} END"


def ordering(items: Iterable[Ordering]) -> list[str]:
    """The terms of an ORDER BY. A constant orders nothing, and the engine would refuse it."""
    return [
        f"{expression(item.expression)} {_direction(item)}"
        for item in items
        if not isinstance(item.expression, Literal)
    ]


def _direction(item: Ordering) -> str:
    return f"{'DESC' if item.descending else 'ASC'} NULLS {'FIRST' if item.nulls_first else 'LAST'}"


def columns_used(expressions: Iterable[Expression]) -> dict[str, set[str]]:
    """The columns that some expressions read, by source."""
    used: dict[str, set[str]] = {}
    for node in expressions:
        for part in walk(node):
            if isinstance(part, Column):
                used.setdefault(part.source, set()).add(part.name)
    return used
