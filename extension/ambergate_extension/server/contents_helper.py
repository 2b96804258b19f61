"""Runs inside the box, as a script: jupyter-server's file manager behind a pipe. It trusts nobody and nobody trusts it.

Sent to the box as text, so that nothing of this package needs to be mounted there. Reads messages
`[method, arguments]` and writes `{"result": ...}` or `{"error": [status, message]}`, each with a 4-byte length.
"""

import json
import os
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO

from jupyter_server.services.contents.largefilemanager import LargeFileManager
from tornado.web import HTTPError

METHODS = frozenset(
    {
        "dir_exists", "file_exists", "is_hidden", "get", "save", "delete_file", "rename_file", "copy", "delete",
        "rename", "trust_notebook", "create_checkpoint", "restore_checkpoint", "list_checkpoints", "delete_checkpoint",
    }
)  # fmt: skip


def serve(manager: Any, source: BinaryIO, sink: BinaryIO) -> None:
    """Answer messages until the pipe closes."""
    while head := source.read(4):
        method, arguments = json.loads(source.read(struct.unpack(">I", head)[0]))
        body = json.dumps(answer(manager, method, arguments), default=lambda value: value.isoformat()).encode()
        sink.write(struct.pack(">I", len(body)) + body)
        sink.flush()


def answer(manager: Any, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The method's result or its error; an unexpected one tells its kind only."""
    if method not in METHODS:
        return {"error": [400, "no such operation"]}
    try:
        return {"result": getattr(manager, method)(**arguments)}
    except HTTPError as error:
        return {"error": [error.status_code, error.log_message or error.reason or "the operation failed"]}
    except Exception as error:
        return {"error": [500, f"the operation failed ({type(error).__name__})"]}


if __name__ == "__main__":
    channel = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints must not reach the channel
    files = LargeFileManager(root_dir=str(Path.cwd()), delete_to_trash=False, allow_hidden=False)
    with os.fdopen(channel, "wb") as out:
        serve(files, sys.stdin.buffer, out)
