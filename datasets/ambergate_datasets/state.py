"""Where everything lives: one state folder, private to the service's user, that can be thrown away as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StateFolder:
    """Paths below the state folder. Making a folder is the caller's business (`private_folder`)."""

    root: Path

    @property
    def store_url(self) -> str:
        """SQLAlchemy URL of the transactional store (log, held results, decisions, projects)."""
        return f"sqlite:///{self.root / 'store.db'}"

    @property
    def keys(self) -> Path:
        """Master key and everything wrapped by it. Only the red zone and the gates read here."""
        return self.root / "keys"

    @property
    def raw(self) -> Path:
        """Raw extracts made for the demo, one folder per catalogue."""
        return self.root / "raw"

    @property
    def truth(self) -> Path:
        """The synthetic population's true identities, for scoring linkage only."""
        return self.root / "truth"

    @property
    def red(self) -> Path:
        """Landed data with identifiers: `red/<catalogue>/landing.duckdb`, encrypted."""
        return self.root / "red"

    @property
    def projects(self) -> Path:
        return self.root / "projects"

    @property
    def workspaces(self) -> Path:
        """Researchers' notebooks: `workspaces/<account>/<project>`."""
        return self.root / "workspaces"

    @property
    def hub(self) -> Path:
        return self.root / "hub"

    @property
    def log(self) -> Path:
        """What anybody may have: public key and signed checkpoints of the decision log."""
        return self.root / "log"

    def project(self, slug: str) -> Path:
        return self.projects / slug

    def cohorts(self, slug: str) -> Path:
        """A project's cohort tables: rows that its members derived from its data, encrypted like them."""
        return self.project(slug) / "cohorts"


def private_folder(path: Path) -> Path:
    """Make a folder that only this user can enter, with its parents; returns it."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path
