"""Agreements and catalogues as files: line numbers, suggestions, and what the schema makes impossible."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from tests.small_project import gates

from ambergate_policies.agreement import Agreement, read_agreement
from ambergate_policies.catalogue import Catalogue
from ambergate_policies.documents import DocumentError, parse_document
from ambergate_policies.errors import UserError
from ambergate_policies.kernel import Kernel
from ambergate_policies.packs import read_pack
from ambergate_policies.verdict import QueryRefused

AGREEMENT = (gates.HERE / "agreement.yaml").read_text(encoding="utf-8")
CATALOGUE = (gates.HERE / "catalogue.yaml").read_text(encoding="utf-8")


def problem(old: str, new: str, text: str = AGREEMENT, model: type = Agreement) -> str:
    """The first problem of a document in which `old` was written as `new`."""
    assert old in text
    with pytest.raises(DocumentError) as caught:
        parse_document(text.replace(old, new, 1), model, name="a.yaml")
    return caught.value.problems[0]


def line_of(part: str, text: str = AGREEMENT) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_a_mistyped_key_is_named_with_its_line_and_a_guess() -> None:
    found = problem("rule_pack: nhse-sde", "rule_pak: nhse-sde\n  rule_pack: nhse-sde")
    assert found.startswith(f"a.yaml:{line_of('rule_pack')}: terms.rule_pak:")
    assert "did you mean 'rule_pack'?" in found


def test_a_missing_key_is_reported_at_its_parent() -> None:
    found = problem("  rule_pack: nhse-sde\n", "")
    assert found.startswith(f"a.yaml:{line_of('terms:')}: terms.rule_pack: Field required")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("category: research", "category: marketing", "'marketing' is not known here"),
        ("category: research", "category: insurance", "'insurance' is not known here"),
        ("start: 2026-01-01", "start: 2029-01-01", "`end` lies before `start`"),
        ("first: 2015-01-01", "first: 2035-01-01", "`last` lies before `first`"),
        ("project: small", "project: Small Project", "project slug"),
        ("account: amara", "account: Amara!", "account name"),
        ("table: event", "table: person", "granted twice"),
        ("rule_pack: nhse-sde", "rule_pack: nhse-sde\n  commercial: {commercial: true}", "promised back"),
        ("columns: [region, population]", "columns: []", "at least 1 item"),
    ],
)
def test_a_wrong_agreement_says_what_is_wrong(old: str, new: str, words: str) -> None:
    assert words in problem(old, new)


def test_a_key_given_twice_is_an_error() -> None:
    with pytest.raises(DocumentError) as caught:
        parse_document(AGREEMENT + "\nproject: other\n", Agreement, name="a.yaml")
    assert "given twice" in str(caught.value)


def test_text_that_is_no_yaml_says_where() -> None:
    with pytest.raises(DocumentError) as caught:
        parse_document("agreement: [1, 2\nversion: x", Agreement, name="a.yaml")
    assert str(caught.value).startswith("a.yaml:")


def test_no_is_a_word_and_not_a_truth_value() -> None:
    found = problem("opt_outs_applied: false", "opt_outs_applied: null")
    assert "opt_outs_applied" in found


def test_a_file_that_cannot_be_read_is_an_error_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(DocumentError):
        read_agreement(tmp_path / "missing.yaml")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("source: gp\n    kind: reference", "source: nowhere\n    kind: reference", "not declared"),
        ("  event:\n", "  PERSON:\n", "differ only in case"),
        ("owner: patient", "owner: admission_id", "must have the role owner"),
        ("    owner: patient\n", "", "names its `owner`"),
        ("identifier: nhs_number}", "}", "exactly when"),
        ("    kind: reference", "    kind: reference\n    owner: x", "has no `owner`"),
    ],
)
def test_a_wrong_catalogue_says_what_is_wrong(old: str, new: str, words: str) -> None:
    assert words in problem(old, new, CATALOGUE, Catalogue)


def with_agreement(old: str, new: str) -> Kernel:
    agreement = parse_document(AGREEMENT.replace(old, new, 1), Agreement, name="a.yaml")
    return Kernel(gates.catalogue(), agreement, read_pack("nhse-sde"))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("catalogue: small", "catalogue: other", "not 'small'"),
        ("table: region_size", "table: regions", "no table 'regions'"),
        ("columns: [sex, age", "columns: [gender, age", "no column 'gender'"),
        ("columns: [sex, age", "columns: [nhs_number, age", "identifies people"),
        ("column: happened_on", "column: happened", "no column 'happened'"),
        ("column: method", "column: nhs", "no column 'nhs'"),
    ],
)
def test_an_agreement_that_does_not_fit_its_catalogue_opens_no_kernel(old: str, new: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        with_agreement(old, new)
    assert words in str(caught.value)


SQL = "SELECT count(*) FROM person"


def refused(kernel: Kernel, account: str | None, on: date) -> tuple[str, str | None]:
    with pytest.raises(QueryRefused) as caught:
        kernel.prepare(SQL, account=account, on=on)
    finding = caught.value.findings[0]
    return finding.rule, finding.clause


TODAY = gates.NOON.date()


def test_only_a_named_person_may_ask() -> None:
    kernel = gates.kernel()
    kernel.prepare(SQL, account="amara", on=TODAY)
    assert refused(kernel, "bilal", TODAY) == ("not-named", "parties")
    assert refused(kernel, "", TODAY)[0] == "not-named"
    assert refused(kernel, "AMARA", TODAY)[0] == "not-named"


def test_an_administrator_may_try_an_agreement_without_being_named() -> None:
    gates.kernel().prepare(SQL, account=None, on=TODAY)


@pytest.mark.parametrize("day", [date(2025, 12, 31), date(2028, 1, 1)])
def test_an_agreement_counts_between_its_dates_only(day: date) -> None:
    assert refused(gates.kernel(), "amara", day) == ("not-in-force", "6")


@pytest.mark.parametrize("day", [date(2026, 1, 1), date(2027, 12, 31)])
def test_the_first_and_the_last_day_are_included(day: date) -> None:
    gates.kernel().prepare(SQL, account="amara", on=day)


def test_a_suspended_agreement_answers_nobody() -> None:
    kernel = with_agreement("version:", "suspended: true\nversion:")
    assert refused(kernel, "amara", TODAY)[0] == "suspended"
    assert refused(kernel, None, TODAY)[0] == "suspended"


@pytest.mark.parametrize(
    ("statistic", "sql"),
    [
        ("sum", "SELECT sum(bmi) FROM person"),
        ("mean", "SELECT avg(bmi) FROM person"),
        ("spread", "SELECT stddev(bmi) FROM person"),
        ("percentile", "SELECT median(bmi) FROM person"),
        ("proportion", "SELECT avg(smoker::int) FROM person"),
    ],
)
def test_a_statistic_that_the_agreement_does_not_name_is_refused_with_its_clause(statistic: str, sql: str) -> None:
    kernel = with_agreement("rule_pack: nhse-sde", "rule_pack: nhse-sde\n  statistics: [count]")
    with pytest.raises(QueryRefused) as caught:
        kernel.prepare(sql, account="amara", on=TODAY)
    finding = caught.value.findings[0]
    assert (finding.rule, finding.clause) == ("statistic", "6")
    assert statistic in finding.message
    kernel.prepare(SQL, account="amara", on=TODAY)
