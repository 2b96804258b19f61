"""Finding raw extracts and reading them as text, whatever they are written in.

Every value arrives as trimmed text or NULL, so that one set of rules types and checks CSV, pipe-delimited and
Parquet alike. A damaged extract is an OperatorError that names file and line, and never quotes the line.
"""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path

import duckdb

from ambergate_datasets.engines.quoting import literal, quoted
from ambergate_policies.catalogue import Column, FileFormat, Files, Table
from ambergate_policies.errors import OperatorError, UserError

_DELIMITER = {FileFormat.CSV: ",", FileFormat.PIPE: "|"}
_BLANKS = "' \t\r\n\u00a0'"


@dataclass(frozen=True, slots=True)
class Extract:
    """One raw file and its header. `positions` maps a declared column to its place in the file."""

    path: Path
    name: str
    header: tuple[str, ...]
    positions: dict[str, int]

    @property
    def undeclared(self) -> int:
        """Columns of the file that the catalogue does not declare; they are not read."""
        return len(self.header) - len(set(self.positions.values()))


def landed_columns(table: Table) -> dict[str, Column]:
    """The columns that come from a file: not those made at provisioning, not the project's own person key."""
    return {name: c for name, c in table.columns.items() if c.derive is None and name != table.owner}


def find_files(folder: Path, name: str, files: Files) -> list[Path]:
    """The files of one table in a stable order. Raises UserError (no folder), OperatorError (not delivered)."""
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder: give the folder that holds the raw extracts")
    found = sorted(path for path in folder.glob(files.pattern) if path.is_file())
    if not found and not files.optional:
        if not any(folder.iterdir()):
            raise UserError(f"{folder} is empty: give the folder that holds the raw extracts")
        raise OperatorError(
            f"table {name}: no file matches {files.pattern!r}; ask the supplier for it, "
            "or correct the table's `files` in the catalogue"
        )
    return found


def open_extract(
    connection: duckdb.DuckDBPyConnection, path: Path, folder: Path, name: str, table: Table, files: Files
) -> Extract:
    """Read the header and find the declared columns in it. Raises OperatorError."""
    label = path.relative_to(folder).as_posix()
    header = _parquet_header(connection, path, label) if _is_parquet(files) else _text_header(path, label, files)
    lowered = [cell.strip().lower() for cell in header]
    if len(set(lowered)) != len(lowered):
        raise OperatorError(f"{label}: a column name stands twice in the header; ask the supplier for a new file")
    positions: dict[str, int] = {}
    for column_name, column in landed_columns(table).items():
        wanted = (column.source_column or column_name).lower()
        if wanted in lowered:
            positions[column_name] = lowered.index(wanted)
    missing = [table.columns[c].source_column or c for c in landed_columns(table) if c not in positions]
    if missing:
        raise OperatorError(
            f"{label}: the header lacks {', '.join(missing)}, which the catalogue declares for table {name}; "
            "ask the supplier, or correct the catalogue"
        )
    return Extract(path, label, tuple(header), positions)


def stage_extract(
    connection: duckdb.DuckDBPyConnection, extract: Extract, table: Table, files: Files, number: int
) -> int:
    """Append one file to the temporary table `staged(file_number, line, <columns as text>)`; returns its records.

    `line` counts records with the header as line 1, as the reader's own error messages do; it is the line of the
    file unless values contain line breaks.
    """
    texts = [
        f"{_cleaned(_raw_name(extract, position, files), table.columns[name], files)} AS {quoted(name)}"
        for name, position in extract.positions.items()
    ]
    source = _parquet_source(extract) if _is_parquet(files) else _text_source(extract, files)
    select = f"SELECT {number} AS file_number, row_number() OVER () + 1 AS line, {', '.join(texts)} FROM {source}"
    try:
        row = connection.execute(f"INSERT INTO staged BY NAME {select}").fetchone()
    except (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException):  # ours, and quotes no row
        raise
    except duckdb.Error:  # the driver's text quotes rows and settings
        raise OperatorError(f"{extract.name}: the file cannot be read to its end; ask the supplier again") from None
    if not _is_parquet(files):
        _refuse_broken(connection, extract)
    return int(row[0]) if row else 0


def _is_parquet(files: Files) -> bool:
    return files.format is FileFormat.PARQUET


def _raw_name(extract: Extract, position: int, files: Files) -> str:
    return quoted(extract.header[position]) + "::VARCHAR" if _is_parquet(files) else f"c{position}"


def _cleaned(raw: str, column: Column, files: Files) -> str:
    """Trimmed, with empty and every declared null text as NULL."""
    trimmed = f"trim({raw}, {_BLANKS})"
    nulls = sorted({"", *files.null_values, *column.null_values})
    return f"CASE WHEN {trimmed} IN ({', '.join(map(literal, nulls))}) THEN NULL ELSE {trimmed} END"


def _parquet_header(connection: duckdb.DuckDBPyConnection, path: Path, label: str) -> list[str]:
    try:
        return [row[0] for row in connection.execute(f"DESCRIBE FROM read_parquet({literal(str(path))})").fetchall()]
    except duckdb.Error:
        raise OperatorError(f"{label}: not a readable Parquet file; ask the supplier again") from None


def _text_header(path: Path, label: str, files: Files) -> list[str]:
    opener = gzip.open if path.suffix == ".gz" else open
    encoding = "utf-8-sig" if files.encoding == "utf-8" else files.encoding
    try:
        with opener(path, "rt", encoding=encoding, errors="replace", newline="") as file:
            header = next(csv.reader(file, delimiter=_DELIMITER[files.format], strict=True), None)
    except (OSError, EOFError, csv.Error):
        raise OperatorError(f"{label}: line 1: the header cannot be read; ask the supplier again") from None
    if not header or not any(cell.strip() for cell in header):
        raise OperatorError(f"{label}: the file is empty, not even a header; ask the supplier again")
    return header


def _parquet_source(extract: Extract) -> str:
    return f"read_parquet({literal(str(extract.path))})"


def _text_source(extract: Extract, files: Files) -> str:
    """Nothing is guessed: names, delimiter and quoting are given, and a record that does not fit is kept aside."""
    columns = ", ".join(f"'c{index}': 'VARCHAR'" for index in range(len(extract.header)))
    return (
        f"read_csv({literal(str(extract.path))}, columns = {{{columns}}}, auto_detect = false, header = true, "
        f"delim = {literal(_DELIMITER[files.format])}, quote = '\"', escape = '\"', strict_mode = true, "
        f"encoding = {literal(files.encoding)}, store_rejects = true, rejects_limit = 10, "
        "rejects_table = 'broken', rejects_scan = 'broken_scan')"
    )


def _refuse_broken(connection: duckdb.DuckDBPyConnection, extract: Extract) -> None:
    rows = connection.execute("SELECT line, lower(error_type::VARCHAR) FROM broken ORDER BY line LIMIT 1").fetchall()
    connection.execute("DROP TABLE broken")
    connection.execute("DROP TABLE broken_scan")
    if rows:
        line, kind = rows[0]
        raise OperatorError(
            f"{extract.name}: line {line}: {kind} (a header of {len(extract.header)} columns was read); "
            "ask the supplier for a new file"
        )
