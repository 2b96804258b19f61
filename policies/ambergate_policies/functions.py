"""The functions that a query may use: what each takes, what it yields, whether it can raise, and why not otherwise.

The list is data (`function_lists/duckdb-1.5.tsv`): one row for every name in the engine's own catalogue, with a class.
A name that is not there does not exist for a query. `partial` functions are printed inside TRY(...), so that neither
an error nor a row's presence depends on one person's value. This module reads the list once and knows no engine;
`tests/policies/function_list.py` compares the list with the engine.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ambergate_policies.algebra.kinds import Kind

LIST = Path(__file__).parent / "function_lists" / "duckdb-1.5.tsv"

WHOLE = frozenset({Kind.INT, Kind.NULL})
NUMBER = frozenset({Kind.INT, Kind.NUM, Kind.NULL})
TEXT = frozenset({Kind.TEXT, Kind.NULL})
WHEN = frozenset({Kind.DATE, Kind.TIME, Kind.NULL})
SAME = frozenset({Kind.BOOL, Kind.INT, Kind.NUM, Kind.TEXT, Kind.DATE, Kind.TIME, Kind.SPAN, Kind.NULL})
"""Arguments that only need a common kind with each other (coalesce, least, ...)."""

_WORDS: dict[str, frozenset[Kind]] = {
    "flag": frozenset({Kind.BOOL, Kind.NULL}),
    "whole": WHOLE,
    "number": NUMBER,
    "text": TEXT,
    "texts": frozenset({Kind.TEXTS, Kind.NULL}),
    "when": WHEN,
    "time": frozenset({Kind.TIME, Kind.NULL}),
    "span": frozenset({Kind.SPAN}),
    "any": SAME,
}
_RESULTS: dict[str, Kind | None] = {
    "flag": Kind.BOOL,
    "whole": Kind.INT,
    "number": Kind.NUM,
    "text": Kind.TEXT,
    "texts": Kind.TEXTS,
    "date": Kind.DATE,
    "time": Kind.TIME,
    "span": Kind.SPAN,
    "same": None,
}

DATE_PARTS = frozenset(
    [
        "year", "quarter", "month", "week", "day", "dayofweek", "dow", "isodow", "dayofyear", "doy", "decade",
        "century", "hour", "minute", "second",
    ],
)  # fmt: skip
SPAN_PARTS = frozenset(["year", "quarter", "month", "day", "decade", "century", "hour", "minute", "second"])
"""The parts that an interval has."""
STEPS = frozenset(["year", "quarter", "month", "week", "day", "hour", "minute", "second", "decade", "century"])
"""The units that moments can be cut to and counted in."""
INTERVAL_UNITS = frozenset(["year", "quarter", "month", "week", "day", "hour", "minute", "second"])


class Class(StrEnum):
    """What a query may do with a function."""

    TOTAL = "total"
    PARTIAL = "partial"
    REWRITTEN = "rewritten"
    OPERATOR = "operator"
    ALIAS = "alias"
    STATISTIC = "statistic"
    EXTREME = "extreme"
    WINDOW = "window"
    FORBIDDEN = "forbidden"


REASONS = {
    "internal": "it belongs to the engine's own workings",
    "engine": "it asks the engine about itself",
    "metadata": "it reads the engine's own tables",
    "settings": "it changes or shows settings",
    "io": "it reads files",
    "tables": "only tables that the agreement grants can be read",
    "dynamic SQL": "it runs a text as a query",
    "random": "an answer must not depend on chance",
    "mangles": "it turns a value into another that stands for it",
    "errors": "an error would tell of one person's data",
    "containers": "lists, structs, maps and JSON are available only where a few values are put together",
    "one value": "it shows values of single persons",
    "not understood": "it has no person-first meaning here yet",
    "not needed": "it has not been needed yet",
}


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


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the list: a name of the engine's, as scalar, aggregate, table function and so on."""

    name: str
    type: str
    cls: Class
    signature: str
    reason: str
    instead: str


