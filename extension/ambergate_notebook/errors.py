"""What can come back instead of a table. The names above the line are those of PEP 249 (Python's DB-API 2.0)."""

from __future__ import annotations

from typing import Any


class Error(Exception):
    """Base of everything this package raises on purpose."""


class InterfaceError(Error):
    """The connection was used in a way that it does not have."""


class DatabaseError(Error):
    """The gate gave no table."""


class OperationalError(DatabaseError):
    """Not the query's fault: the gate failed, or somebody has to look first."""


class ProgrammingError(DatabaseError):
    """The query has to be changed."""


class NotSupportedError(DatabaseError):
    """Asked for something that a gate does not do."""


class _Explained(DatabaseError):
    """Carries the gate's answer; IPython shows its explanation instead of a traceback."""

    def __init__(self, explanation: str, header: dict[str, Any]) -> None:
        super().__init__(explanation)
        self.header = header

    @property
    def findings(self) -> list[dict[str, Any]]:
        """What the gate found, each with at least `rule` and `message`."""
        return list(self.header.get("findings", []))

    def _render_traceback_(self) -> list[str]:
        return str(self).splitlines()


class QueryRefused(_Explained, ProgrammingError):
    """The query is outside the agreement or the rules. `findings` say what to change."""


class ResultHeld(_Explained, OperationalError):
    """The result waits for an output checker. `reference` is what to fetch it by."""

    @property
    def reference(self) -> str:
        return str(self.header.get("held_reference", ""))


class GateFailed(_Explained, OperationalError):
    """The deployment failed; `header["failure_id"]`, where given, is what to tell the operator."""
