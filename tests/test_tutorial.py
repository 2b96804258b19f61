"""The tutorial does what it says: its files are written, its commands are run, its tables are what comes out.

The page that explains how a query is cleared takes one query over the same project apart.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ambergate_datasets.engines.project_key import database_key
from ambergate_datasets.state import StateFolder
from ambergate_extension.engine import EngineProcess
from ambergate_extension.pipeline import Answer, Gate, read_kernel
from ambergate_extension.replay import open_gate
from ambergate_policies.prepared import PreparedBoundary

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "tutorial" / "first-project.md"
EXPLANATION = DOCS / "explanation" / "how-a-query-is-cleared.md"
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
            ["sh", "-ec", commands],
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


def test_rare_reasons_are_withheld_and_the_column_that_is_not_granted_refused(done: tuple[Path, list[str]]) -> None:
    found = answers(done[0])
    assert found["reasons"]["withheld_groups"] == 5
    assert not {"rabies", "scurvy"} & {row[0] for row in found["reasons"]["rows"]}
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


# -- the explanation


@pytest.fixture(scope="module")
def explanation() -> str:
    return EXPLANATION.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def project(done: tuple[Path, list[str]]) -> tuple[Path, bytes]:
    """The tutorial's project folder and its database key."""
    state = StateFolder(done[0] / ".ambergate")
    return state.project("clinic-study"), database_key(state.keys, "clinic-study")


def query_of(page: str) -> str:
    found = re.search(r"<!-- query -->\n```sql\n(.*?)```", page, re.DOTALL)
    assert found is not None
    return found[1]


def below(page: str, mark: str) -> str:
    """The block that stands under a mark, up to the next empty line."""
    found = re.search(rf"<!-- {mark} -->\n(.*?)\n\n", page, re.DOTALL)
    assert found is not None
    return found[1]


def cleared(project: tuple[Path, bytes], sql: str) -> Answer:
    folder, key = project
    gate: Gate = open_gate(folder / "agreement.yaml", folder / "catalogue.yaml", folder / "project.duckdb", key)
    try:
        return gate.answer(sql)
    finally:
        gate.close()


def statistics_of(project: tuple[Path, bytes], sql: str) -> tuple[PreparedBoundary, pa.Table]:
    """What the gate computes before anything is cleared."""
    folder, key = project
    kernel = read_kernel(folder / "agreement.yaml", folder / "catalogue.yaml")
    (step,) = kernel.prepare(sql, account="amara", on=date(2026, 11, 22), territory="GB-ENG").steps
    assert isinstance(step, PreparedBoundary)
    engine = EngineProcess(folder / "project.duckdb", key)
    try:
        engine.start()
        return step, engine.run(step.statement)
    finally:
        engine.close()


def test_the_explained_query_gives_the_table_and_the_findings_on_the_page(
    explanation: str, project: tuple[Path, bytes]
) -> None:
    answer = cleared(project, query_of(explanation))
    assert answer.verdict == "released"
    assert answer.table is not None
    rows = [list(row.values()) for row in answer.table.to_pylist()]
    assert as_table({"columns": answer.table.column_names, "rows": rows}) == below(explanation, "cleared")
    said = "\n".join(f"- `{finding.rule}`: {finding.message}" for finding in answer.findings)
    assert said == below(explanation, "findings")
    assert answer.withheld_groups == 5


def test_the_numbers_inside_the_gate_are_those_on_the_page_and_only_these_columns_are_read(
    explanation: str, project: tuple[Path, bytes]
) -> None:
    prepared, found = statistics_of(project, query_of(explanation))
    names = ("k0", "persons", "m0_rows", "m1_value", "m1_largest", "m2_counted", "m2_contributing", "m2_complement")
    rows = sorted([row[name] for name in names] for row in found.to_pylist())
    lines = [
        "| " + " | ".join(f"{cell:g}" if isinstance(cell, float) else str(cell) for cell in row) + " |" for row in rows
    ]
    assert lines == below(explanation, "statistics").splitlines()[2:]
    assert prepared.reads == {"visit": {"minutes", "person index", "reason", "visit_date"}}
