"""What all commands share: late loading, `--state`, errors without tracebacks, and the console."""

from __future__ import annotations

import importlib
import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich import progress as rich_progress
from rich.console import Console
from rich.markup import escape

from ambergate_datasets.progress import Progress
from ambergate_datasets.state import StateFolder
from ambergate_policies.errors import AmbergateError

Function = TypeVar("Function", bound=Callable[..., Any])

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


class CommandGroup(click.Group):
    """A group whose commands are imported on use, and in which our own errors end the process with their exit code."""

    def __init__(self, *args: Any, package: str, names: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._package = package
        self._names = tuple(names)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._names:
            return None
        module = importlib.import_module(f"{self._package}.{cmd_name}")
        command = getattr(module, cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101 - a mistake in this package, not in its use
        return command

    def invoke(self, ctx: click.Context) -> Any:
        os.umask(0o077)  # whatever a command or what it starts writes is this user's alone
        try:
            return super().invoke(ctx)
        except AmbergateError as error:
            errors.print(f"[bold red]ambergate:[/] {escape(str(error))}", soft_wrap=True)
            ctx.exit(error.exit_code)
        except (click.ClickException, click.exceptions.Exit, click.Abort, KeyboardInterrupt):
            raise
        except Exception as error:  # its text can quote data (an engine's messages do): where it happened will do
            errors.print(
                f"[bold red]ambergate:[/] a fault in Ambergate itself ({type(error).__name__}); please report:"
            )
            for frame in traceback.extract_tb(error.__traceback__):
                errors.print(f"  {escape(frame.filename)}:{frame.lineno} in {escape(frame.name)}", soft_wrap=True)
            ctx.exit(1)


def state_option(function: Function) -> Function:
    """Adds `--state`; the command receives `state: StateFolder`."""
    option = click.option(
        "--state",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path(".ambergate"),
        show_default=True,
        envvar="AMBERGATE_STATE",
        show_envvar=True,
        callback=lambda _ctx, _param, value: StateFolder(value.resolve()),
        help="The folder in which everything is kept.",
    )
    return option(function)


class _Bars:
    """A bar for each stage of long work (the `Progress` of `ambergate_datasets.progress`)."""

    def __init__(self, bars: rich_progress.Progress) -> None:
        self._bars = bars
        self._task: rich_progress.TaskID | None = None

    def stage(self, name: str, total: int | None) -> None:
        self.done()
        self._task = self._bars.add_task(name, total=total)

    def advance(self, n: int = 1) -> None:
        if self._task is not None:
            self._bars.advance(self._task, n)

    def done(self) -> None:
        if self._task is not None:
            total = self._bars.tasks[self._bars.task_ids.index(self._task)].total or 1
            self._bars.update(self._task, total=total, completed=total)
            self._task = None


@contextmanager
def watched() -> Iterator[Progress]:
    """Progress that is shown on the console while it runs; finished stages stay as one line each."""
    columns = (
        rich_progress.TextColumn("  {task.description:<40}"),
        rich_progress.BarColumn(bar_width=24),
        rich_progress.TimeElapsedColumn(),
    )
    with rich_progress.Progress(*columns, console=console) as bars:
        shown = _Bars(bars)
        yield shown
        shown.done()
