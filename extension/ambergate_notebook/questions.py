"""The Python API: a query in, a frame out, or an exception that explains itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ambergate_notebook import door
from ambergate_notebook.errors import GateFailed, QueryRefused, ResultHeld
from ambergate_notebook.explain import explain

if TYPE_CHECKING:
    from ambergate_notebook.tables import ClearedFrame, GrantedTables

_RAISED = {"refused": QueryRefused, "held": ResultHeld}


def query(sql: str) -> ClearedFrame:
    """The cleared table of a query. Raises QueryRefused, ResultHeld or GateFailed."""
    return frame_of(door.ask_query(sql), sql)


def fetch(reference: str) -> ClearedFrame:
    """A held result that has been released. Raises ResultHeld while it waits, QueryRefused where it was rejected."""
    return frame_of(door.ask_held(reference))


def tables(only: str = "") -> GrantedTables:
    """The tables that the agreement grants, or one of them with its columns."""
    from ambergate_notebook.tables import GrantedTables

    return GrantedTables(granted(), only)


def granted() -> dict[str, object]:
    """The project's catalogue as the gate tells it. Raises GateFailed."""
    header = door.ask_catalogue()
    if header.get("verdict") == "failed":
        raise GateFailed(explain(header), header)
    return header


def frame_of(reply: door.Reply, sql: str = "") -> ClearedFrame:
    """The table in a reply, or the exception that its verdict stands for."""
    verdict = reply.header.get("verdict")
    if verdict != "released" or not reply.table:
        raise _RAISED.get(str(verdict), GateFailed)(explain(reply.header, sql), reply.header)
    from ambergate_notebook.tables import cleared_frame  # pandas only when there is something to show

    return cleared_frame(reply.header, reply.table, reply.mask)
