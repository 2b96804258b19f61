"""Typing and checking staged text. One rule is one SQL condition on one column; what breaks a rule is counted.

Rules, as they appear in `rejects.rejected.rule`:
`header-row` (the header stands again among the rows), `required`, `type`, `minimum`, `maximum`, `pattern`, `values`.
A row that breaks any rule is not landed. The exception is an identifier that is not of its declared type: it is
landed as missing and recorded in `rejects.blanked`, because linkage has to live with mistyped identifiers.
"""

from __future__ import annotations

from datetime import date

from ambergate_datasets.engines.quoting import literal, quoted
from ambergate_policies.catalogue import Column, ColumnType, Role

HEADER_ROW = "header-row"
_WHOLE = {ColumnType.INTEGER, ColumnType.BIGINT}
_SPANS = {ColumnType.DATE, ColumnType.TIMESTAMP, ColumnType.DOUBLE}


def typed_expression(name: str, column: Column) -> str:
    """SQL that turns staged text into the declared type, or NULL where it is none.

    Whole numbers may be written `54.0` but `54.5` is no whole number; infinities and NaN are no values.
    """
    text = quoted(name)
    kind = column.type
    if kind is ColumnType.VARCHAR:
        return text
    if column.date_format is not None and kind in {ColumnType.DATE, ColumnType.TIMESTAMP}:
        return f"try_strptime({text}, {literal(column.date_format)})::{kind.value}"
    if kind in _WHOLE:
        whole = f"regexp_full_match({text}, '[+-]?[0-9]+([.]0*)?')"
        return f"CASE WHEN {whole} THEN TRY_CAST({text} AS {kind.value}) END"
    cast = f"TRY_CAST({text} AS {kind.value})"
    return f"CASE WHEN isfinite({cast}) THEN {cast} END" if kind in _SPANS else cast


def broken_rules(name: str, column: Column) -> dict[str, str]:
    """Rule id -> condition on `typed` (columns: the typed value, and `raw_` + name, the text) that breaks it."""
    raw, value = quoted("raw_" + name), quoted(name)
    rules: dict[str, str] = {}
    if column.required:
        rules["required"] = f"{raw} IS NULL"
    if column.role is not Role.IDENTIFIER:
        rules["type"] = f"{raw} IS NOT NULL AND {value} IS NULL"
    if column.minimum is not None:
        rules["minimum"] = f"{value} < {_bound(column.minimum)}"
    if column.maximum is not None:
        rules["maximum"] = f"{value} > {_bound(column.maximum)}"
    if column.pattern is not None:
        rules["pattern"] = f"NOT regexp_full_match({raw}, {literal(column.pattern)})"
    if column.values is not None:
        rules["values"] = f"{raw} NOT IN ({', '.join(map(literal, column.values))})"
    return rules


def blanked_condition(name: str) -> str:
    """An identifier that was there but is not of its declared type."""
    return f"{quoted('raw_' + name)} IS NOT NULL AND {quoted(name)} IS NULL"


def header_row_condition(headers: dict[str, str]) -> str:
    """Every declared column holds its own header (`headers`: column -> header in the file)."""
    return " AND ".join(
        f"lower({quoted('raw_' + name)}) IS NOT DISTINCT FROM {literal(header.lower())}"
        for name, header in headers.items()
    )


def _bound(bound: float | date) -> str:
    return f"DATE '{bound.isoformat()}'" if isinstance(bound, date) else repr(bound)
