"""The Python API: a query in, a frame out, or an exception that explains itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ambergate_notebook import door
from ambergate_notebook.errors import GateFailed, InterfaceError, QueryRefused, ResultHeld
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


def purpose(chosen: str = "") -> str:
    """Choose what this kernel's queries are for, by the id of a purpose of the agreement; says what there is.

    Raises InterfaceError for a purpose that the agreement does not have."""
    known = [(str(each.get("id")), each) for each in _purposes()]
    if chosen and chosen not in dict(known):
        names = ", ".join(name for name, _ in known)
        raise InterfaceError(f"the agreement has no purpose {chosen!r}; it has: {names}")
    if chosen:
        door.PURPOSE.chosen = chosen
    current = door.PURPOSE.chosen or (known[0][0] if len(known) == 1 else None)
    lines = [f"{'*' if name == current else ' '} {name}: {each.get('objective', '')}" for name, each in known]
    return "\n".join([*lines, *([] if current else ["Choose one: %purpose and its name"])])


def _purposes() -> list[dict[str, object]]:
    found = granted().get("purposes")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


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
