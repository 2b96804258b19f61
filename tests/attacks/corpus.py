"""Reading a corpus: files of cases, each a query or steps, with the words that its answers may have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tests.small_project.population import CANARY_MARKS

from ambergate_extension.pipeline import Answer

WORDS = frozenset({"refused", "failed", "held", "masked", "released"})
"""`masked`: released without rows, or with a suppressed cell in every row."""


@dataclass(frozen=True)
class Case:
    """One case. `expect` are the words allowed for the answer of its last step."""

    id: str
    group: str
    steps: tuple[str, ...]
    expect: frozenset[str]


def read(folder: Path) -> list[Case]:
    """Every case of a folder's files. Raises ValueError for a file that is not what it should be."""
    cases: list[Case] = []
    for path in sorted(folder.glob("*.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        cases += [_case(document["class"], item) for item in document["cases"]]
    names = [case.id for case in cases]
    if len(names) != len(set(names)):
        raise ValueError(f"ids given twice: {sorted({name for name in names if names.count(name) > 1})}")
    return cases


def _case(group: str, item: dict[str, Any]) -> Case:
    if "parts" in item:
        steps = ("".join(text * times for text, times in item["parts"]),)
    else:
        steps = tuple(item["steps"]) if "steps" in item else (item["sql"],)
    expect = frozenset(item.get("expect", ["released"]))
    if not expect <= WORDS:
        raise ValueError(f"{item['id']}: unknown words {sorted(expect - WORDS)}")
    return Case(f"{group}/{item['id']}", group, steps, expect)


def word_of(answer: Answer) -> str:
    """The answer in a word of WORDS."""
    if answer.verdict != "released" or answer.table is None or answer.mask is None:
        return answer.verdict
    rows = zip(*(column.to_pylist() for column in answer.mask.columns), strict=True)
    return "masked" if all(any(row) for row in rows) else "released"


def canaries_in(shown: str) -> list[str]:
    """The canaries that a text holds."""
    return [mark for mark in CANARY_MARKS if mark in shown]
