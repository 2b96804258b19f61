"""Notebooks and files of the workspace, without this trusted process ever opening one.

A kernel can put symbolic links into its workspace. So every file operation runs in a helper inside a box that sees the
workspace and nothing else of this host: a link can only lead to what is in that box. The helper is jupyter-server's
own file manager; this class forwards its calls over a pipe.
"""

from __future__ import annotations

import asyncio
import json
import struct
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

from jupyter_server.services.contents.manager import AsyncContentsManager
from tornado.web import HTTPError
from traitlets import default

from ambergate_extension.sandbox.box import Backend, Limits, SandboxUnavailable, limited
from ambergate_extension.sandbox.kernel_box import kernel_box
from ambergate_extension.sandbox.run_folder import RunFolder, make_run_folder

LARGEST_MESSAGE = 192 * 1024 * 1024
_SECONDS = 60.0
_LIMITS = Limits(processes=64, file_mb=512, scratch_mb=64)
_DATES = ("created", "last_modified")

StartHelper = Callable[[], subprocess.Popen[bytes]]


class Helper:
    """The process in the box, started when needed and again after it failed. One call at a time."""

    def __init__(self, start: StartHelper) -> None:
        self._start = start
        self._process: subprocess.Popen[bytes] | None = None
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="contents")

    async def call(self, method: str, arguments: dict[str, Any]) -> Any:
        """The method's result. Raises HTTPError as the file manager would; 503 where the helper failed."""
        message = json.dumps([method, arguments]).encode()
        if len(message) > LARGEST_MESSAGE:
            raise HTTPError(413, "the file is too large")
        async with self._turn:
            try:
                answer = await asyncio.wait_for(self._exchange(message), _SECONDS)
            except (OSError, ValueError, struct.error, TimeoutError, asyncio.CancelledError) as error:
                self.stop()
                if isinstance(error, asyncio.CancelledError):
                    raise
                raise HTTPError(503, "the workspace cannot be read at the moment: try again") from None
        if "error" in answer:
            raise HTTPError(int(answer["error"][0]), str(answer["error"][1]))
        return answer.get("result")

    def stop(self) -> None:
        """End the helper; the next call starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    async def _exchange(self, message: bytes) -> dict[str, Any]:
        if self._process is None or self._process.poll() is not None:
            self._process = self._start()
        answer: dict[str, Any] = await asyncio.get_running_loop().run_in_executor(
            self._thread, _exchange, self._process, message
        )
        return answer


class BoxedContents(AsyncContentsManager):
    """jupyter-server's contents API, each call answered from inside the box."""

    _helper: Helper | None = None
    _run: RunFolder | None = None

    def open_box(self, backend: Backend, workspace: Path, run_parent: Path) -> None:
        """Name the box in which the helper runs. Until then every call fails."""
        self._run = make_run_folder(run_parent)
        box = kernel_box(backend, workspace, self._run, _LIMITS.on(backend))
        command = limited(_LIMITS.on(backend), Path(__file__).with_name("contents_helper.py").read_text())
        self._helper = Helper(lambda: backend.start(box, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))

    def close_box(self) -> None:
        if self._helper is not None:
            self._helper.stop()
        if self._run is not None:
            self._run.remove()

    @default("files_handler_params")
    def _no_folder(self) -> dict[str, Any]:
        return {"path": "/nonexistent"}  # the handler asks this manager; its base class insists on a path

    def get_kernel_path(self, path: str, model: Any = None) -> str:
        return ""

    async def resolve_path(self, path: str) -> str | None:
        return None

    async def dir_exists(self, path: str) -> bool:
        return bool(await self._ask("dir_exists", path=path))

    async def file_exists(self, path: str = "") -> bool:
        return bool(await self._ask("file_exists", path=path))

    async def is_hidden(self, path: str) -> bool:
        return bool(await self._ask("is_hidden", path=path))

    async def get(
        self, path: str, content: bool = True, type: str | None = None, format: str | None = None,
        require_hash: bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        return _dated(
            await self._ask("get", path=path, content=content, type=type, format=format, require_hash=require_hash)
        )

    async def save(self, model: dict[str, Any], path: str = "") -> dict[str, Any]:
        plain = {key: value for key, value in model.items() if key not in _DATES}
        return _dated(await self._ask("save", model=plain, path=path))

    async def delete_file(self, path: str) -> None:
        await self._ask("delete_file", path=path)

    async def rename_file(self, old_path: str, new_path: str) -> None:
        await self._ask("rename_file", old_path=old_path, new_path=new_path)

    async def copy(self, from_path: str, to_path: str | None = None) -> dict[str, Any]:
        return _dated(await self._ask("copy", from_path=from_path, to_path=to_path))

    async def delete(self, path: str) -> None:
        await self._ask("delete", path=path)

    async def rename(self, old_path: str, new_path: str) -> None:
        await self._ask("rename", old_path=old_path, new_path=new_path)

    async def trust_notebook(self, path: str) -> None:
        await self._ask("trust_notebook", path=path)

    async def create_checkpoint(self, path: str) -> dict[str, Any]:
        return _dated(await self._ask("create_checkpoint", path=path))

    async def restore_checkpoint(self, checkpoint_id: str, path: str) -> None:
        await self._ask("restore_checkpoint", checkpoint_id=checkpoint_id, path=path)

    async def list_checkpoints(self, path: str) -> list[dict[str, Any]]:
        return [_dated(checkpoint) for checkpoint in await self._ask("list_checkpoints", path=path)]

    async def delete_checkpoint(self, checkpoint_id: str, path: str) -> None:
        await self._ask("delete_checkpoint", checkpoint_id=checkpoint_id, path=path)

    def info_string(self) -> str:
        return "Serving notebooks from the project's workspace, through the sandbox"

    async def _ask(self, method: str, **arguments: Any) -> Any:
        if self._helper is None:
            raise SandboxUnavailable("the workspace is served only through a sandbox, and none has been proved")
        return await self._helper.call(method, arguments)


def _exchange(process: subprocess.Popen[bytes], message: bytes) -> dict[str, Any]:
    """Write one message and read one, each a 4-byte big-endian length and JSON."""
    if process.stdin is None or process.stdout is None:
        raise OSError("the helper has no pipes")
    process.stdin.write(struct.pack(">I", len(message)) + message)
    process.stdin.flush()
    (length,) = struct.unpack(">I", process.stdout.read(4))
    if length > LARGEST_MESSAGE:
        raise ValueError("the helper's answer is too large")
    answer = json.loads(process.stdout.read(length))
    if not isinstance(answer, dict):
        raise ValueError("the helper's answer is no object")
    return answer


def _dated(model: dict[str, Any]) -> dict[str, Any]:
    """The model with its dates as dates, which jupyter-server's handlers expect; folders list models."""
    dates = {key: datetime.fromisoformat(model[key]) for key in _DATES if isinstance(model.get(key), str)}
    listed = model.get("content")
    inner = {"content": [_dated(entry) for entry in listed]} if model.get("type") == "directory" and listed else {}
    return {**model, **dates, **inner}
