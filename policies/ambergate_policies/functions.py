"""The allowlist of scalar functions: what each takes, what it yields, and whether it can raise.

A function that is not here does not exist for a query. `partial` ones are printed inside TRY(...), so that neither an
error nor a row's presence depends on one person's value. Names are DuckDB 1.5's own.
"""

from __future__ import annotations

from dataclasses import dataclass

from ambergate_policies.algebra.kinds import Kind

WHOLE = frozenset({Kind.INT, Kind.NULL})
NUMBER = frozenset({Kind.INT, Kind.NUM, Kind.NULL})
TEXT = frozenset({Kind.TEXT, Kind.NULL})
WHEN = frozenset({Kind.DATE, Kind.TIME, Kind.NULL})
SAME = frozenset({Kind.BOOL, Kind.INT, Kind.NUM, Kind.TEXT, Kind.DATE, Kind.TIME, Kind.NULL})
"""Arguments that only need a common kind with each other (coalesce, least, ...)."""

DATE_PARTS = frozenset(
    [
        "year",
        "quarter",
        "month",
        "week",
        "day",
        "dayofweek",
        "isodow",
        "dayofyear",
        "decade",
        "hour",
        "minute",
        "second",
        "isoyear",
    ],
)
INTERVAL_UNITS = frozenset(["year", "quarter", "month", "week", "day", "hour", "minute", "second"])


@dataclass(frozen=True, slots=True)
class Function:
    """One allowed function.

    parameters: the kinds that each argument may have; the last repeats when `variadic`.
    result: the kind it yields; None means the common kind of its arguments.
    constant: positions of arguments that must be literals in the query.
    unit: it takes a date part as its first argument.
    """

    name: str
    parameters: tuple[frozenset[Kind], ...]
    result: Kind | None
    partial: bool = False
    optional: int = 0
    variadic: bool = False
    constant: tuple[int, ...] = ()
    unit: bool = False


_ALL = (
    # numbers
    Function("abs", (NUMBER,), None, partial=True),
    Function("round", (NUMBER, NUMBER), Kind.NUM, optional=1, constant=(1,), partial=True),
    Function("floor", (NUMBER,), Kind.NUM),
    Function("ceil", (NUMBER,), Kind.NUM),
    Function("sqrt", (NUMBER,), Kind.NUM, partial=True),
    Function("ln", (NUMBER,), Kind.NUM, partial=True),
    Function("log10", (NUMBER,), Kind.NUM, partial=True),
    Function("exp", (NUMBER,), Kind.NUM),
    Function("pow", (NUMBER, NUMBER), Kind.NUM, constant=(1,), partial=True),
    # choosing
    Function("coalesce", (SAME,), None, variadic=True),
    Function("nullif", (SAME, SAME), None),
    Function("least", (SAME,), None, variadic=True),
    Function("greatest", (SAME,), None, variadic=True),
    # text
    Function("lower", (TEXT,), Kind.TEXT),
    Function("upper", (TEXT,), Kind.TEXT),
    Function("trim", (TEXT,), Kind.TEXT),
    Function("ltrim", (TEXT,), Kind.TEXT),
    Function("rtrim", (TEXT,), Kind.TEXT),
    Function("length", (TEXT,), Kind.INT),
    Function("substring", (TEXT, NUMBER, NUMBER), Kind.TEXT, optional=1, constant=(1, 2), partial=True),
    Function("left", (TEXT, NUMBER), Kind.TEXT, constant=(1,), partial=True),
    Function("right", (TEXT, NUMBER), Kind.TEXT, constant=(1,), partial=True),
    Function("starts_with", (TEXT, TEXT), Kind.BOOL, constant=(1,)),
    Function("ends_with", (TEXT, TEXT), Kind.BOOL, constant=(1,)),
    Function("contains", (TEXT, TEXT), Kind.BOOL, constant=(1,)),
    Function("regexp_matches", (TEXT, TEXT), Kind.BOOL, constant=(1,), partial=True),
    Function("concat", (SAME,), Kind.TEXT, variadic=True),
    Function("instr", (TEXT, TEXT), Kind.INT, constant=(1,)),
    Function("replace", (TEXT, TEXT, TEXT), Kind.TEXT, constant=(1, 2)),
    # dates
    Function("year", (WHEN,), Kind.INT, partial=True),
    Function("quarter", (WHEN,), Kind.INT, partial=True),
    Function("month", (WHEN,), Kind.INT, partial=True),
    Function("week", (WHEN,), Kind.INT, partial=True),
    Function("day", (WHEN,), Kind.INT, partial=True),
    Function("dayofweek", (WHEN,), Kind.INT, partial=True),
    Function("isodow", (WHEN,), Kind.INT, partial=True),
    Function("dayofyear", (WHEN,), Kind.INT, partial=True),
    Function("monthname", (WHEN,), Kind.TEXT, partial=True),
    Function("dayname", (WHEN,), Kind.TEXT, partial=True),
    Function("last_day", (WHEN,), Kind.DATE, partial=True),
    Function("strftime", (WHEN, TEXT), Kind.TEXT, constant=(1,), partial=True),
    Function("make_date", (WHOLE, WHOLE, WHOLE), Kind.DATE, partial=True),
    Function("date_part", (WHEN,), Kind.INT, unit=True, partial=True),
    Function("date_trunc", (WHEN,), Kind.TIME, unit=True, partial=True),
    Function("date_diff", (WHEN, WHEN), Kind.INT, unit=True, partial=True),
    Function("date_sub", (WHEN, WHEN), Kind.INT, unit=True, partial=True),
)

ALLOWED: dict[str, Function] = {function.name: function for function in _ALL}

ALIASES = {
    "ceiling": "ceil",
    "power": "pow",
    "ifnull": "coalesce",
    "lcase": "lower",
    "ucase": "upper",
    "len": "length",
    "char_length": "length",
    "character_length": "length",
    "substr": "substring",
    "strpos": "instr",
    "position": "instr",
    "prefix": "starts_with",
    "suffix": "ends_with",
    "datepart": "date_part",
    "datetrunc": "date_trunc",
    "datediff": "date_diff",
    "datesub": "date_sub",
    "dayofmonth": "day",
    "weekday": "dayofweek",
    "weekofyear": "week",
    "log": "log10",
}

AGGREGATES = frozenset(
    [
        "count",
        "sum",
        "avg",
        "mean",
        "stddev",
        "stddev_samp",
        "stddev_pop",
        "var_samp",
        "var_pop",
        "variance",
        "median",
        "quantile_cont",
        "percentile_cont",
        "min",
        "max",
        "count_if",
    ],
)
"""Aggregates that have a person-first meaning here."""

ENGINE_FUNCTIONS = frozenset(
    {
        # what the printer emits, by the names that the engine's bound plan gives them
        *ALLOWED, "+", "-", "*", "/", "//", "%", "||", "~~", "~~*", "!~~", "!~~*", "prefix", "suffix", "like_escape",
        "ilike_escape", "count", "count_star", "count_if", "countif", "sum", "sum_no_overflow", "avg", "min", "max",
        "array_extract", "list_extract", "hash", ">>", "stddev_samp", "stddev_pop", "var_samp", "var_pop", "row_number",
        "median", "bool_or", "bool_and", "rank", "dense_rank", "lag", "lead", "first_value", "last_value",
    },
)  # fmt: skip
"""The only function names that a bound plan of ours may hold."""
