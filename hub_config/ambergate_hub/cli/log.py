"""`ambergate log`: show, export and verify the log of decisions. Verification needs neither the hub nor any secret."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.markup import escape

from ambergate_datasets.state import StateFolder
from ambergate_extension.store import Store
from ambergate_extension.store.database import Database
from ambergate_extension.store.keys import PUBLIC_KEY
from ambergate_extension.store.publication import CHECKPOINTS, split_export
from ambergate_extension.store.store import verify_database
from ambergate_hub.cli.frame import console, state_option
from ambergate_policies.errors import IntegrityError, OperatorError
from ambergate_policies.log import BadCheckpoint, Fault, VerifyingKey, format_time, verify

FAULTS_SHOWN = 50
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group(short_help="Show, export and verify the log of decisions.")
def log() -> None:
    """The log of decisions: every query, held result, review, landing and login, signed as it happened.

    Anybody can verify it offline from an export and the public key.
    """


@log.command("verify", short_help="Check that no entry was changed, dropped, added or moved.")
@click.option("--file", "export", type=_FILE, help="An export made with `ambergate log export`.")
@click.option("--key", "key_file", type=_FILE, help="The public key, log-signing.pub.  [default: the state folder's]")
@click.option("--checkpoint", "kept_file", type=_FILE, help="Checkpoints that you kept earlier, to compare with.")
@state_option
def verify_command(state: StateFolder, export: Path | None, key_file: Path | None, kept_file: Path | None) -> None:
    """Check the whole log: each entry against the signed tree, and the tree against published checkpoints.

    Without --file, the store of the state folder is checked, with its held results and decisions. Ends with exit
    code 0 when everything is as it was signed, 5 when it is not (and says where), 3 when something cannot be read.

    \b
    Examples:
      ambergate log verify
      ambergate log verify --file export.jsonl --key log-signing.pub --checkpoint kept.jsonl
    """
    key = _read_key(key_file or state.log / PUBLIC_KEY)
    kept = _lines(kept_file) if kept_file is not None else []
    if export is not None:
        entries, checkpoints = _read_export(export)
        faults, count = verify(entries, checkpoints, key, kept), len(entries)
    else:
        faults, count = _verify_state(state, key, kept)
    _report(faults, count)


@log.command("export", short_help="Write the log to a file that anybody can verify.")
@click.argument("path", type=_FILE)
@state_option
def export_command(state: StateFolder, path: Path) -> None:
    """Write all entries and signed checkpoints to PATH as JSON lines.

    The file names accounts and holds the texts of queries, but no result. Give it to auditors together with
    log/log-signing.pub from the state folder.
    """
    store = _open(state)
    try:
        store.export_log(path)
    finally:
        store.close()
    console.print(f"The log is in       {escape(str(path))}", soft_wrap=True)
    console.print(f"Its public key is   {escape(str(state.log / PUBLIC_KEY))}", soft_wrap=True)


@log.command("show", short_help="List entries.")
@click.option("--last", type=click.IntRange(1), default=20, show_default=True, help="How many, newest first.")
@click.option("--kind", "kinds", multiple=True, help="Only this kind (query, review, landing, ...); may be repeated.")
@click.option("--project", help="Only this project.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with the whole body.")
@state_option
def show_command(state: StateFolder, last: int, kinds: tuple[str, ...], project: str | None, as_json: bool) -> None:
    """List the newest entries of the log. What is shown is not verified: see `ambergate log verify`."""
    store = _open(state)
    try:
        entries = store.entries(kinds=kinds, project=project, newest=last)
    finally:
        store.close()
    if as_json:
        for index, entry in entries:
            record = {"index": index, "kind": entry.kind, "at": format_time(entry.at), "actor": entry.actor}
            click.echo(json.dumps({**record, "project": entry.project, "body": entry.body}, ensure_ascii=False))
        return
    rows = [("Entry", "Time (UTC)", "Kind", "By", "Project", "Outcome", "Reference")]
    for index, entry in entries:
        outcome = entry.body.get("verdict") or entry.body.get("state") or ""
        words = (str(index), f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.kind, entry.actor, entry.project or "")
        rows.append((*words, str(outcome), str(entry.body.get("reference") or "")))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def _open(state: StateFolder) -> Store:
    """The state folder's store, which must be there: showing and exporting make none."""
    _require_store(state)
    return Store.open(state.store_url, state.keys, state.log)


def _require_store(state: StateFolder) -> None:
    if not (state.root / "store.db").is_file():
        raise OperatorError(f"there is no store in {state.root}; name the state folder with --state")


def _verify_state(state: StateFolder, key: VerifyingKey, kept: Sequence[str]) -> tuple[list[Fault], int]:
    """The store is read as it is, without opening it as a store: a damaged one must be described, not refused."""
    _require_store(state)
    published = state.log / CHECKPOINTS
    kept = [*kept, *(_lines(published) if published.is_file() else [])]
    database = Database(state.store_url)
    try:
        return verify_database(database, key, kept)
    finally:
        database.close()


def _read_key(path: Path) -> VerifyingKey:
    try:
        return VerifyingKey.from_text(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        raise OperatorError(f"the public key {path.name} cannot be read; name it with --key") from None
    except BadCheckpoint as error:
        raise OperatorError(f"{path.name} is {error}") from None


def _read_export(path: Path) -> tuple[list[bytes], list[str]]:
    try:
        with path.open("rb") as file:
            entries, checkpoints = split_export(file)
    except OSError:
        raise OperatorError(f"the export {path.name} cannot be read") from None
    if not entries and not checkpoints:
        raise OperatorError(f"{path.name} is no export of a log: it has neither entries nor checkpoints")
    return entries, checkpoints


def _lines(path: Path) -> list[str]:
    """Checkpoint lines of a file: JSON lines, or one signed note as it is printed on the register."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise OperatorError(f"the checkpoints in {path.name} cannot be read") from None
    return list(_split(text))


def _split(text: str) -> Iterator[str]:
    if not text.lstrip().startswith("{"):
        yield text.lstrip().rstrip("\n") + "\n"
        return
    yield from (line for line in text.split("\n") if line.strip())


def _report(faults: Sequence[Fault], count: int) -> None:
    """Say what was found. Raises IntegrityError when anything was."""
    if not faults:
        console.print(f"[green]Verified:[/] {count} entries, each as it was signed; none missing, none added.")
        return
    for fault in faults[:FAULTS_SHOWN]:
        console.print(f"[red]{fault.kind.value}[/]: {escape(fault.message)}", soft_wrap=True)
    if len(faults) > FAULTS_SHOWN:
        console.print(f"... and {len(faults) - FAULTS_SHOWN} more.")
    number = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
    first = min(fault.index for fault in faults)
    raise IntegrityError(f"the log is not as it was signed: {number}, the first at entry {first}")
