"""How long work tells a person where it is. The command line shows it; everything else stays silent."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Stages one after another; `advance` counts units of the running stage. Names carry no data value."""

    def stage(self, name: str, total: int | None) -> None: ...

    def advance(self, n: int = 1) -> None: ...

    def done(self) -> None: ...


class Silent:
    """Progress that nobody watches."""

    def stage(self, name: str, total: int | None) -> None:
        """Begin a stage of `total` units (None: unknown)."""

    def advance(self, n: int = 1) -> None:
        """Another `n` units are finished."""

    def done(self) -> None:
        """The running stage is finished."""


SILENT = Silent()
