"""Nothing that the printer writes can raise for some value of a row: an error would tell that a row has it.

Every allowed function, every operator and every cast is run over the extremes of each kind that it takes. TRY alone is
not enough: it does not catch the engine's own conversions of its arguments.
"""

from __future__ import annotations

import itertools
from typing import get_args

import duckdb
import pytest

from ambergate_policies import printing
from ambergate_policies.algebra.expressions import (
    Arithmetic,
    ArithmeticOperator,
    Call,
    Cast,
    Column,
    Comparison,
    Expression,
    Like,
    Literal,
    Negate,
    Span,
)
from ambergate_policies.algebra.kinds import Kind, common
from ambergate_policies.functions import ALLOWED, DATE_PARTS, SPAN_PARTS, STEPS, Function
from ambergate_policies.lowering import moments
from ambergate_policies.lowering.casts import FROM, TARGETS

EXTREMES: dict[Kind, list[str]] = {
    Kind.DATE: ["DATE '5881580-07-10'", "DATE '5877642-06-25 (BC)'", "DATE 'infinity'", "DATE '-infinity'"],
    Kind.TIME: ["TIMESTAMP '294247-01-10 04:00:54'", "TIMESTAMP '290300-12-22 (BC) 00:00:00'", "TIMESTAMP 'infinity'"],
    Kind.NUM: ["1.7e308::DOUBLE", "-1.7e308::DOUBLE", "'nan'::DOUBLE", "'inf'::DOUBLE", "0::DOUBLE", "-1::DOUBLE"],
    Kind.INT: ["9223372036854775807", "-9223372036854775808", "0", "2147483647::INTEGER", "(-2147483648)::INTEGER"],
    Kind.TEXT: ["''", "'%'", "'\\'", "'😀'", "'x'", "chr(1)", "'9999-99-99'", "'290301-01-01'"],
    Kind.BOOL: ["true", "false"],
    Kind.SPAN: ["to_years(178956970)", "to_years(-178956970)", "to_days(2147483647)", "to_hours(-2562047787)"],
    Kind.TEXTS: ["['a']", "[]::VARCHAR[]", "[NULL]::VARCHAR[]"],
}  # fmt: skip
KINDS = tuple(EXTREMES)
TEXT_CONSTANTS = {
    "strftime": {1: "%Y"}, "strptime": {1: "%Y-%m-%d"}, "try_strptime": {1: "%Y-%m-%d"},
    "regexp_matches": {2: "i"}, "regexp_full_match": {2: "i"}, "regexp_extract": {3: "i"}, "regexp_replace": {3: "g"},
}  # fmt: skip
NUMBER_CONSTANTS = {"regexp_extract": 0, "regexp_extract_all": 0}


@pytest.fixture(scope="module")
def engine() -> duckdb.DuckDBPyConnection:
    """A table for each kind with all its extremes, and one for each extreme alone: where a column is known to hold one
    value the optimiser takes other ways."""
    connection = duckdb.connect()
    for kind, extremes in EXTREMES.items():
        values = ", ".join(f"({extreme})" for extreme in [*extremes, "NULL"])
        connection.execute(f'CREATE TABLE "{kind.name}" AS SELECT x FROM (VALUES {values}) v(x)')
        for index, extreme in enumerate(extremes):
            connection.execute(f'CREATE TABLE "{kind.name}{index}" AS SELECT {extreme} AS x FROM range(3)')
    return connection


def run(engine: duckdb.DuckDBPyConnection, node: Expression, *kinds: Kind) -> None:
    """Evaluates a node over the columns s1.x, s2.x, ... of such kinds: every combination of their extremes at once,
    then each extreme alone."""
    text = printing.expression(node)
    for rows in [[kind.name for kind in kinds], *alone(kinds)]:
        tables = ", ".join(f'"{name}" AS "s{index}"' for index, name in enumerate(rows, 1))
        engine.execute(f"SELECT {text} FROM {tables}").to_arrow_table()


def alone(kinds: tuple[Kind, ...]) -> list[list[str]]:
    most = max(len(EXTREMES[kind]) for kind in kinds)
    return [[f"{kind.name}{index % len(EXTREMES[kind])}" for kind in kinds] for index in range(most)]


