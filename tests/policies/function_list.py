"""Compares the list of functions with the engine's own catalogue: `python -m tests.policies.function_list`.

Prints a row for every function that the engine has and the list has not, ready to be given a class by hand, and the
names that the engine no longer has. To be run when the engine's version changes; `test_function_list.py` holds it.
"""

from __future__ import annotations

import sys

import duckdb

from ambergate_policies.functions import ENTRIES, LIST, Class

Name = tuple[str, str]
"""A function's name and type: scalar, macro, aggregate, table, table_macro, pragma."""


def offered() -> dict[Name, str | None]:
    """Every function of the engine as it is set up in a worker, and the name that it is an alias of."""
    rows = duckdb.connect().execute(
        "SELECT function_name, function_type, any_value(alias_of) FROM duckdb_functions() GROUP BY ALL"
    )
    return {(name, kind): alias for name, kind, alias in rows.fetchall()}


def listed() -> set[Name]:
    return {(entry.name, entry.type) for entry in ENTRIES if entry.type != "syntax"}


def unclassified() -> list[Name]:
    """What the engine offers and nobody has looked at. It is forbidden until it has a row."""
    return sorted(set(offered()) - listed())


def vanished() -> list[Name]:
    return sorted(listed() - set(offered()))


def main() -> int:
    new, gone = unclassified(), vanished()
    for name, kind in new:
        print(f"{name}\t{kind}\t{Class.FORBIDDEN}\t\tnot needed\t")
    for name, kind in gone:
        print(f"# no longer in the engine: {name} ({kind})")
    print(f"{len(new)} to classify, {len(gone)} vanished; DuckDB {duckdb.__version__}, {LIST.name}", file=sys.stderr)
    return 1 if new or gone else 0


if __name__ == "__main__":
    sys.exit(main())
