"""The green zone: what a notebook uses to ask the gate. Knows nothing of the rest of Ambergate.

%%sql                        ambergate_notebook.query("SELECT ...")
%%sql name <<                ambergate_notebook.fetch("H-7F3K2M")
%held H-7F3K2M               ambergate_notebook.tables()
%purpose audit               ambergate_notebook.purpose("audit")
%tables                      pandas.read_sql("SELECT ...", ambergate_notebook.connect())
"""

from __future__ import annotations

import os
import sys
from typing import Any

from ambergate_notebook.dbapi import Connection, Cursor, apilevel, connect, paramstyle, threadsafety
from ambergate_notebook.errors import (
    DatabaseError,
    Error,
    GateFailed,
    InterfaceError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    QueryRefused,
    ResultHeld,
)
from ambergate_notebook.questions import fetch, granted, purpose, query, tables

__all__ = [
    "Connection",
    "Cursor",
    "DatabaseError",
    "Error",
    "GateFailed",
    "InterfaceError",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    "QueryRefused",
    "ResultHeld",
    "apilevel",
    "connect",
    "fetch",
    "granted",
    "paramstyle",
    "purpose",
    "query",
    "tables",
    "threadsafety",
]


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext ambergate_notebook`; kernels of a project do it by themselves."""
    from ambergate_notebook.magics import AmbergateMagics

    shell.register_magics(AmbergateMagics)
    if notice := os.environ.pop("AMBERGATE_NOTICE", ""):
        _tell_once(shell, notice)


def _tell_once(shell: Any, notice: str) -> None:
    """Show what the gate has to say about the kernel before this one, above the first cell that is run."""

    def tell(_: Any) -> None:
        shell.events.unregister("pre_run_cell", tell)
        print(notice, file=sys.stderr)

    shell.events.register("pre_run_cell", tell)
