"""Private files of the red zone: digests, whole-or-nothing writes, and one writer at a time."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ambergate_datasets.state import private_folder
from ambergate_policies.errors import OperatorError


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex. Raises OperatorError."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise OperatorError(f"{path.name} cannot be read ({error.strerror})") from None


def document_digest(document: BaseModel) -> str:
    """SHA-256 of a document's meaning: spelling, order and comments of its file do not matter."""
    text = json.dumps(document.model_dump(mode="json"), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def private_write(path: Path, content: bytes) -> None:
    """Write a 0600 file whole or not at all: beside it first, then renamed over it."""
    building = path.with_name(path.name + ".building")
    with os.fdopen(os.open(building, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    building.replace(path)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a manifest, indented, in the order of its keys."""
    private_write(path, (json.dumps(value, indent=2) + "\n").encode("utf-8"))


def read_json(path: Path) -> dict[str, Any] | None:
    """A manifest written before, or None if there is none that can be read."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


@contextmanager
def building(path: Path) -> Iterator[Path]:
    """A fresh file name beside `path` to build in; whatever is left there at the end is removed.

    The caller publishes with `Path.replace`, so that `path` is always the last complete version.
    """
    draft = path.with_name(path.name + ".building")
    leftovers = (draft, draft.with_name(draft.name + ".wal"))
    for leftover in leftovers:
        leftover.unlink(missing_ok=True)
    try:
        yield draft
    finally:
        for leftover in leftovers:
            leftover.unlink(missing_ok=True)


@contextmanager
def only_writer(folder: Path, what: str) -> Iterator[None]:
    """Hold the folder's lock. Raises OperatorError at once if another process is writing there."""
    private_folder(folder)
    with os.fdopen(os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600), "r+b") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise OperatorError(f"{what} is being written by another process; try again when it has finished") from None
        yield
