"""What a result says of what it does not show: the finest key, what would pass, and nothing of what is withheld."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.small_project import gates, population

from ambergate_extension.pipeline import Answer, Gate
from ambergate_policies.advice import Shown
from ambergate_policies.authorisation import Session
from ambergate_policies.cohorts import Cohorts
from ambergate_policies.verdict import Decision, Finding


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    folder: Path = tmp_path_factory.mktemp("withheld")
    population.write(folder / "small.duckdb")
    gate = gates.near_gate(folder / "small.duckdb", folder)
    yield gate
    gate.close()


def advice(answer: Answer) -> Finding:
    """The first finding that something was suppressed for."""
    assert answer.verdict == "released"
    return next(finding for finding in answer.findings if finding.action is Decision.SUPPRESS)


def shown(answer: Answer) -> int:
    assert answer.table is not None
    return answer.table.num_rows


@pytest.mark.parametrize(
    ("sql", "hint", "rewrite"),
    [
        ("SELECT region, registered_on, count(*) AS n FROM person GROUP BY region, registered_on",
         "registered_on is the finest of what is grouped by; year(registered_on) is coarser",
         "SELECT region, year(registered_on) AS registered_on, count(*) AS n FROM person "
         "GROUP BY region, year(registered_on)"),
        ("SELECT happened_on AS day, count(*) FROM event GROUP BY 1",
         "happened_on is the finest of what is grouped by; year(happened_on) is coarser",
         "SELECT year(happened_on) AS day, count(*) FROM event GROUP BY 1"),
        ("SELECT age, sex, region, count(*) AS n FROM person GROUP BY ALL ORDER BY n DESC",
         "age is the finest of what is grouped by; floor(age / 10) * 10 is coarser",
         "SELECT floor(age / 10) * 10 AS age, sex, region, count(*) AS n FROM person GROUP BY ALL ORDER BY n DESC"),
        ("SELECT DISTINCT age, region, imd FROM person",
         "age is the finest of what is grouped by; floor(age / 10) * 10 is coarser",
         "SELECT DISTINCT floor(age / 10) * 10 AS age, region, imd FROM person"),
    ],
)  # fmt: skip
def test_the_finest_key_is_named_and_a_coarser_one_shows_more(gate: Gate, sql: str, hint: str, rewrite: str) -> None:
    before = gate.answer(sql)
    finding = advice(before)
    assert (finding.rule, finding.hint, finding.rewrite) == ("threshold", hint, rewrite)
    assert "withheld altogether: up to " in finding.message
    assert shown(gate.answer(rewrite)) > shown(before)


def test_the_message_tells_the_band_and_what_is_shown_beside_it(gate: Gate) -> None:
    answer = gate.answer("SELECT ethnicity, imd, count(*) FROM person GROUP BY ethnicity, imd")
    finding = next(each for each in answer.findings if "withheld" in each.message)
    assert f"up to {answer.withheld_groups} of them, beside {shown(answer)} that are shown" in finding.message
    assert answer.withheld_groups % 5 == 0


def test_a_key_of_few_values_is_left_out_and_not_made_coarser(gate: Gate) -> None:
    finding = advice(gate.answer("SELECT ethnicity, imd, count(*) FROM person GROUP BY ethnicity, imd"))
    assert finding.rewrite in (
        "SELECT ethnicity, count(*) FROM person GROUP BY ethnicity",
        "SELECT imd, count(*) FROM person GROUP BY imd",
    )


def test_a_total_that_one_person_makes_up_is_offered_as_a_median(gate: Gate) -> None:
    answer = gate.answer("SELECT ethnicity, imd, sum(bmi) FROM person GROUP BY ethnicity, imd")
    finding = next(each for each in answer.findings if each.rule == "dominance")
    assert finding.hint == "no single person moves a median"
    assert finding.rewrite == "SELECT ethnicity, imd, median(bmi) FROM person GROUP BY ethnicity, imd"
    offered = [each.rewrite for each in answer.findings if each.rewrite]
    assert len(offered) == len(set(offered))


def test_a_result_with_nothing_suppressed_offers_nothing(gate: Gate) -> None:
    answer = gate.answer("SELECT sex, count(*) FROM person GROUP BY sex")
    assert answer.verdict == "released" and not answer.suppressed_cells
    assert all(finding.rewrite is None for finding in answer.findings)


@pytest.mark.parametrize(
    ("sql", "rule", "fragment", "hint"),
    [
        ("SELECT count(*) FROM person WHERE died_on = NULL", "null-comparison", "died_on = NULL",
         "write died_on IS NULL"),
        ("SELECT count(*) FROM person WHERE sex = 'F' AND died_on <> NULL", "null-comparison", "died_on <> NULL",
         "write died_on IS NOT NULL"),
        ("SELECT region, count(*) FROM person GROUP BY region HAVING count(*) < 5", "small-groups", "count(*) < 5",
         "ask for larger groups, or all of them"),
    ],
)  # fmt: skip
def test_a_query_that_cannot_say_what_was_meant_gets_a_remark(
    gate: Gate, sql: str, rule: str, fragment: str, hint: str
) -> None:
    (remark,) = [finding for finding in gate.answer(sql).findings if finding.rule == rule]
    assert (remark.action, remark.fragment, remark.hint) == (Decision.RELEASE, fragment, hint)
    assert remark.span is not None and sql[remark.span.start : remark.span.end] == fragment


@pytest.mark.parametrize(
    "sql", ["SELECT count(*) FROM person WHERE died_on IS NULL", "SELECT count(*) FROM person HAVING count(*) > 100"]
)
def test_what_is_well_asked_gets_no_remark(gate: Gate, sql: str) -> None:
    assert not {"null-comparison", "small-groups"} & {finding.rule for finding in gate.answer(sql).findings}


def test_advice_is_a_function_of_the_text_and_of_what_is_shown() -> None:
    """Called twice with the same findings and the same counts of what is shown, it says the same; it is given nothing
    else."""
    kernel, session, today = gates.kernel(), Session(gates.ACCOUNT), gates.NOON.date()
    sql = "SELECT region, age, count(*) FROM person GROUP BY region, age"
    finding = Finding("threshold", Decision.SUPPRESS, "groups of fewer than 10 persons were withheld altogether")
    for given in (Shown(), Shown(4, {0: 2, 1: 3}, 25), Shown(400, {0: 9, 1: 60}, 5)):
        once, again = (kernel.commented((finding,), given, session, sql, today, Cohorts()) for _ in range(2))
        assert once == again
        kernel.understand(session, once[0].rewrite or "", today, Cohorts())


def test_a_held_result_is_told_of_without_anything_that_it_holds(tmp_path: Path) -> None:
    population.write(tmp_path / "small.duckdb")
    gate = gates.near_gate(tmp_path / "small.duckdb", tmp_path, gates.kernel("sdc-default"))
    answer = gate.answer("SELECT ethnicity, imd, sum(bmi) FROM person GROUP BY ethnicity, imd")
    gate.close()
    assert (answer.verdict, answer.table) == ("held", None)
    assert not any("that are shown" in finding.message for finding in answer.findings)
