"""Files that the engine attaches beside a project's database: cohort tables, to be read or to be written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Attachment:
    """One encrypted file under the name that statements know it by."""

    place: str
    path: Path
    key: bytes = field(repr=False)
    writable: bool = False


def pack(files: Sequence[Attachment], key: bytes | None) -> tuple[dict[str, Any], bytes]:
    """A frame's header and body. Keys are in the body alone: the project's first, if it has one."""
    header = [{"place": file.place, "path": str(file.path), "writable": file.writable} for file in files]
    return {"encrypted": key is not None, "files": header}, b"".join([key or b"", *(file.key for file in files)])


def unpack(header: dict[str, Any], body: bytes) -> tuple[list[Attachment], bytes | None]:
    """The files and the project's key. Raises ValueError where the keys do not fit."""
    keys = [body[start : start + KEY_BYTES] for start in range(0, len(body), KEY_BYTES)]
    key = keys.pop(0) if header["encrypted"] else None
    files = [
        Attachment(str(file["place"]), Path(file["path"]), one, bool(file["writable"]))
        for file, one in zip(header["files"], keys, strict=True)
    ]
    return files, key
