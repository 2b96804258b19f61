"""What the store gives to everybody: signed checkpoints as they are made, and the whole log as a file.

`checkpoints.jsonl` follows the store: after a crash or a full disk it lags, and the next append brings it up to date.
It never leads: a checkpoint is published after its entry is on the disk. A store that is shorter than what was
published has lost entries.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, Row, select

from ambergate_extension.store.tables import checkpoint, log_entry
from ambergate_policies.errors import IntegrityError, OperatorError
from ambergate_policies.log import BadCheckpoint, VerifyingKey, open_note, read_checkpoint

CHECKPOINTS = "checkpoints.jsonl"
_TAIL_BYTES = 4096  # more than one checkpoint line


def checkpoint_line(row: Row[Any]) -> str:
    """One line of checkpoints.jsonl: the signed note and the hash of the last leaf under it."""
    return json.dumps({"checkpoint": row.note, "leaf": row.leaf}, ensure_ascii=False, separators=(",", ":"))


def publish(connection: Connection, log_folder: Path, key: VerifyingKey) -> None:
    """Append to checkpoints.jsonl what it lacks. Raises OperatorError, or IntegrityError if the store is behind it."""
    try:
        with (log_folder / CHECKPOINTS).open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            published = _last_size(file, key)
            size = connection.scalar(select(checkpoint.c.size).order_by(checkpoint.c.size.desc()).limit(1)) or 0
            if published > size:
                raise IntegrityError("the store holds fewer entries than its published checkpoints cover")
            missing = select(checkpoint).where(checkpoint.c.size > published).order_by(checkpoint.c.size)
            lines = [checkpoint_line(row) + "\n" for row in connection.execute(missing)]
            file.write("".join(lines).encode("utf-8"))
    except OSError:
        raise OperatorError("the checkpoint file cannot be written") from None


def _last_size(file: IO[bytes], key: VerifyingKey) -> int:
    """The size of the last whole checkpoint in the file; half a line from a crash is cut off."""
    end = file.seek(0, os.SEEK_END)
    start = max(0, end - _TAIL_BYTES)
    file.seek(start)
    tail = file.read()
    whole = tail.rfind(b"\n") + 1
    if whole < len(tail):
        file.truncate(start + whole)
    lines = tail[:whole].splitlines()
    if not lines:
        return 0
    try:
        return open_note(read_checkpoint(lines[-1].decode("utf-8"))[0], key).size
    except (BadCheckpoint, UnicodeDecodeError):
        raise IntegrityError("the last published checkpoint is not signed by the log's key") from None


def export_lines(connection: Connection) -> Iterator[bytes]:
    """The log as JSON lines: each entry exactly as it was hashed, then every checkpoint."""
    for row in connection.execute(select(log_entry.c.leaf).order_by(log_entry.c.idx)):
        yield row.leaf + b"\n"
    for row in connection.execute(select(checkpoint).order_by(checkpoint.c.size)):
        yield checkpoint_line(row).encode("utf-8") + b"\n"


def write_export(connection: Connection, path: Path) -> int:
    """Write the export whole or not at all; returns the number of lines. Raises OperatorError."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    count = 0
    try:
        with draft.open("xb") as file:
            for line in export_lines(connection):
                file.write(line)
                count += 1
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        raise OperatorError("the export cannot be written") from None
    finally:
        draft.unlink(missing_ok=True)
    return count


def split_export(lines: Iterator[bytes]) -> tuple[list[bytes], list[str]]:
    """Entries and checkpoint lines of an export, in their order. Verification judges them, not this."""
    entries: list[bytes] = []
    checkpoints: list[str] = []
    for raw in lines:
        line = raw.rstrip(b"\n")
        if line.startswith(b'{"checkpoint"'):
            checkpoints.append(line.decode("utf-8", "replace"))
        elif line.strip():
            entries.append(line)
    return entries, checkpoints
