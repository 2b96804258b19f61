"""The tutorial does what it says: its files are written, its commands are run, its tables are what comes out."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "tutorial" / "first-project.md"
_FILE = re.compile(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", re.DOTALL)
_COMMANDS = re.compile(r"```sh\n(.*?)```", re.DOTALL)
_ANSWER = re.compile(r"<!-- answer: (\w+) -->\n(.*?)\n\n", re.DOTALL)


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def done(page: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The folder after all commands of the page but the first block, which only prepares the shell; what they said."""
    folder = tmp_path_factory.mktemp("first-project")
    for name, text in _FILE.findall(page):
        (folder / name).write_text(text, encoding="utf-8")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "200",
    }
    environment.pop("AMBERGATE_STATE", None)
    said = []
    for commands in _COMMANDS.findall(page)[1:]:
        ran = subprocess.run(
            ["sh", "-ec", commands],  # noqa: S607
            cwd=folder, env=environment, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        said.append(ran.stdout)
    return folder, said


def answers(folder: Path) -> dict[str, dict[str, Any]]:
    lines = (folder / "answers.jsonl").read_text(encoding="utf-8").splitlines()
    return {answer["id"]: answer for answer in map(json.loads, lines)}


def as_table(answer: dict[str, Any]) -> str:
    """A released answer as the page shows it."""
    names = answer["columns"]
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    for row in answer["rows"]:
        cells = ["·" if value is None else f"{value:.4g}" if isinstance(value, float) else value for value in row]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def test_every_table_on_the_page_is_what_comes_out(page: str, done: tuple[Path, list[str]]) -> None:
    found = answers(done[0])
    shown = dict(_ANSWER.findall(page))
    assert set(shown) == {"reasons", "ages"}
    for name, table in shown.items():
        assert found[name]["verdict"] == "released"
        assert as_table(found[name]) == table


def test_the_rare_reason_is_withheld_and_the_column_that_is_not_granted_refused(done: tuple[Path, list[str]]) -> None:
    found = answers(done[0])
    assert found["reasons"]["withheld_groups"] == 5
    assert "rabies" not in json.dumps(found)
    assert found["sexes"]["verdict"] == "refused"
    message = found["sexes"]["findings"][0]["message"]
    assert message in PAGE.read_text(encoding="utf-8").replace("*", "")


def test_the_counts_of_the_landing_are_those_on_the_page(page: str, done: tuple[Path, list[str]]) -> None:
    manifest = json.loads((done[0] / ".ambergate" / "red" / "clinic" / "manifest.json").read_text(encoding="utf-8"))
    visit = manifest["tables"]["visit"]
    stated = re.search(r"counts ([\d,]+) records, ([\d,]+) landed and (\d+) rejected: `([^`]+)`", page)
    assert stated is not None
    assert [int(text.replace(",", "")) for text in stated.groups()[:3]] == [
        visit["records"],
        visit["landed"],
        visit["rejected"],
    ]
    assert stated[4] == "; ".join(f"{rule} ({count})" for rule, count in visit["rejects_by_rule"].items())


def test_the_log_is_verified_at_the_end(done: tuple[Path, list[str]]) -> None:
    assert "Verified:" in done[1][-1]
    assert "provision" in done[1][-1]
