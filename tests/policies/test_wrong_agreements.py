"""Wrong agreements: each mistake is told with its line, its place and what was probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.small_project import gates

from ambergate_extension.pipeline import read_kernel
from ambergate_policies.agreement import Agreement
from ambergate_policies.documents import DocumentError, parse_document
from ambergate_policies.errors import UserError

TEXT = (gates.HERE / "agreement.yaml").read_text(encoding="utf-8")
TWO_DAYS = "\n    - {name: A, account: amara, trained_on: 2026-01-01, joined: 2026-05-01, left: 2026-06-01}"
LINKS = "  links:\n    clause: 5b\n    permitted:\n      - [person, evnt]\n  tables:"


def wrong(old: str, new: str) -> tuple[str, list[str]]:
    """The changed text, and the problems that reading it tells."""
    assert TEXT.count(old) >= 1
    text = TEXT.replace(old, new, 1)
    with pytest.raises(DocumentError) as caught:
        parse_document(text, Agreement, name="a.yaml")
    return text, caught.value.problems


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "at", "place", "words"),
    [
        # unknown words, with the nearest known one
        ("account: amara,", "account: amara, rle: analyst,", "rle:", "parties.persons.0.rle", "did you mean 'role'?"),
        ("account: amara,", "account: amara, role: reseacher,", "reseacher", "parties.persons.0.role",
         "'reseacher' is not known here; did you mean 'researcher'?"),
        ("account: amara,", "account: amara, role: astronaut,", "astronaut", "parties.persons.0.role",
         "possible: researcher, chief-investigator"),
        ("sector: academic", "sector: acadmic", "acadmic", "parties.organisation.sector", "did you mean 'academic'?"),
        ("category: research", "category: reserch", "category:", "purpose.category", "did you mean 'research'?"),
        ("category: research", "category: marketing", "category:", "purpose.category", "possible: research, planning"),
        ("common_law: consent", "common_law: section-215", "common_law", "law.common_law",
         "did you mean 'section-251'?"),
        ("rule_pack: nhse-sde", "rule_pack: nhse-sde\n  statistics: [count, median]", "statistics",
         "terms.statistics.1", "'median' is not known here"),
        ("territory: worldwide", "territory: [GB-ENGLAND]", "territory", "terms.territory.0", "did you mean 'GB-ENG'?"),
        ("territory: worldwide", "territory: [Atlantis]", "territory", "terms.territory.0", "write ISO 3166 codes"),
        # dates
        ("end: 2027-12-31", "end: 2025-12-31", "end:", "terms.end", "`end` lies before `start`"),
        ("rule_pack: nhse-sde", "review: 2031-01-01\n  rule_pack: nhse-sde", "review", "terms.review",
         "`review` lies outside the agreement's own dates"),
        ("last: 2024-12-31", "last: 2014-12-31", "column: happened_on", "data.tables.1.period.last",
         "`last` lies before `first`"),
                # people
        ("trained_on: 2026-01-01}", "trained_on: 2026-01-01}" + TWO_DAYS, "joined: 2026-05-01",
         "parties.persons.1.account", "'amara' is named twice for the same days (entries 1 and 2)"),
        ("trained_on: 2026-01-01}", "trained_on: 2026-01-01, joined: 2026-05-01, left: 2026-04-01}", "left:",
         "parties.persons.0.left", "`left` lies before `joined`"),
        # tables, columns, links, purposes
        ("table: event", "table: person", "table: person\n      clause: \"5a.2\"", "data.tables.1.table",
         "the table 'person' is granted twice"),
        ("columns: [code, term,", "columns: [code, code,", "columns: [code, code,", "data.tables.3.columns.1",
         "the column 'code' is granted twice"),
        ("  tables:", LINKS, "person, evnt", "data.links.permitted.0.1",
         "the table 'evnt' is not granted; did you mean 'event'?"),
        ("  tables:", LINKS.replace("evnt", "event").replace("  links:", "  linkage: false\n  links:"), "links:",
         "data.links", "`linkage: false` makes impossible"),
        ("reason: diagnoses", "reason: diagnoses\n      purposes: [mian]", "mian", "data.tables.1.purposes.0",
         "there is no purpose 'mian'; did you mean 'main'?"),
        ("reason: diagnoses", "reason: diagnoses\n      uses: {coed: [key]}", "coed", "data.tables.1.uses.coed",
         "the column 'coed' is not granted; did you mean 'code'?"),
        ("reason: diagnoses", "reason: diagnoses\n      uses: {code: [keys]}", "code: [keys]",
         "data.tables.1.uses.code.0", "'keys' is not known here; did you mean 'key'?"),
        # law and terms
        ("common_law: consent", "common_law: section-251", "opt_outs_applied", "law.opt_outs_applied",
         "under section 251 the national data opt-out applies"),
        ("rule_pack: nhse-sde", "rule_pack: NHSE SDE", "rule_pack", "terms.rule_pack", "should match pattern"),
        ("rule_pack: nhse-sde", "rule_pack: nhse-sde\n  commercial: {commercial: true}", "commercial:",
         "terms.commercial", "must say what is promised back"),
        ("  rule_pack: nhse-sde\n", "", "terms:", "terms.rule_pack", "Field required"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_line_place_and_advice(old: str, new: str, at: str, place: str, words: str) -> None:
    text, problems = wrong(old, new)
    (problem,) = [each for each in problems if f": {place}: " in each]
    assert problem.startswith(f"a.yaml:{line_of(text, at)}: "), (problem, line_of(text, at))
    assert words in problem


def test_a_date_that_no_calendar_has_is_told_with_its_line() -> None:
    text, problems = wrong("start: 2026-01-01", "start: 2026-02-30")
    assert problems == [
        f"a.yaml:{line_of(text, '2026-02-30')}: not valid YAML: 2026-02-30 is no date (day is out of range for month)"
    ]


def test_several_mistakes_are_told_at_once_each_at_its_own_line() -> None:
    text = TEXT.replace("category: research", "category: reserch").replace("end: 2027-12-31", "end: 2020-12-31")
    text = text.replace("  tables:", LINKS)
    with pytest.raises(DocumentError) as caught:
        parse_document(text, Agreement, name="a.yaml")
    lines = [int(problem.split(":")[1]) for problem in caught.value.problems]
    assert lines == sorted({line_of(text, part) for part in ("reserch", "evnt", "end: 2020")})


@pytest.mark.parametrize(
    ("old", "new", "at", "words"),
    [
        ("table: event", "table: evnet", "evnet", "the catalogue has no table 'evnet'; did you mean 'event'?"),
        ("columns: [sex, age,", "columns: [sex, agee,", "agee", "person has no column 'agee'; did you mean 'age'?"),
        ("columns: [sex, age,", "columns: [nhs_number, age,", "nhs_number", "identifies people and cannot be granted"),
        ("column: happened_on", "column: hapened_on", "hapened_on", "did you mean 'happened_on'?"),
        ("column: happened_on", "column: code", "column: code", "a period needs a date; event.code is VARCHAR"),
        ("column: method", "column: mehtod", "mehtod", "did you mean 'method'?"),
        ("catalogue: small", "catalogue: smal", "catalogue: smal", "over catalogue 'smal', not 'small'"),
        ("  tables:", LINKS.replace("evnt", "code_list"), "code_list]", "reference tables need no permission"),
    ],
)
def test_what_the_catalogue_does_not_have_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, at: str, words: str
) -> None:
    text = TEXT.replace(old, new, 1)
    path = tmp_path / "agreement.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DocumentError) as caught:
        read_kernel(path, gates.HERE / "catalogue.yaml")
    assert any(
        problem.startswith(f"{path}:{line_of(text, at)}: ") and words in problem for problem in caught.value.problems
    ), caught.value.problems


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("nhse-sdee", "there is no rule pack 'nhse-sdee'; did you mean 'nhse-sde'?"),
        ("nothing-like-it", "available: ess-net, "),
        ("nhse-sde@77", "there is no version '77' of the rule pack 'nhse-sde'; the current one is nhse-sde@"),
    ],
)
def test_an_unknown_rule_pack_is_told_with_those_there_are(tmp_path: Path, named: str, words: str) -> None:
    path = tmp_path / "agreement.yaml"
    path.write_text(TEXT.replace("rule_pack: nhse-sde", f"rule_pack: {named}"), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_kernel(path, gates.HERE / "catalogue.yaml")
    assert words in str(caught.value)
    line = line_of(path.read_text(encoding="utf-8"), "rule_pack")
    assert str(caught.value).startswith(f"{path}:{line}: terms.rule_pack: ")


@pytest.mark.parametrize("words", ["England and Wales", "worldwide", "United Kingdom", "Scotland"])
def test_territories_in_the_words_of_earlier_agreements_are_understood(words: str) -> None:
    text = TEXT.replace("territory: worldwide", f"territory: {words}")
    (code,) = parse_document(text, Agreement, name="a.yaml").terms.territory
    assert code in {"GB-EAW", "worldwide", "GB", "GB-SCT"}


@pytest.mark.parametrize("role", ["principal investigator", "Statistician", "chief-investigator"])
def test_roles_are_understood_with_spaces_and_capitals(role: str) -> None:
    text = TEXT.replace("account: amara,", f"account: amara, role: {role},")
    assert parse_document(text, Agreement, name="a.yaml").parties.persons[0].role.may_query
