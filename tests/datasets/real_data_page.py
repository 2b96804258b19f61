"""Runs the queries of docs/how-to/real-data.md through the gate and writes their cleared tables into the page.

`python tests/datasets/real_data_page.py` brings the page up to date; a test asks whether it is.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from real_projects import REPOSITORY, provision_all

from ambergate_datasets.engines.project_key import database_key
from ambergate_datasets.state import StateFolder
from ambergate_extension.pipeline import Answer, Gate
from ambergate_extension.replay import open_gate

PAGE = REPOSITORY / "docs" / "how-to" / "real-data.md"
SUPPRESSED = "·"
_PIECE = re.compile(
    r"<!-- project: (?P<project>[a-z-]+) -->|```sql\n(?P<sql>.*?)\n```\n\n<!-- result -->\n(?P<result>.*?)<!-- end -->",
    re.DOTALL,
)


def up_to_date(page: str, state: StateFolder) -> str:
    """The page with every result written anew."""
    with ExitStack() as gates:
        gate: Gate | None = None

        def replace(piece: re.Match[str]) -> str:
            nonlocal gate
            if piece["project"]:
                gate = _gate(state, piece["project"])
                gates.callback(gate.close)
                return piece[0]
            if gate is None:
                raise ValueError("a query stands before the first project")
            result = as_markdown(gate.answer(piece["sql"]))
            return f"```sql\n{piece['sql']}\n```\n\n<!-- result -->\n{result}<!-- end -->"

        return _PIECE.sub(replace, page)


def _gate(state: StateFolder, project: str) -> Gate:
    agreement, catalogue, database = (
        state.project(project) / name for name in ("agreement.yaml", "catalogue.yaml", "project.duckdb")
    )
    return open_gate(agreement, catalogue, database, database_key(state.keys, project))


def as_markdown(answer: Answer) -> str:
    """A released table as Markdown, and what was kept back."""
    if answer.table is None or answer.mask is None:
        raise ValueError(f"{answer.verdict}: {[finding.rule for finding in answer.findings]}")
    names = answer.table.column_names
    rows = zip(answer.table.to_pylist(), answer.mask.to_pylist(), strict=True)
    lines = [
        "| " + " | ".join(names) + " |",
        "|" + "|".join(" --- " for _ in names) + "|",
        *("| " + " | ".join(_cell(row[n], mask[n]) for n in names) + " |" for row, mask in rows),
    ]
    kept = f"{answer.suppressed_cells} cells suppressed, {answer.withheld_groups} groups withheld."
    return "\n".join(lines) + f"\n\n{kept}\n"


def _cell(value: object, suppressed: object) -> str:
    if suppressed:
        return SUPPRESSED
    formats: dict[type, Callable[[object], str]] = {int: lambda v: f"{v:,}", float: lambda v: f"{v:.4g}"}
    return formats.get(type(value), str)(value)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        state = StateFolder(Path(folder) / "state")
        provision_all(state)
        PAGE.write_text(up_to_date(PAGE.read_text(encoding="utf-8"), state), encoding="utf-8")
    sys.stdout.write(f"{PAGE.relative_to(REPOSITORY)} is up to date\n")
