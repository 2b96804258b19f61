"""What a linkage did, in counts."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from ambergate_policies.log import JSON


@dataclass(frozen=True, slots=True)
class TableLinkage:
    """One table: `rows == removed + unlinked + sum(linked.values())`; `removed` were objected to before linkage.

    `contradicted` are those unlinked rows whose valid number is somebody's with another date of birth or sex.
    """

    table: str
    rows: int
    removed: int
    linked: dict[str, int]
    unlinked: int
    contradicted: int


@dataclass(frozen=True, slots=True)
class LinkageReport:
    """All tables; `persons` on the spine (objectors included, so that they are recognised); and the probabilistic
    model's own estimate of the share of its links that are right (None if it did not run)."""

    tables: tuple[TableLinkage, ...]
    persons: int
    persons_without_number: int
    probabilistic_precision: float | None

    def to_json(self) -> dict[str, JSON]:
        """The body of the log entry."""
        return asdict(self)