def column(index: int, kind: Kind) -> Column:
    return Column(f"s{index}", "x", kind)


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_no_function_raises_for_any_value_of_a_row(engine: duckdb.DuckDBPyConnection, name: str) -> None:
    function = ALLOWED[name]
    for first in sorted(function.parameters[0] - {Kind.NULL}):
        for unit in units(function, first):
            arguments, kinds = arguments_of(function, first)
            run(engine, Call(function, arguments, function.result or first, unit), *kinds)
            if Kind.TIME in kinds and Kind.DATE not in function.parameters[0]:  # lowering widens a date there
                wide = tuple(
                    Cast(argument, "TIMESTAMP", Kind.TIME) if argument.kind is Kind.TIME else argument
                    for argument in arguments
                )
                dates = [Kind.DATE if kind is Kind.TIME else kind for kind in kinds]
                run(engine, Call(function, wide, function.result or first, unit), *dates)


def units(function: Function, first: Kind) -> list[str | None]:
    if not function.unit:
        return [None]
    return sorted(SPAN_PARTS if first is Kind.SPAN else DATE_PARTS if function.name == "date_part" else STEPS)  # type: ignore[return-value]


def arguments_of(function: Function, first: Kind) -> tuple[tuple[Expression, ...], list[Kind]]:
    """Constants where the function needs them, columns elsewhere; and the kinds of the columns."""
    found: list[Expression] = []
    kinds: list[Kind] = []
    for index, parameter in enumerate(function.parameters):
        if index in function.constant:
            found.append(constant(function.name, index, parameter))
            continue
        kind = first if first in parameter else sorted(parameter - {Kind.NULL})[0]
        kinds.append(kind)
        found.append(column(len(kinds), kind))
    return tuple(found), kinds


def constant(name: str, index: int, parameter: frozenset[Kind]) -> Expression:
    if Kind.TEXT in parameter:
        return Literal(TEXT_CONSTANTS.get(name, {}).get(index, "a"), Kind.TEXT)
    return Span(1, "month") if Kind.SPAN in parameter else Literal(NUMBER_CONSTANTS.get(name, 2), Kind.INT)


PAIRS = list(itertools.product(KINDS, KINDS))


@pytest.mark.parametrize("operator", get_args(ArithmeticOperator))
def test_no_arithmetic_raises(engine: duckdb.DuckDBPyConnection, operator: ArithmeticOperator) -> None:
    for left, right in PAIRS:
        if operator == "||":
            kind = Kind.TEXT if left is right is Kind.TEXT else None
        elif left.numeric and right.numeric:
            kind = Kind.INT if left is right is Kind.INT and operator != "/" else Kind.NUM
        else:
            kind = moments.kind_of_moments(operator, left, right)
        if kind is not None:
            node = moments.safe(Arithmetic(operator, column(1, left), column(2, right), kind))
            run(engine, node, left, right)


@pytest.mark.parametrize("operator", ["=", "<>", "<", "IS NOT DISTINCT FROM"])
def test_no_comparison_raises(engine: duckdb.DuckDBPyConnection, operator: str) -> None:
    for left, right in PAIRS:
        if common(left, right) is None or {left, right} == {Kind.DATE, Kind.TIME}:  # lowering widens the date
            continue
        run(engine, Comparison(operator, column(1, left), column(2, right)), left, right)  # type: ignore[arg-type]


def test_no_cast_raises(engine: duckdb.DuckDBPyConnection) -> None:
    for target, kind in TARGETS.values():
        for source in FROM[kind]:
            run(engine, Cast(column(1, source), target, kind), source)
    run(engine, Cast(column(1, Kind.NUM), "DECIMAL(3,1)", Kind.NUM), Kind.NUM)


def test_no_negative_and_no_pattern_raises(engine: duckdb.DuckDBPyConnection) -> None:
    for kind in (Kind.INT, Kind.NUM):
        run(engine, Negate(column(1, kind), kind), kind)
    for operator in ("LIKE", "ILIKE", "GLOB"):
        run(engine, Like(column(1, Kind.TEXT), column(2, Kind.TEXT), operator), Kind.TEXT, Kind.TEXT)
    run(engine, Like(column(1, Kind.TEXT), Literal("x!%%", Kind.TEXT), "LIKE", "!"), Kind.TEXT)
