"""Each field of an agreement alone can refuse: one test for each, with the clause that the refusal cites."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.small_project import gates, population

from ambergate_extension.pipeline import Gate
from ambergate_extension.replay import NothingRecorded
from ambergate_policies.agreement import Agreement, PersonRole
from ambergate_policies.authorisation import Session
from ambergate_policies.cohorts import Cohorts, CohortTable, PreparedCohort
from ambergate_policies.kernel import Kernel
from ambergate_policies.packs import read_pack
from ambergate_policies.territory import lies_within
from ambergate_policies.verdict import Finding, QueryRefused

TODAY = gates.NOON.date()
COUNT = "SELECT count(*) FROM person"
HERE = {"account": "amara", "on": TODAY, "territory": "GB-ENG"}
SECOND = {"id": "audit", "category": "audit", "objective": "o", "processing": "p", "expected_outputs": "e",
          "expected_benefit": "b", "clause": "3.2"}  # fmt: skip


def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((gates.HERE / "agreement.yaml").read_text(encoding="utf-8"))
    loaded["parties"]["clause"] = "2"
    loaded["purpose"]["clause"] = "3"
    loaded["terms"] |= {"clause": "6", "territory": ["GB-EAW"]}
    return loaded


def kernel_of(changed: dict[str, Any], pack: str = "nhse-sde") -> Kernel:
    return Kernel(gates.catalogue(), Agreement.model_validate(changed), read_pack(pack))


def refused(kernel: Kernel, sql: str = COUNT, **session: Any) -> Finding:
    with pytest.raises(QueryRefused) as caught:
        kernel.prepare(sql, **{**HERE, **session})
    return caught.value.findings[0]


def said(finding: Finding) -> tuple[str, str | None]:
    return finding.rule, finding.clause


def test_the_agreement_as_it_stands_lets_the_named_researcher_ask() -> None:
    kernel_of(document()).prepare(COUNT, **HERE)


def test_suspension_refuses() -> None:
    assert said(refused(kernel_of(document() | {"suspended": True}))) == ("suspended", "6")


@pytest.mark.parametrize("day", [date(2025, 12, 31), date(2028, 1, 1)])
def test_start_and_end_refuse(day: date) -> None:
    assert said(refused(kernel_of(document()), on=day)) == ("not-in-force", "6")


def test_a_person_who_is_not_named_is_refused() -> None:
    assert said(refused(kernel_of(document()), account="bilal")) == ("not-named", "2")


@pytest.mark.parametrize("days", [{"joined": TODAY + timedelta(1)}, {"left": TODAY - timedelta(1)}])
def test_a_person_is_named_only_while_they_belong_to_the_project(days: dict[str, date]) -> None:
    changed = document()
    changed["parties"]["persons"][0] |= days
    kernel = kernel_of(changed)
    assert said(refused(kernel)) == ("not-named", "2")
    kernel.prepare(COUNT, **{**HERE, "on": next(iter(days.values()))})


@pytest.mark.parametrize("role", list(PersonRole))
def test_only_those_whose_role_analyses_may_ask(role: PersonRole) -> None:
    changed = document()
    changed["parties"]["persons"][0]["role"] = role.value
    if role.may_query:
        kernel_of(changed).prepare(COUNT, **HERE)
    else:
        finding = refused(kernel_of(changed))
        assert said(finding) == ("role", "2")
        assert role.value in finding.message


def test_some_roles_may_ask_and_some_may_not() -> None:
    without = {PersonRole.CHECKER, PersonRole.ADMINISTRATOR, PersonRole.OBSERVER, PersonRole.DATA_MANAGER}
    assert {role for role in PersonRole if not role.may_query} == without


def test_a_commercial_organisation_needs_commercial_terms() -> None:
    changed = document()
    changed["parties"]["organisation"] = {"name": "A company", "sector": "commercial"}
    finding = refused(kernel_of(changed))
    assert said(finding) == ("commercial", "6")
    assert "A company" in finding.message
    changed["terms"]["commercial"] = {"commercial": True, "promised_back": "all results are published"}
    kernel_of(changed).prepare(COUNT, **HERE)


def test_a_person_of_a_commercial_partner_is_refused_where_the_others_are_not() -> None:
    changed = document()
    partner = {"name": "A company", "sector": "commercial"}
    persons = changed["parties"]["persons"]
    persons.append({"name": "B", "account": "bilal", "trained_on": TODAY, "organisation": partner})
    kernel = kernel_of(changed)
    kernel.prepare(COUNT, **HERE)
    assert said(refused(kernel, account="bilal")) == ("commercial", "6")


@pytest.mark.parametrize("territory", ["GB-SCT", "FR", "GB", None])
def test_a_gate_outside_the_territory_of_use_refuses(territory: str | None) -> None:
    assert said(refused(kernel_of(document()), territory=territory)) == ("territory", "6")


def test_somebody_who_works_from_outside_the_territory_is_refused() -> None:
    changed = document()
    changed["parties"]["persons"][0]["works_from"] = "FR"
    assert said(refused(kernel_of(changed))) == ("territory", "6")
    changed["terms"]["territory"] = ["GB", "EEA"]
    kernel_of(changed).prepare(COUNT, **HERE)


@pytest.mark.parametrize(
    ("place", "territory", "within"),
    [
        ("GB-ENG", ("GB",), True),
        ("GB-ENG", ("GB-EAW",), True),
        ("GB", ("GB-EAW",), False),
        ("GB", ("GB-EAW", "GB-SCT", "GB-NIR"), True),
        ("GB-GBN", ("GB",), True),
        ("FR", ("EEA",), True),
        ("EU", ("EEA",), True),
        ("EEA", ("EU",), False),
        ("GB", ("EEA",), False),
        ("US", ("worldwide",), True),
        ("CH", ("EEA", "GB"), False),
    ],
)
def test_a_place_lies_within_a_territory_when_all_of_it_does(
    place: str, territory: tuple[str, ...], within: bool
) -> None:
    assert lies_within(place, territory) == within


def test_of_several_purposes_a_session_must_choose_one() -> None:
    kernel = kernel_of(document() | {"further_purposes": [SECOND]})
    finding = refused(kernel)
    assert said(finding) == ("purpose", "3")
    assert finding.hint and "main, audit" in finding.hint
    assert said(refused(kernel, purpose="marketing")) == ("purpose", "3")
    kernel.prepare(COUNT, **HERE, purpose="audit")


def test_a_purpose_that_the_agreement_does_not_have_is_refused_though_it_has_only_one() -> None:
    assert said(refused(kernel_of(document()), purpose="audit")) == ("purpose", "3")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM event",
        "SELECT count(*) FROM person p JOIN event e USING (person_id)",
        "SELECT count(*) FROM person WHERE person_id IN (SELECT person_id FROM event)",
        "WITH e AS (SELECT person_id FROM event) SELECT count(*) FROM e",
    ],
)
def test_a_table_that_is_granted_for_another_purpose_is_refused(sql: str) -> None:
    changed = document() | {"further_purposes": [SECOND]}
    changed["data"]["tables"][1]["purposes"] = ["audit"]
    kernel = kernel_of(changed)
    finding = refused(kernel, sql, purpose="main")
    assert said(finding) == ("purpose", "5a.2")
    assert finding.fragment == "event" or finding.fragment == "event e"
    kernel.prepare(sql, **HERE, purpose="audit")


def test_a_reference_table_that_is_granted_for_another_purpose_is_refused() -> None:
    changed = document() | {"further_purposes": [SECOND]}
    changed["data"]["tables"][3]["purposes"] = ["audit"]
    for sql in (
        "SELECT * FROM code_list",
        "SELECT c.chapter, count(*) FROM event e JOIN code_list c USING (code) GROUP BY 1",
    ):
        assert said(refused(kernel_of(changed), sql, purpose="main")) == ("purpose", "5a.4")


def test_a_table_that_is_not_granted_is_refused() -> None:
    assert said(refused(kernel_of(document()), "SELECT count(*) FROM secret_note")) == ("unknown-table", "data")


def test_a_column_that_is_not_granted_is_refused() -> None:
    finding = refused(kernel_of(document()), "SELECT practice, count(*) FROM person GROUP BY practice")
    assert said(finding) == ("unknown-column", "5a.1")


def test_a_statistic_that_is_not_granted_is_refused() -> None:
    changed = document()
    changed["terms"]["statistics"] = ["count"]
    assert said(refused(kernel_of(changed), "SELECT avg(bmi) FROM person")) == ("statistic", "6")


@pytest.mark.parametrize("named", ["sdc-default", "nhse-sde@0"])
def test_another_rule_pack_than_the_agreement_names_is_refused(named: str) -> None:
    changed = document()
    changed["terms"]["rule_pack"] = named
    assert said(refused(kernel_of(changed))) == ("rule-pack", "6")


def test_a_rule_pack_held_at_the_version_that_there_is_is_accepted() -> None:
    changed = document()
    changed["terms"]["rule_pack"] = read_pack("nhse-sde").reference
    kernel_of(changed).prepare(COUNT, **HERE)


def test_the_period_and_the_cohort_stand_in_every_statement() -> None:
    """Row filters refuse rows, not queries: they are below everything that the engine is asked."""
    (step,) = kernel_of(document()).prepare("SELECT count(*) FROM event", **HERE).steps
    assert "2015-01-01" in step.statement and "2024-12-31" in step.statement
    (step,) = kernel_of(document()).prepare("SELECT count(*) FROM admission", **HERE).steps
    assert all(value in step.statement for value in ("11", "12", "21", "22"))


KEYED = [
    "SELECT region, count(*) FROM person GROUP BY region",
    "SELECT DISTINCT region FROM person",
    "SELECT left(region, 2), count(*) FROM person GROUP BY 1",
    "SELECT CASE WHEN region IS NULL THEN 'none' ELSE region END AS r, count(*) FROM person GROUP BY r",
    "SELECT r, count(*) FROM (SELECT person_id, region AS r FROM person) GROUP BY r",
    "WITH p AS (SELECT person_id, upper(region) AS r FROM person) "
    "SELECT r, count(*) FROM p JOIN event USING (person_id) GROUP BY r",
    "SELECT r, count(*) FROM (SELECT person_id, max(region) AS r FROM person GROUP BY person_id) GROUP BY r",
]
FILTERED = [
    "SELECT count(*) FROM person WHERE region = 'North'",
    "SELECT count(*) FROM person WHERE region IN ('North', 'South')",
    "SELECT count(*) FROM person WHERE region LIKE 'N%'",
    "SELECT count(*) FILTER (WHERE region > 'M') FROM person",
    "SELECT avg(CASE WHEN region = 'North' THEN 1 ELSE 0 END) FROM person",
    "SELECT count(*) FROM event WHERE person_id IN (SELECT person_id FROM person WHERE region = 'North')",
    "SELECT count(*) FROM (SELECT person_id, upper(region) AS r FROM person) WHERE r = 'NORTH'",
]
MEASURED = ["SELECT count(DISTINCT region) FROM person", "SELECT count(region) FROM person"]


def using(*uses: str) -> Kernel:
    changed = document()
    changed["data"]["tables"][0]["uses"] = {"region": list(uses)}
    return kernel_of(changed)


@pytest.mark.parametrize(
    ("left_out", "others", "queries"),
    [("key", ("filter", "measure"), KEYED), ("filter", ("key", "measure"), FILTERED),
     ("measure", ("key", "filter"), MEASURED)],
)  # fmt: skip
def test_a_column_is_used_only_as_it_is_granted_whatever_is_made_of_it(
    left_out: str, others: tuple[str, ...], queries: list[str]
) -> None:
    for sql in queries:
        finding = refused(using(*others), sql)
        assert said(finding) == ("column-use", "5a.1"), sql
        assert finding.fragment == "region"
        using(left_out, *others).prepare(sql, **HERE)


def test_a_column_without_uses_may_be_used_in_every_way_and_one_with_none_only_be_there() -> None:
    for sql in (*KEYED, *FILTERED, *MEASURED):
        kernel_of(document()).prepare(sql, **HERE)
        assert refused(using(), sql).rule == "column-use"
    using().prepare("SELECT sex, count(*) FROM person GROUP BY sex", **HERE)


LINKS = {"clause": "5b", "permitted": [["person", "event"], ["person", "admission"]]}
FORBIDDEN = [
    "SELECT count(*) FROM event e JOIN admission a ON e.person_id = a.patient",
    "SELECT count(*) FROM event e, admission a WHERE e.person_id = a.patient",
    "SELECT count(*) FROM event e LEFT JOIN admission a ON e.person_id = a.patient",
    "SELECT count(*) FROM event e SEMI JOIN admission a ON e.person_id = a.patient",
    "SELECT count(*) FROM event WHERE person_id IN (SELECT patient FROM admission)",
    "SELECT count(*) FROM event WHERE person_id NOT IN (SELECT patient FROM admission)",
    "SELECT count(*) FROM event e WHERE EXISTS (SELECT 1 FROM admission a WHERE a.patient = e.person_id)",
    "SELECT count(*) FROM event e WHERE EXISTS (SELECT 1 FROM admission a WHERE a.patient = e.person_id "
    "AND a.admitted_on > e.happened_on)",
    "WITH a AS (SELECT patient FROM admission) SELECT count(*) FROM event e JOIN a ON e.person_id = a.patient",
    "SELECT count(*) FROM (SELECT person_id FROM event) e JOIN (SELECT patient FROM admission) a "
    "ON e.person_id = a.patient",
    "SELECT count(*) FROM (SELECT person_id FROM event UNION ALL SELECT patient FROM admission) AS x",
    "SELECT count(*) FROM (SELECT person_id FROM event EXCEPT SELECT patient FROM admission) AS x",
    "SELECT count(*) FROM (SELECT person_id FROM event INTERSECT SELECT patient FROM admission) AS x",
    # each pair with `person` is permitted, the two through it are not
    "SELECT count(*) FROM person p JOIN event e USING (person_id) JOIN admission a ON p.person_id = a.patient",
    "SELECT count(*) FROM person p WHERE person_id IN (SELECT person_id FROM event) "
    "AND person_id IN (SELECT patient FROM admission)",
    "SELECT count(*) FROM person p JOIN (SELECT e.person_id FROM event e JOIN admission a "
    "ON e.person_id = a.patient) x ON p.person_id = x.person_id",
]  # fmt: skip


def linking(links: dict[str, Any] | None, **data: Any) -> Kernel:
    changed = document()
    changed["data"] |= ({"links": links} if links else {}) | data
    return kernel_of(changed)


@pytest.mark.parametrize("sql", FORBIDDEN)
def test_tables_that_may_not_be_linked_are_refused_however_they_meet(sql: str) -> None:
    finding = refused(linking(LINKS), sql)
    assert said(finding) == ("linkage", "5b")
    assert "'event'" in finding.message and "'admission'" in finding.message
    assert finding.span is not None and finding.fragment and finding.fragment.split()[0] in ("event", "admission")
    linking(None).prepare(sql, **HERE)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM person p JOIN event e USING (person_id)",
        "SELECT count(*) FROM person p JOIN admission a ON p.person_id = a.patient",
        "SELECT count(*) FROM event a JOIN event b USING (person_id)",
        "SELECT c.chapter, count(*) FROM event e JOIN code_list c USING (code) GROUP BY 1",
    ],
)
def test_what_may_be_linked_is_linked(sql: str) -> None:
    linking(LINKS).prepare(sql, **HERE)


def test_an_agreement_without_linkage_links_nothing() -> None:
    kernel = linking(None, linkage=False)
    assert said(refused(kernel, FORBIDDEN[0])) == ("linkage", "data")
    kernel.prepare("SELECT count(*) FROM event a JOIN event b USING (person_id)", **HERE)


def test_a_cohort_table_carries_the_tables_it_was_made_from_into_every_later_link() -> None:
    kernel, session = linking(LINKS), Session("amara", None, "GB-ENG")
    sql = "CREATE TABLE ill AS SELECT person_id FROM event WHERE code = 'A'"
    made = kernel.understand(session, sql, TODAY, Cohorts(data_version="v"))
    assert isinstance(made, PreparedCohort)
    sha256 = made.definition.sha256
    ill = CohortTable("0" * 16, "ill", sql, TODAY, (), sha256, "v", "amara", gates.NOON)
    cohorts = Cohorts([ill], {"ill": ill.id}, "v")
    kernel.understand(session, "SELECT count(*) FROM person JOIN ill USING (person_id)", TODAY, cohorts)
    for query in (
        "SELECT count(*) FROM admission a JOIN ill ON a.patient = ill.person_id",
        "CREATE TABLE both AS SELECT patient FROM admission WHERE patient IN (SELECT person_id FROM ill)",
    ):
        with pytest.raises(QueryRefused) as caught:
            kernel.understand(session, query, TODAY, cohorts)
        assert said(caught.value.findings[0]) == ("linkage", "5b")


def test_two_boundaries_of_one_query_link_nobody() -> None:
    sql = "SELECT (SELECT count(*) FROM admission) AS admissions, count(*) AS events FROM event"
    linking(LINKS).prepare(sql, **HERE)


def test_the_log_says_for_which_purpose_each_query_was_asked(tmp_path: Path) -> None:
    population.write(tmp_path / "small.duckdb")
    engine, log = gates.NearEngine(tmp_path / "small.duckdb", tmp_path), NothingRecorded()
    kernel = kernel_of(document() | {"further_purposes": [SECOND]})
    gate = Gate(kernel=kernel, engine=engine, recorder=log, account="amara", territory="GB-ENG", now=lambda: gates.NOON)
    answers = [gate.answer(COUNT, purpose=purpose).verdict for purpose in ("audit", "main", None, "marketing")]
    gate.close()
    assert answers == ["released", "released", "refused", "refused"]
    assert [entry.body["purpose"] for entry in log.entries] == ["audit", "main", None, None]


def test_a_gate_that_declares_no_territory_answers_nothing(tmp_path: Path) -> None:
    population.write(tmp_path / "small.duckdb")
    gate = gates.near_gate(tmp_path / "small.duckdb", tmp_path, kernel_of(document()))
    answer = gate.answer(COUNT)
    gate.close()
    assert (answer.verdict, answer.findings[0].rule) == ("refused", "territory")


def test_an_administrators_trial_is_named_nowhere_and_stands_nowhere() -> None:
    kernel_of(document()).prepare(COUNT, account=None, on=TODAY)
