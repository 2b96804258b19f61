"""Opening DuckDB databases: encrypted ones with the signed httpfs extension's OpenSSL, plain ones read-only.

DuckDB 1.5.5 is pinned because it is the newest with a packaged httpfs, which writing encrypted files needs
(docs/adr/0003-duckdb-1.5.5.md). The key is given in an ATTACH of a connection that has run nothing else yet; no
query of a researcher ever runs before `lock_down`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import duckdb

from ambergate_policies.errors import OperatorError

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Limits:
    """What one engine may use. Memory and temporary space in mebibytes."""

    memory_mb: int = 2048
    temp_mb: int = 8192
    threads: int = 2


def _httpfs_path() -> Path:
    folder = Path(str(files("duckdb_extension_httpfs"))) / "extensions"
    found = sorted(folder.glob(f"**/v{duckdb.__version__}/**/httpfs.duckdb_extension"))
    if not found:
        raise OperatorError(f"no httpfs extension for DuckDB {duckdb.__version__} is installed; run the set-up again")
    return found[0]


def connect(limits: Limits, temp_folder: Path) -> duckdb.DuckDBPyConnection:
    """An empty in-memory connection with OpenSSL loaded, its spill files encrypted, and nothing fetched by itself."""
    connection = duckdb.connect(":memory:")
    temp_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, value in {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "python_enable_replacements": False,
        "temp_directory": str(temp_folder),
        "max_temp_directory_size": f"{limits.temp_mb}MiB",
        "memory_limit": f"{limits.memory_mb}MiB",
        "threads": limits.threads,
        "preserve_insertion_order": False,
    }.items():
        connection.execute(f"SET {name} = {_literal(value)}")
    connection.execute(f"LOAD {_literal(str(_httpfs_path()))}")
    connection.execute("SET temp_file_encryption = true")
    return connection


def attach(
    connection: duckdb.DuckDBPyConnection, path: Path, key: bytes | None, *, alias: str, read_only: bool
) -> None:
    """Attach a database file; with a key it is (or becomes) AES-256-GCM encrypted. Raises OperatorError."""
    options = ["READ_ONLY"] if read_only else []
    if key is not None:
        options += [f"ENCRYPTION_KEY {_literal(key.hex())}", "ENCRYPTION_CIPHER 'GCM'"]
    tail = f" ({', '.join(options)})" if options else ""
    try:
        connection.execute(f'ATTACH {_literal(str(path))} AS "{alias}"{tail}')
    except duckdb.Error:  # its text can carry the path and the key's state: say only what an operator can act on
        raise OperatorError("the database cannot be opened: wrong key, wrong version, or not a database") from None


def lock_down(connection: duckdb.DuckDBPyConnection) -> None:
    """Nothing outside the attached files can be reached from here on, and no setting can be changed back."""
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"