def read(text: str) -> tuple[Entry, ...]:
    """The rows of a list. Raises ValueError for a class or reason that does not exist."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    if lines[:1] != ["name\ttype\tclass\tsignature\treason\tinstead"]:
        raise ValueError("the list of functions has other columns")
    entries = tuple(_entry(line) for line in lines[1:])
    if len({(entry.name, entry.type) for entry in entries}) != len(entries):
        raise ValueError("a function stands twice in the list")
    return entries


def _entry(line: str) -> Entry:
    name, kind, cls, signature, reason, instead = line.split("\t")
    entry = Entry(name, kind, Class(cls), signature, reason, instead)
    if (entry.cls is Class.FORBIDDEN) != (reason in REASONS):
        raise ValueError(f"{name}: a forbidden function, and no other, has a reason")
    return entry


def function_of(entry: Entry) -> Function:
    """What a signature such as `text, whole!, [whole!] -> text` says."""
    before, _, result = entry.signature.partition("->")
    words = [word.strip() for word in before.split(",") if word.strip()]
    unit = words[:1] == ["unit"]
    words = words[1:] if unit else words
    optional = sum(word.startswith("[") for word in words)
    variadic = bool(words) and words[-1].endswith("...")
    bare = [word.strip("[]").removesuffix("...") for word in words]
    return Function(
        entry.name,
        tuple(_kinds(word.rstrip("!")) for word in bare),
        _RESULTS[result.strip()],
        entry.cls is Class.PARTIAL,
        optional,
        variadic,
        tuple(index for index, word in enumerate(bare) if word.endswith("!")),
        unit,
    )


def _kinds(words: str) -> frozenset[Kind]:
    return frozenset(kind for word in words.split("|") for kind in _WORDS[word])


ENTRIES = read(LIST.read_text(encoding="utf-8"))
_SCALARS = tuple(entry for entry in ENTRIES if entry.type in ("scalar", "macro", "syntax"))
_AGGREGATES = tuple(entry for entry in ENTRIES if entry.cls in (Class.STATISTIC, Class.EXTREME))

ALLOWED: dict[str, Function] = {
    entry.name: function_of(entry) for entry in _SCALARS if entry.cls in (Class.TOTAL, Class.PARTIAL)
}
ALIASES: dict[str, str] = {entry.name: entry.signature for entry in ENTRIES if entry.cls is Class.ALIAS} | {
    "ifnull": "coalesce", "nvl": "coalesce", "position": "instr",
}  # fmt: skip
"""Other names of a function: the engine's own, and a few that its parser knows."""

AGGREGATES = frozenset(entry.name for entry in _AGGREGATES) | {
    name for name, of in ALIASES.items() if any(entry.name == of for entry in _AGGREGATES)
}
"""Every aggregate of the engine that describes a group or one value of it."""

_PRINTED = frozenset(
    {
        # what the kernel writes beside the functions of a query, and the names under which plans show some
        "array_extract", "hash", ">>", "power", "normalized_interval",
        "count", "count_star", "count_if", "countif", "sum", "sum_no_overflow", "avg", "min", "max",
        "stddev_samp", "stddev_pop", "var_samp", "var_pop", "median", "quantile_cont", "bool_or", "bool_and",
        "corr", "covar_samp", "covar_pop", "regr_r2", "regr_slope", "regr_intercept",
        "first", "last", "mode", "string_agg", "quantile_disc", "prefix", "suffix",
    },
)  # fmt: skip
_LISTED = frozenset(entry.name for entry in ENTRIES if entry.cls in (Class.OPERATOR, Class.WINDOW))
ENGINE_FUNCTIONS = frozenset(ALLOWED) | _LISTED | _PRINTED
"""The only function names that a bound plan of ours may hold."""

_SPELLINGS = {
    "rand": "random", "explode": "unnest", "jarowinkler_similarity": "jaro_winkler_similarity", "filter": "list_filter",
    "array_overlaps": "list_has_any", "json_extract_scalar": "json_extract_string", "sha": "sha1", "sha2": "sha256",
}  # fmt: skip
"""What the parser calls a function of the engine's."""
_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_NAMES = {entry.name: entry for entry in reversed(ENTRIES)}


def why_not(name: str) -> tuple[str, str | None]:
    """What to say of a function that is not available: a message, and what to write instead if that is known."""
    name = _SPELLINGS.get(name, name)
    name = name.replace("array_", "list_", 1) if name.startswith("array_") and name not in _NAMES else name
    found = _NAMES.get(name)
    if found is not None and found.cls is Class.FORBIDDEN:
        instead = f"use {found.instead}" if found.instead else "the list of functions is in the reference"
        return f"the function {name} is not available: {REASONS[found.reason]}", instead
    if found is None and _NAME.fullmatch(name):
        near = difflib.get_close_matches(name, [*ALLOWED, *ALIASES], n=1, cutoff=0.75)
        hint = f"did you mean {near[0]}?" if near else "the list of functions is in the reference"
        return f"there is no function {name}", hint
    return f"the function {name} is not available here", "the list of functions is in the reference"
