"""Typical mistakes, as a researcher makes them: each is refused by its rule, at its place, with a rewrite that passes.

The mistakes are data (mistakes/*.yaml). A rewrite is what the gate offers; that it passes is tried anew here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.attacks import corpus
from tests.small_project import gates

from ambergate_notebook.explain import Explanation, explain
from ambergate_policies.advice.question import Question
from ambergate_policies.advice.repair import CURES, LONGEST_TEXT
from ambergate_policies.authorisation import Session
from ambergate_policies.cohorts import Cohorts
from ambergate_policies.verdict import Finding, QueryRefused

HERE = Path(__file__).parent
SESSION, TODAY = Session(gates.ACCOUNT), gates.NOON.date()
KERNEL = gates.kernel()


def cases() -> Iterator[dict[str, Any]]:
    for path in sorted((HERE / "mistakes").glob("*.yaml")):
        yield from yaml.safe_load(path.read_text(encoding="utf-8"))


CASES = list(cases())


def refused(sql: str) -> Finding | None:
    """The finding that refuses a query as the gate tells it; None where it may run."""
    try:
        KERNEL.understand(SESSION, sql, TODAY, Cohorts())
    except QueryRefused as refusal:
        return KERNEL.advised(refusal, SESSION, sql, TODAY, Cohorts()).findings[0]
    return None


def one_line(sql: str) -> str:
    return " ".join(sql.split())


def test_there_are_more_mistakes_than_twenty_each_with_an_id_of_its_own() -> None:
    assert len(CASES) >= 60
    assert len({case["id"] for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["id"]))
def test_a_mistake_is_explained(case: dict[str, Any]) -> None:
    finding = refused(case["sql"])
    assert finding is not None, "this is accepted: no mistake any more"
    assert (finding.rule, finding.clause) == (case["rule"], case.get("clause"))
    assert finding.span is not None
    assert [finding.span.line, finding.span.column] == case["at"]
    assert finding.fragment == case["fragment"] == case["sql"][finding.span.start : finding.span.end]
    assert finding.hint == case["hint"]
    assert one_line(finding.rewrite or "") == one_line(case.get("rewrite", ""))


@pytest.mark.parametrize("case", [c for c in CASES if "rewrite" in c], ids=lambda case: str(case["id"]))
def test_the_rewrite_passes(case: dict[str, Any]) -> None:
    KERNEL.understand(SESSION, case["rewrite"], TODAY, Cohorts())


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["id"]))
def test_the_notebook_underlines_the_mistake_and_shows_the_rewrite(case: dict[str, Any]) -> None:
    finding = refused(case["sql"])
    assert finding is not None
    header = {"verdict": "refused", "findings": [finding.to_json()]}
    lines = explain(header, case["sql"]).splitlines()
    carets = next(index for index, line in enumerate(lines) if line.strip() and not line.strip().strip("^"))
    begin = lines[carets].index("^")
    first = case["fragment"].splitlines()[0]
    assert lines[carets - 1][begin : begin + len(first)] == first
    assert lines[carets].count("^") == len(first)
    html = Explanation(header, case["sql"])._repr_html_()
    assert ("This passes:" in html) == ("rewrite" in case)


def test_every_cure_is_for_a_mistake_that_is_tried_here() -> None:
    idle = []
    for cure in CURES:
        found = False
        for case in CASES:
            finding = refused(case["sql"])
            assert finding is not None
            question = Question(case["sql"], finding, KERNEL.catalogue, KERNEL.agreement)
            found = found or (finding.rule in cure.rules and any(cure.rewrites(question)))
        if not found:
            idle.append(cure.mistake)
    assert not idle


def test_the_catalogue_says_what_is_granted_in_place_of_a_finer_column() -> None:
    document = KERNEL.catalogue.model_dump(mode="json")
    columns = document["tables"]["person"]["columns"]
    columns["birth_date"] = {"type": "DATE", "role": "date"}
    columns["birth_year"] |= {"derive": "year", "derive_from": "birth_date"}
    kernel = type(KERNEL)(type(KERNEL.catalogue).model_validate(document), KERNEL.agreement, KERNEL.pack)
    sql = "SELECT birth_date, count(*) FROM person GROUP BY birth_date"
    with pytest.raises(QueryRefused) as caught:
        kernel.understand(SESSION, sql, TODAY, Cohorts())
    (finding,) = kernel.advised(caught.value, SESSION, sql, TODAY, Cohorts()).findings
    assert finding.hint is not None and finding.hint.startswith("birth_year is granted instead; clause 5a.1 grants:")
    assert finding.rewrite == "SELECT birth_year, count(*) FROM person GROUP BY birth_year"


def attacks() -> list[str]:
    folder = HERE.parent / "attacks" / "kernel"
    return [step for case in corpus.read(folder) for step in case.steps if len(step) <= LONGEST_TEXT]


def test_whatever_is_offered_for_an_attack_passes_as_an_honest_query_does() -> None:
    """Some hundreds of hostile texts: advice never fails, and never offers what the kernel would refuse."""
    texts, offered = attacks(), 0
    assert len(texts) > 300
    for sql in texts:
        finding = refused(sql)
        if finding is not None and finding.rewrite is not None:
            KERNEL.understand(SESSION, finding.rewrite, TODAY, Cohorts())
            offered += 1
    assert offered > 100


def test_every_refusal_of_the_corpora_has_a_hint() -> None:
    without = [sql for sql in attacks() if (finding := refused(sql)) is not None and not finding.hint]
    assert not without


def test_advice_for_a_session_that_may_not_ask_is_none() -> None:
    stranger = Session("bilal")
    with pytest.raises(QueryRefused) as caught:
        KERNEL.understand(stranger, "SELECT * FROM person", TODAY, Cohorts())
    (finding,) = KERNEL.advised(caught.value, stranger, "SELECT * FROM person", TODAY, Cohorts()).findings
    assert (finding.rule, finding.rewrite) == ("not-named", None)
