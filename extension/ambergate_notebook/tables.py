"""Cleared tables as pandas frames, and what may be queried as a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd
import pyarrow as pa

from ambergate_notebook.explain import note, note_html, offered, offered_html

_SUPPRESSED = "suppressed"
_NULLABLE = {
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.uint16(): pd.UInt16Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}


class ClearedFrame(pd.DataFrame):
    """A released table. An ordinary DataFrame that, when shown, marks suppressed cells and says what was done.

    Whatever is computed from it is a plain DataFrame. `attrs["ambergate"]` is the gate's header.
    """

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    def __repr__(self) -> str:
        table = "" if self.columns.empty else repr(self._shown())  # a statement that made a table: only what was done
        return "\n".join(part for part in (table, self._note(), self._offered()) if part)

    def _repr_html_(self) -> str:
        table = "" if self.columns.empty else self._shown()._repr_html_()  # type: ignore[operator]
        return f"{table or ''}{note_html(self._note())}{offered_html(self._offered())}"

    def _shown(self) -> pd.DataFrame:
        plain = pd.DataFrame(self)
        mask = self.__dict__.get("_suppressed")
        if mask is None or mask.shape != plain.shape or not mask.any():
            return plain
        return plain.astype(object).mask(mask, _SUPPRESSED)

    def _note(self) -> str:
        return note(self.attrs.get("ambergate", {}))

    def _offered(self) -> str:
        return offered(self.attrs.get("ambergate", {}))


def cleared_frame(header: Mapping[str, Any], table: bytes, mask: bytes) -> ClearedFrame:
    """The frame of a released answer: integers stay integers, suppressed cells are NA."""
    cleared = _readable(_read(table))
    frame = ClearedFrame(cleared.to_pandas(types_mapper=_NULLABLE.get, date_as_object=False))
    frame.attrs["ambergate"] = dict(header)
    if mask:
        frame.__dict__["_suppressed"] = _read(mask).to_pandas().to_numpy(dtype=bool)
    return frame


def rows(table: bytes) -> tuple[list[tuple[str, str]], list[tuple[Any, ...]]]:
    """Names with types, and the rows as Python values, for the DB-API."""
    cleared = _readable(_read(table))
    columns = [column.to_pylist() for column in cleared.columns]
    return [(field.name, str(field.type)) for field in cleared.schema], list(zip(*columns, strict=True))


def _read(stream: bytes) -> pa.Table:
    return pa.ipc.open_stream(stream).read_all()


def _readable(table: pa.Table) -> pa.Table:
    """Decimals as numbers that pandas can compute with: whole ones as integers where they fit."""
    for position, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type):
            table = table.set_column(position, field.name, _number(table.column(position), field.type.scale))
    return table


def _number(column: pa.ChunkedArray, scale: int) -> pa.ChunkedArray:
    try:
        return column.cast(pa.int64() if scale == 0 else pa.float64())
    except pa.ArrowInvalid:
        return column.cast(pa.float64())


_CELLS = {"name": "column", "type": "type", "title": "meaning", "units": "units"}


class GrantedTables:
    """What the agreement grants and what the project has made of it, for `%tables`; one table's columns where a name
    is given."""

    def __init__(self, catalogue: Mapping[str, Any], only: str = "") -> None:
        listed: Sequence[Mapping[str, Any]] = [*catalogue.get("tables", []), *catalogue.get("cohorts", [])]
        self._head = _head(catalogue)
        self._only = only
        self._tables = [table for table in listed if not only or str(table.get("name", "")).lower() == only.lower()]

    def __repr__(self) -> str:
        return "\n\n".join([self._head, *("\n".join(_lines(table)) for table in self._tables), *self._none()])

    def _repr_html_(self) -> str:
        tables = "".join(_table_html(table, shown=bool(self._only)) for table in self._tables)
        return (
            f"<div>{escape(self._head)}</div>{tables}{''.join(f'<div>{escape(line)}</div>' for line in self._none())}"
        )

    def _none(self) -> list[str]:
        if self._tables:
            return []
        return [f"The agreement grants no table {self._only!r}." if self._only else "The agreement grants no table."]


def _head(catalogue: Mapping[str, Any]) -> str:
    parts = [
        f"Agreement {catalogue['agreement']}" if catalogue.get("agreement") else "",
        f"in force {catalogue['start']} to {catalogue['end']}" if catalogue.get("start") else "",
        f"rules {catalogue['rule_pack']}" if catalogue.get("rule_pack") else "",
        f"at least {catalogue['minimum_persons']} persons a cell" if catalogue.get("minimum_persons") else "",
    ]
    return " · ".join(part for part in parts if part)


def _lines(table: Mapping[str, Any]) -> list[str]:
    columns = [f"  {_text(c, 'name'):<20} {_text(c, 'type'):<12} {_text(c, 'title')}" for c in table.get("columns", [])]
    return [_titled(table), *columns, *(f"  {line}" for line in _definition(table))]


def _table_html(table: Mapping[str, Any], *, shown: bool) -> str:
    left = 'style="text-align:left"'
    rows = [
        "<tr>" + "".join(f"<td {left}>{escape(_text(column, cell))}</td>" for cell in _CELLS) + "</tr>"
        for column in table.get("columns", [])
    ]
    head = "".join(f"<th {left}>{name}</th>" for name in _CELLS.values())
    definition = "\n".join(_definition(table))
    made = f'<pre style="margin: .2em 0">{escape(definition)}</pre>' if definition else ""
    return (
        f"<details{' open' if shown else ''}><summary><strong>{escape(_titled(table))}</strong></summary>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>{made}</details>"
    )


def _titled(table: Mapping[str, Any]) -> str:
    more = [
        f"clause {table['clause']}" if table.get("clause") else "",
        _text(table, "period"),
        "stale: make it again" if table.get("stale") else "",
    ]
    known = ", ".join(part for part in more if part)
    return f"{_text(table, 'name')}: {_text(table, 'title')}{f' ({known})' if known else ''}"


def _definition(table: Mapping[str, Any]) -> list[str]:
    """The statement that made a cohort table."""
    return _text(table, "sql").splitlines()


def _text(thing: Mapping[str, Any], key: str) -> str:
    value = thing.get(key)
    return "" if value is None else str(value)
