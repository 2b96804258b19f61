"""Provisioning: exactly the agreed rows and columns, under pseudonyms, or the version before stays."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest
import yaml
from small_centre import SMALL_AGREEMENT, DataCentre, small_agreement, stay_line

import ambergate_datasets.provisioning.run as run
from ambergate_datasets.engines.connection import Limits, attach, connect
from ambergate_datasets.files import only_writer
from ambergate_datasets.keys import KeyStore
from ambergate_datasets.landing import land
from ambergate_datasets.provisioning import ProvisionReport, provision
from ambergate_datasets.provisioning.build import build_tables
from ambergate_datasets.provisioning.run import with_indexes
from ambergate_datasets.state import private_folder
from ambergate_policies.agreement import Agreement, read_agreement
from ambergate_policies.catalogue import Catalogue, PersonIndex, read_catalogue
from ambergate_policies.errors import IntegrityError, OperatorError, Refused, UserError
from ambergate_policies.places import ONLY_INDEX, PERSON_INDEX

STAYS = [
    stay_line("p1", 101, days="1"),
    stay_line("p2", 102, days="2", admitted="15/06/2020", sex="M"),
    stay_line("p2", 103, days="3", admitted="31/12/2019"),  # outside the period
    stay_line("p3", 104, days="4", born="1925-01-01", postcode="B1 1AA"),
    stay_line("p3", 105, days="5", admitted=""),  # no date: outside
]
VISITS = ("p1|101|A", "p3|104|B", "p4||C")


def ready(centre: DataCentre, stays: list[str] | None = None, visits: tuple[str, ...] = VISITS) -> DataCentre:
    """Landed, with an opt-out step that found nobody."""
    centre.write_extracts(STAYS if stays is None else stays, visits)
    land(centre.catalogue, centre.raw, centre.state, record=centre.record)
    centre.object_to()
    return centre


def provisioned(centre: DataCentre, agreement: Agreement, **changes: Any) -> ProvisionReport:
    return provision(agreement, centre.catalogue, centre.state, record=centre.record, **changes)


def changed(path: str, value: Any) -> Agreement:
    """The small agreement with one entry, given by a dotted path, replaced."""
    document = yaml.safe_load(SMALL_AGREEMENT)
    *folders, last = path.split(".")
    place: Any = document
    for part in folders:
        place = place[int(part)] if part.isdigit() else place[part]
    place[last] = value
    return Agreement.model_validate(document)


def test_only_granted_columns_and_the_owner_reach_the_project(centre: DataCentre, agreement: Agreement) -> None:
    provisioned(ready(centre), agreement)
    sql = "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'stay' ORDER BY column_index"
    columns = centre.project_rows("alpha", sql)
    assert columns == [
        ("person_id", "UUID"),
        ("sex", "VARCHAR"),
        ("stay_id", "BIGINT"),
        ("admitted", "DATE"),
        ("days", "INTEGER"),
        ("cost", "DOUBLE"),
        ("code", "VARCHAR"),
        ("year", "INTEGER"),
        ("month", "DATE"),
        ("age_band", "VARCHAR"),
        ("area", "VARCHAR"),
        (ONLY_INDEX, "UINTEGER"),
    ]


def test_derivations_coarsen_as_declared(centre: DataCentre, agreement: Agreement) -> None:
    """Born 15 June 1980: still 39 on 14 June 2020, 40 on the day after."""
    provisioned(ready(centre), agreement)
    rows = centre.project_rows("alpha", "SELECT days, year, month::VARCHAR, age_band, area FROM stay ORDER BY days")
    assert rows == [
        (1, 2020, "2020-06-01", "35-39", "LS"),
        (2, 2020, "2020-06-01", "40-44", "LS"),
        (4, 2020, "2020-06-01", "90+", "B"),
    ]


def test_lineage_accounts_for_every_landed_row(centre: DataCentre, agreement: Agreement) -> None:
    centre.write_extracts(STAYS, VISITS)
    land(centre.catalogue, centre.raw, centre.state, record=centre.record)
    centre.object_to(rows=(("stay", 1),), persons=(2,))  # p1's stay by number; p3, found only by linkage
    report = provisioned(centre, agreement)
    stay, visit, codes = report.tables
    assert (stay.landed, stay.opted_out_before_linkage, stay.opted_out_after_linkage) == (5, 1, 2)
    assert (stay.outside_period, stay.unlinked, stay.provisioned, stay.persons) == (1, 0, 1, 1)
    assert (visit.landed, visit.opted_out_after_linkage, visit.provisioned, visit.persons) == (3, 1, 2, 2)
    assert (codes.landed, codes.provisioned, codes.persons) == (2, 2, 0)
    for table in report.tables:
        out = table.opted_out_before_linkage + table.opted_out_after_linkage + table.unlinked
        assert table.landed == out + table.outside_period + table.outside_cohort + table.provisioned
    assert report.persons == 3


def test_who_objected_is_not_in_the_project(centre: DataCentre, agreement: Agreement) -> None:
    centre.write_extracts(STAYS, VISITS)
    land(centre.catalogue, centre.raw, centre.state, record=centre.record)
    centre.object_to(rows=(("stay", 1), ("visit", 1)), persons=(2,))
    provisioned(centre, agreement)
    assert centre.project_rows("alpha", "SELECT days FROM stay") == [(2,)]
    assert centre.project_rows("alpha", "SELECT note FROM visit") == [("C",)]


def test_an_objection_of_a_kind_that_does_not_reach_the_source_leaves_it(
    centre: DataCentre, agreement: Agreement
) -> None:
    ready(centre)
    with centre.red(read_only=False) as connection:
        connection.execute("INSERT INTO red.optout.persons VALUES (0, 'type-1')")
    assert provisioned(centre, agreement).tables[0].opted_out_after_linkage == 0


def test_a_cohort_keeps_only_its_values(centre: DataCentre) -> None:
    report = provisioned(ready(centre), changed("data.tables.0.cohort", {"column": "sex", "values": ["M"]}))
    assert report.tables[0].outside_cohort == 2
    assert centre.project_rows("alpha", "SELECT DISTINCT sex FROM stay") == [("M",)]


def test_tables_join_on_the_owner_and_on_record_keys(centre: DataCentre, agreement: Agreement) -> None:
    provisioned(ready(centre), agreement)
    joined = "SELECT days, note FROM stay JOIN visit USING (person_id, stay_id) ORDER BY days"
    assert centre.project_rows("alpha", joined) == [(1, "A"), (4, "B")]
    raw = centre.project_rows("alpha", "SELECT count(*) FROM stay WHERE stay_id BETWEEN 100 AND 110")
    assert raw == [(0,)], "the source's own record keys stay in the red zone"


def test_an_agreement_without_linkage_has_other_pseudonyms_in_every_table(centre: DataCentre) -> None:
    provisioned(ready(centre), changed("data.linkage", False))
    assert centre.project_rows("alpha", "SELECT count(*) FROM stay JOIN visit USING (person_id)") == [(0,)]


def test_two_projects_over_the_same_people_cannot_be_joined(centre: DataCentre, agreement: Agreement) -> None:
    ready(centre)
    provisioned(centre, agreement)
    provisioned(centre, changed("project", "beta"))
    for column in ("person_id", "stay_id"):
        alpha, beta = (set(centre.project_rows(p, f"SELECT {column} FROM stay")) for p in ("alpha", "beta"))
        assert len(alpha) == len(beta) == 3
        assert not alpha & beta


def test_the_order_of_the_raw_rows_changes_nothing(centre: DataCentre, agreement: Agreement) -> None:
    provisioned(ready(centre), agreement)
    before = [centre.project_rows("alpha", f"FROM {table}") for table in ("stay", "visit", "code_list")]
    ready(centre, STAYS[::-1], VISITS[::-1])
    assert not provisioned(centre, agreement).unchanged
    assert [centre.project_rows("alpha", f"FROM {table}") for table in ("stay", "visit", "code_list")] == before


def test_a_person_keeps_the_pseudonym_when_the_extract_is_refreshed(centre: DataCentre, agreement: Agreement) -> None:
    sql = "SELECT person_id FROM visit WHERE note = 'B'"
    provisioned(ready(centre), agreement)
    before = centre.project_rows("alpha", sql)
    ready(centre, [stay_line("p0", 90), *STAYS], ("p00||Z", *VISITS))
    provisioned(centre, agreement)
    assert centre.project_rows("alpha", sql) == before


def test_rows_of_a_person_stand_together(centre: DataCentre, agreement: Agreement) -> None:
    ready(centre, [stay_line(f"p{n % 40}", n) for n in range(400)])
    provisioned(centre, agreement)
    owners = [row[0] for row in centre.project_rows("alpha", "SELECT person_id FROM stay")]
    assert owners == sorted(owners)
    assert len(set(owners)) == 40


@pytest.mark.parametrize("step", ["build_tables", "refuse_identifiers", "_report", "_publish"])
def test_a_crash_at_any_step_leaves_the_version_before(
    centre: DataCentre, agreement: Agreement, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    provisioned(ready(centre), agreement)
    folder = centre.state.project("alpha")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    ready(centre, STAYS[:2])

    def crash(*_: Any, **__: Any) -> Iterator[None]:
        raise RuntimeError("power cut")

    monkeypatch.setattr(run, step, crash)
    with pytest.raises(RuntimeError):
        provisioned(centre, agreement)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    monkeypatch.undo()
    assert provisioned(centre, agreement).tables[0].provisioned == 2


def test_nothing_is_published_without_a_log_entry(centre: DataCentre, agreement: Agreement) -> None:
    ready(centre)
    centre.record.broken = True
    with pytest.raises(OSError, match="log"):
        provisioned(centre, agreement)
    assert {path.name for path in centre.state.project("alpha").iterdir()} == {".lock"}


def test_the_same_agreement_over_the_same_landing_is_not_built_again(centre: DataCentre, agreement: Agreement) -> None:
    first = provisioned(ready(centre), agreement)
    second = provisioned(centre, agreement)
    assert (first.unchanged, second.unchanged) == (False, True)
    assert second.tables == first.tables
    assert [entry.kind for entry in centre.record.entries] == ["landing", "provision"]
    assert not provisioned(centre, changed("version", "2")).unchanged


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("data.tables.0.table", "stays", r"clause 5a: unknown table 'stays'; did you mean 'stay'"),
        (
            "data.tables.0.columns",
            ["sexx", "admitted"],
            r"clause 5a: table 'stay': unknown column 'sexx'; did you mean 'sex'",
        ),
        ("data.tables.0.columns", ["nhs_number", "admitted"], r"'nhs_number' identifies people"),
        ("data.tables.0.period", {"column": "days", "first": "2020-01-01", "last": "2020-12-31"}, r"no date"),
        (
            "data.tables.1.period",
            {"column": "x", "first": "2020-01-01", "last": "2020-12-31"},
            r"not among the granted",
        ),
        ("data.tables.2.cohort", {"column": "code", "values": ["I21"]}, r"reference table has no period"),
        ("data.catalogue", "large", r"catalogue 'large'"),
        ("suspended", True, r"suspended"),
        ("terms.end", "2020-01-02", r"ended on 2020-01-02"),
    ],
)
def test_an_agreement_that_does_not_fit_is_the_users_turn(centre: DataCentre, path: str, value: Any, says: str) -> None:
    ready(centre)
    with pytest.raises(UserError, match=says):
        provisioned(centre, changed(path, value))
    assert not centre.state.project("alpha").exists()


def test_all_that_is_wrong_is_said_at_once(centre: DataCentre) -> None:
    document = yaml.safe_load(SMALL_AGREEMENT)
    document["data"]["tables"][0]["columns"] = ["admitted", "wrong_one", "surname"]
    document["data"]["tables"][1]["table"] = "nowhere"
    with pytest.raises(UserError) as caught:
        provisioned(ready(centre), Agreement.model_validate(document))
    assert len(str(caught.value).splitlines()) == 3


def test_objections_that_apply_need_lists_and_an_opt_out_step(centre: DataCentre, agreement: Agreement) -> None:
    centre.write_extracts(STAYS, VISITS)
    land(centre.catalogue, centre.raw, centre.state, record=centre.record)
    with pytest.raises(OperatorError, match="have not been applied"):
        provisioned(centre, agreement)
    centre.catalogue = centre.catalogue.model_copy(update={"objections": None})
    land(centre.catalogue, centre.raw, centre.state, record=centre.record)
    with pytest.raises(UserError, match="declares no `objections`"):
        provisioned(centre, agreement)


def test_the_agreement_may_not_contradict_the_sources_about_opt_outs(centre: DataCentre) -> None:
    law = copy.deepcopy(yaml.safe_load(SMALL_AGREEMENT)["law"])
    ready(centre)
    with pytest.raises(UserError, match="no opt-outs are applied, but"):
        provisioned(centre, small_agreement(law=law | {"opt_outs_applied": False, "common_law": "consent"}))
    document = centre.catalogue.model_dump(mode="json")
    document["sources"]["hospital"]["opt_out"]["national"] = False
    centre.catalogue = Catalogue.model_validate(document)
    with pytest.raises(UserError, match="opt-outs are applied, but no"):
        provisioned(centre, small_agreement())


def test_a_catalogue_that_was_never_landed_is_the_operators_turn(centre: DataCentre, agreement: Agreement) -> None:
    with pytest.raises(OperatorError, match="not been landed"):
        provisioned(centre, agreement)


def test_a_row_linked_twice_stops_everything(centre: DataCentre, agreement: Agreement) -> None:
    provisioned(ready(centre), agreement)
    with centre.red(read_only=False) as connection:
        connection.execute("INSERT INTO red.spine.link VALUES ('stay', 1, 1, 'by mistake')")
    with pytest.raises(IntegrityError, match="more than one person"):
        provisioned(centre, agreement)


def test_the_project_is_refused_if_the_scanner_finds_identifiers(centre: DataCentre, agreement: Agreement) -> None:
    visits = tuple(f"p1||LS{n} 4AP" for n in range(1, 6))
    ready(centre, visits=visits)
    with pytest.raises(Refused, match=r"visit\.note: 5 values look like full postcodes") as caught:
        provisioned(centre, agreement)
    assert "LS1" not in str(caught.value)
    assert not (centre.state.project("alpha") / "project.duckdb").exists()


def test_the_project_file_is_encrypted_and_opens_only_with_its_own_key(
    centre: DataCentre, agreement: Agreement
) -> None:
    ready(centre)
    provisioned(centre, agreement)
    provisioned(centre, changed("project", "beta"))
    path = centre.state.project("alpha") / "project.duckdb"
    assert path.stat().st_mode & 0o777 == 0o600
    connection = connect(Limits(), centre.state.root / "spill")
    keys = KeyStore(centre.state.keys)
    for key in (keys.project_key("beta").database, keys.landing_key("small"), None):
        with pytest.raises(OperatorError):
            attach(connection, path, key, alias="project", read_only=True)
    attach(connection, path, keys.project_key("alpha").database, alias="project", read_only=True)


def test_destroying_the_projects_key_makes_its_database_unreadable(centre: DataCentre, agreement: Agreement) -> None:
    provisioned(ready(centre), agreement)
    KeyStore(centre.state.keys).destroy_project("alpha", at=datetime(2026, 11, 22, tzinfo=UTC))
    with pytest.raises(OperatorError):
        centre.project_rows("alpha", "FROM stay")
    for again in (agreement, changed("version", "2")):
        with pytest.raises(UserError, match="destroyed"):
            provisioned(centre, again)


def test_the_projects_documents_read_back_as_they_were(centre: DataCentre, agreement: Agreement) -> None:
    provisioned(ready(centre), agreement)
    folder = centre.state.project("alpha")
    assert read_agreement(folder / "agreement.yaml") == agreement
    catalogue = read_catalogue(folder / "catalogue.yaml")
    assert with_indexes(catalogue, {}) == centre.catalogue
    assert catalogue.tables["stay"].index == PersonIndex(persons=4, unique=True)


def test_manifest_log_and_files_carry_no_key_and_no_identifier(centre: DataCentre, agreement: Agreement) -> None:
    provisioned(ready(centre), agreement)
    keys = KeyStore(centre.state.keys).project_key("alpha")
    secrets = [k.hex() for k in (keys.database, keys.person, keys.record)]
    secrets.append((centre.state.keys / "master.key").read_text().strip())
    folder = centre.state.project("alpha")
    texts = [path.read_text() for path in folder.iterdir() if path.suffix in {".json", ".yaml"}]
    seen = "".join(texts) + str(centre.record.entries)
    for word in (*secrets, "Okonkwo", "9434765919", "1980-06-15"):
        assert word not in seen
    database = (folder / "project.duckdb").read_bytes()
    for word in ("Okonkwo", "9434765919", "heart attack"):
        assert word.encode() not in database


def test_a_query_over_the_project_can_be_ordinary_sql(centre: DataCentre, agreement: Agreement) -> None:
    provisioned(ready(centre), agreement)
    sql = "SELECT meaning, count(DISTINCT person_id) FROM stay JOIN code_list USING (code) GROUP BY meaning"
    assert centre.project_rows("alpha", sql) == [("heart attack", 3)]


def test_two_provisionings_of_one_project_at_once_are_refused(centre: DataCentre, agreement: Agreement) -> None:
    ready(centre)
    folder = centre.state.project("alpha")
    with only_writer(folder, "project alpha"), pytest.raises(OperatorError, match="another process"):
        provisioned(centre, agreement)


def test_the_error_of_a_wrong_landing_key_does_not_quote_it(centre: DataCentre, agreement: Agreement) -> None:
    ready(centre)
    (centre.state.keys / "master.key").write_text("ab" * 32)
    with pytest.raises(OperatorError) as caught:
        provisioned(centre, agreement)
    assert "abab" not in str(caught.value)
    assert not isinstance(caught.value.__cause__, duckdb.Error)


def test_a_second_project_does_not_make_the_first_look_out_of_date(centre: DataCentre, agreement: Agreement) -> None:
    provisioned(ready(centre), agreement)
    provisioned(centre, changed("project", "beta"))
    assert provisioned(centre, agreement).unchanged


def test_a_landing_that_changes_under_a_provisioning_stops_it(
    centre: DataCentre, agreement: Agreement, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(centre)

    def build_while_landing(*given: Any, **named: Any) -> Any:
        centre.write_extracts(STAYS[:1], VISITS)
        land(centre.catalogue, centre.raw, centre.state, record=centre.record)
        return build_tables(*given, **named)

    monkeypatch.setattr(run, "build_tables", build_while_landing)
    with pytest.raises(OperatorError, match="changed while"):
        provisioned(centre, agreement)


def test_rows_derived_from_the_data_go_with_the_version_they_were_made_from(
    centre: DataCentre, agreement: Agreement
) -> None:
    """Somebody in a cohort table may have objected since: a new version of the data leaves no file of it."""
    provisioned(ready(centre), agreement)
    cohort = private_folder(centre.state.cohorts("alpha")) / "0123456789abcdef.duckdb"
    for path in (cohort, cohort.with_name(cohort.name + ".building")):
        path.write_bytes(b"rows")
    provisioned(centre, agreement)
    assert cohort.exists(), "nothing was built again: the data are the same"
    provisioned(centre, changed("version", "2"))
    assert list(cohort.parent.iterdir()) == []


def _numbers(centre: DataCentre, table: str, column: str) -> dict[str, int]:
    return dict(centre.project_rows("alpha", f'SELECT DISTINCT person_id::VARCHAR, "{column}" FROM {table} ORDER BY 2'))


def test_persons_are_numbered_in_the_order_of_their_pseudonyms_over_all_tables(
    centre: DataCentre, agreement: Agreement
) -> None:
    stays = [*STAYS, stay_line("p1", 106, days="6")]
    provisioned(ready(centre, stays), agreement)
    stay, visit = _numbers(centre, "stay", PERSON_INDEX), _numbers(centre, "visit", ONLY_INDEX)
    everybody = stay | visit
    assert len(everybody) == 4
    assert {person: stay[person] for person in stay.keys() & visit.keys()} == {
        person: visit[person] for person in stay.keys() & visit.keys()
    }
    assert [everybody[person] for person in sorted(everybody)] == [0, 1, 2, 3]
    tables = read_catalogue(centre.state.project("alpha") / "catalogue.yaml").tables
    assert tables["stay"].index == PersonIndex(persons=4, unique=False)
    assert tables["visit"].index == PersonIndex(persons=4, unique=True)


def test_a_refresh_keeps_numbers_and_gives_no_number_twice(centre: DataCentre, agreement: Agreement) -> None:
    provisioned(ready(centre), agreement)
    first = _numbers(centre, "visit", ONLY_INDEX)
    provisioned(ready(centre, visits=("p1|101|A", "p4||C", "p5||A", "p6||B")), agreement)
    second = _numbers(centre, "visit", ONLY_INDEX)
    stayed, new = first.keys() & second.keys(), second.keys() - first.keys()
    assert {person: second[person] for person in stayed} == {person: first[person] for person in stayed}
    assert len(stayed) == 2
    assert min(second[person] for person in new) > max(first.values())
    provisioned(ready(centre, visits=("p1|101|A", "p3|104|B", "p7||A")), agreement)
    third = _numbers(centre, "visit", ONLY_INDEX)
    assert min(third[person] for person in third.keys() - first.keys() - second.keys()) > max(second.values())
