"""Which data a project has: what its manifest says of the database in use."""

from __future__ import annotations

import json
from pathlib import Path


class DataVersion:
    """The digest of the project's database, "" while it is being replaced (there is no manifest then)."""

    def __init__(self, manifest: Path) -> None:
        self._manifest = manifest
        self._seen: tuple[int, int, int] | None = None
        self._version = ""

    def __call__(self) -> str:
        try:
            found = self._manifest.stat()
            seen = (found.st_ino, found.st_size, found.st_mtime_ns)
            if seen != self._seen:
                self._version = _digest(self._manifest.read_text(encoding="utf-8"))
                self._seen = seen
        except OSError:
            return ""
        return self._version


def _digest(text: str) -> str:
    try:
        return str(json.loads(text)["database_digest"])
    except (ValueError, KeyError, TypeError):
        return ""
