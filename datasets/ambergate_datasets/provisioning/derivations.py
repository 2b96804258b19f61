"""How a project's column is made from landed ones: the SQL of each derivation and what it may be made from."""

from __future__ import annotations

from typing import assert_never

from ambergate_datasets.engines.quoting import quoted
from ambergate_policies.catalogue import Column, ColumnType, Derivation, IdentifierKind, Role, Table

_COPIED = {IdentifierKind.SEX, IdentifierKind.PROVIDER}  # linkage uses them, but alone they identify nobody
OLDEST_BAND = 90  # ages from here on share one band, '90+': the oldest are few


def derivation_problem(name: str, column: Column, table: Table) -> str | None:
    """Why a derived column cannot be made, or None."""
    if column.derive is None:
        return None
    landed = {n: c for n, c in table.columns.items() if c.derive is None and n != table.owner}
    wanted = [column.derive_from, *([column.derive_at] if column.derive_at else [])]
    if missing := [n for n in wanted if n not in landed]:
        return f"column {name!r} derives from {missing[0]!r}, which is not landed"
    source = landed[str(column.derive_from)]
    match column.derive:
        case Derivation.AGE_BAND_5 | Derivation.AGE_BAND_10:
            if column.derive_at is None:
                return f"column {name!r}: an age band needs `derive_at`, the date at which the age is meant"
        case Derivation.COPY:
            if source.role is Role.IDENTIFIER and source.identifier not in _COPIED:
                return f"column {name!r} would copy the identifier {column.derive_from!r}"
        case Derivation.YEAR | Derivation.MONTH | Derivation.POSTCODE_AREA:
            pass
        case _:
            assert_never(column.derive)
    return None


def column_expression(name: str, column: Column, alias: str) -> str:
    """SQL of a granted column over the landed table `alias`, in the column's declared type."""
    source = f"{alias}.{quoted(str(column.derive_from or name))}"
    match column.derive:
        case None | Derivation.COPY:
            expression = source
        case Derivation.YEAR:
            expression = f"year({source})"
        case Derivation.MONTH:
            expression = f"date_trunc('month', {source})"
        case Derivation.AGE_BAND_5:
            expression = _age_band(source, f"{alias}.{quoted(str(column.derive_at))}", 5)
        case Derivation.AGE_BAND_10:
            expression = _age_band(source, f"{alias}.{quoted(str(column.derive_at))}", 10)
        case Derivation.POSTCODE_AREA:
            expression = f"nullif(regexp_extract(upper(trim({source})), '^([A-Z]{{1,2}})[0-9]', 1), '')"
        case _:
            assert_never(column.derive)
    return f"CAST({expression} AS {column.type.value})"


def _age_band(birth: str, at: str, width: int) -> str:
    """`40-44`: completed years at a date; NULL before birth or if either date is missing."""
    age = f"date_sub('year', {birth}::DATE, {at}::DATE)"
    lower = f"({age} // {width}) * {width}"
    return (
        f"CASE WHEN {birth}::DATE > {at}::DATE OR {age} IS NULL THEN NULL "
        f"WHEN {age} >= {OLDEST_BAND} THEN '{OLDEST_BAND}+' "
        f"ELSE printf('%02d-%02d', {lower}, {lower} + {width - 1}) END"
    )


def fits_record_key(column: Column) -> bool:
    """A record key becomes a pseudonym of 128 or 63 bits, which only these types can hold."""
    return column.type in {ColumnType.VARCHAR, ColumnType.BIGINT}
