"""`ambergate log` as an auditor types it, with its exit codes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ambergate_datasets.state import StateFolder
from ambergate_extension.store import HeldTable, Store
from ambergate_hub.cli import main
from ambergate_policies.log import LogEntry

AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    """A state folder whose log has five queries, a held one, and a review."""
    folder = StateFolder(tmp_path / "state")
    store = Store.open(folder.store_url, folder.keys, folder.log)
    for number in range(5):
        store.append(LogEntry("query", AT, "amara", "cardio-outcomes", {"verdict": "released", "number": number}))
    held = HeldTable("cardio-outcomes", "amara", "DSA-1", "SELECT 1", ("n",), ((7,),))
    reference = store.hold(LogEntry("query", AT, "amara", "cardio-outcomes", {"verdict": "held"}), held)
    store.decide(reference, checker="chen", decision="reject", comment="no", at=AT)
    store.close()
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["log", *map(str, arguments)])


def export(state: StateFolder) -> Path:
    path = state.root / "export.jsonl"
    assert run("export", path, "--state", state.root).exit_code == 0
    return path


def test_an_untouched_state_folder_is_verified(state: StateFolder) -> None:
    result = run("verify", "--state", state.root)
    assert result.exit_code == 0
    assert "7 entries" in result.output


def test_an_export_is_verified_offline_with_the_public_key(state: StateFolder, tmp_path: Path) -> None:
    path, key, kept = export(state), tmp_path / "key.pub", tmp_path / "kept.jsonl"
    key.write_bytes((state.log / "log-signing.pub").read_bytes())
    kept.write_bytes((state.log / "checkpoints.jsonl").read_bytes())
    result = run("verify", "--file", path, "--key", key, "--checkpoint", kept, "--state", tmp_path / "nowhere")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda lines: [*lines[:2], lines[2].replace(b"released", b"refused"), *lines[3:]], "entry 2 is not the entry"),
        (lambda lines: [*lines[:2], *lines[3:]], "entry 2 is missing"),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "out of order"),
        (lambda lines: [*lines[:5], *lines[7:]], "ends before entry 5"),
    ],
)
def test_a_changed_export_says_where(
    state: StateFolder, change: Callable[[list[bytes]], list[bytes]], words: str
) -> None:
    path = export(state)
    path.write_bytes(b"\n".join(change(path.read_bytes().split(b"\n"))))
    result = run("verify", "--file", path, "--key", state.log / "log-signing.pub")
    assert result.exit_code == 5
    assert words in result.output


def test_a_row_changed_in_the_database_says_where(state: StateFolder) -> None:
    with closing(sqlite3.connect(state.root / "store.db")) as connection:
        connection.execute("DROP TRIGGER log_entry_no_update")
        connection.execute("UPDATE log_entry SET leaf = replace(leaf, '\"number\":3', '\"number\":4') WHERE idx = 3")
        connection.commit()
    result = run("verify", "--state", state.root)
    assert result.exit_code == 5
    assert "entry 3 is not the entry that was signed" in result.output


def test_a_shortened_database_is_found_against_the_published_checkpoints(state: StateFolder) -> None:
    with closing(sqlite3.connect(state.root / "store.db")) as connection:
        for table in ("decision", "log_entry", "checkpoint"):
            connection.execute(f"DROP TRIGGER {table}_no_delete")
        connection.execute("DELETE FROM decision")
        connection.execute("DELETE FROM log_entry WHERE idx = 6")
        connection.execute("DELETE FROM checkpoint WHERE size = 7")
        connection.commit()
    result = run("verify", "--state", state.root)
    assert result.exit_code == 5
    assert "covers 7 entries" in result.output


def test_the_checkpoint_printed_on_the_register_can_be_kept_and_compared(state: StateFolder, tmp_path: Path) -> None:
    store = Store.open(state.store_url, state.keys, state.log)
    note = store.latest_checkpoint()
    store.close()
    assert note is not None
    kept = tmp_path / "kept.txt"
    kept.write_text(note, "utf-8")
    path = export(state)
    key = state.log / "log-signing.pub"
    assert run("verify", "--file", path, "--key", key, "--checkpoint", kept).exit_code == 0
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([*lines[:6], *lines[7:13]]))  # without the last entry and its checkpoint
    assert run("verify", "--file", path, "--key", key).exit_code == 0
    assert run("verify", "--file", path, "--key", key, "--checkpoint", kept).exit_code == 5


@pytest.mark.parametrize("missing", ["store", "export", "key", "checkpoint", "content"])
def test_what_cannot_be_read_is_not_verified(state: StateFolder, tmp_path: Path, missing: str) -> None:
    path, key, nowhere = export(state), state.log / "log-signing.pub", tmp_path / "nowhere"
    arguments = {
        "store": ["--state", nowhere],
        "export": ["--file", nowhere, "--key", key],
        "key": ["--file", path, "--key", nowhere],
        "checkpoint": ["--file", path, "--key", key, "--checkpoint", nowhere],
        "content": ["--file", tmp_path / "empty", "--key", key],
    }
    (tmp_path / "empty").touch()
    assert run("verify", *arguments[missing]).exit_code == 3


def test_show_lists_the_newest_entries_first(state: StateFolder) -> None:
    lines = run("show", "--state", state.root, "--last", 3, "--json").output.splitlines()
    assert [json.loads(line)["index"] for line in lines] == [6, 5, 4]
    assert json.loads(lines[0])["body"]["state"] == "rejected"
    table = run("show", "--state", state.root, "--kind", "review").output
    assert "rejected" in table and "released" not in table


def test_help_says_what_each_command_does() -> None:
    for command in ("verify", "export", "show"):
        assert run(command, "--help").exit_code == 0
        assert command in run("--help").output
