"""The catalogues and agreements for data that nobody here made: its traps are found and reported, its projects work."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from real_projects import PROJECTS, RealProject, provision_one
from small_centre import DataCentre, Records

from ambergate_datasets.state import StateFolder
from ambergate_policies.agreement import read_agreement
from ambergate_policies.catalogue import Role, read_catalogue

Projects = dict[str, RealProject]


def centre_of(state: StateFolder, project: RealProject) -> DataCentre:
    return DataCentre(state.root, state, project.catalogue, Records())


@pytest.mark.parametrize("project", PROJECTS)
def test_the_agreement_grants_only_what_the_catalogue_has_and_no_identifier(repository: Path, project: str) -> None:
    catalogue = read_catalogue(repository / "datasets" / "catalogues" / f"{PROJECTS[project][0]}.yaml")
    agreement = read_agreement(repository / "policies" / "agreements" / f"{project}.yaml")
    for grant in agreement.data.tables:
        assert set(grant.columns) <= set(catalogue.tables[grant.table].project_columns())
    assert agreement.person("amara") is not None
    owners = {table.owner for table in catalogue.tables.values() if table.kind == "person"}
    assert owners == {"person_id"}


def test_nafld_is_landed_and_impossible_pressures_are_rejected(
    real_projects: Projects, real_state: StateFolder, shared_data: Path
) -> None:
    project = real_projects["nafld"]
    landing, report, centre = project.landing, project.provisioned, centre_of(real_state, project)
    baseline, measurement, event = landing.tables
    assert (baseline.landed, measurement.records, event.landed) == (17_549, 400_123, 34_340)
    assert measurement.rejects_by_rule == {"value: maximum": 4}
    assert baseline.undeclared_columns == 1, "the id of the matched case is not landed"
    assert report.persons == 17_549
    raw = duckdb.sql(
        f"SELECT event, count(DISTINCT id) FROM '{shared_data}/nafld/nafld3.parquet' GROUP BY 1 ORDER BY 1"
    ).fetchall()
    ours = centre.project_rows("nafld", "SELECT event, count(DISTINCT person_id) FROM event GROUP BY 1 ORDER BY 1")
    assert ours == raw


def test_gibleed_periods_of_nobody_stay_unlinked_and_are_counted(
    real_projects: Projects, real_state: StateFolder, shared_data: Path
) -> None:
    project = real_projects["omop-gibleed"]
    landing, report, centre = project.landing, project.provisioned, centre_of(real_state, project)
    lineage = {table.table: table for table in report.tables}
    assert (lineage["observation_period"].landed, lineage["observation_period"].unlinked) == (5_343, 2_649)
    assert lineage["condition_occurrence"].landed == 65_332
    assert [table.table for table in landing.tables if table.absent] == ["death"]
    assert report.persons == 2_694
    raw = duckdb.sql(
        f"SELECT count(DISTINCT person_id) FROM '{shared_data}/omop_gibleed/condition_occurrence.parquet' "
        "WHERE condition_concept_id = 192671 AND condition_start_date BETWEEN '1950-01-01' AND '2019-12-31'"
    ).fetchone()
    ours = centre.project_rows(
        "omop-gibleed",
        "SELECT count(DISTINCT person_id) FROM condition_occurrence WHERE condition_concept_id = 192671",
    )
    assert ours == [raw]


@pytest.mark.usefixtures("shared_data")
def test_synthea_person_born_in_2099_is_rejected_with_all_that_hangs_on_them(tmp_path: Path) -> None:
    project = provision_one(StateFolder(tmp_path / "state"), "omop-gibleed", "omop", "omop_synthea1001")
    landing, report = project.landing, project.provisioned
    person = next(table for table in landing.tables if table.table == "person")
    assert (person.records, person.landed) == (1_130, 1_129)
    assert person.rejects_by_rule == {"year_of_birth: maximum": 1}
    assert report.persons == 1_129


def test_artificial_hes_blanks_and_impossible_dates_become_missing(
    real_projects: Projects, real_state: StateFolder, shared_data: Path
) -> None:
    project = real_projects["hes-artificial"]
    landing, report, centre = project.landing, project.provisioned, centre_of(real_state, project)
    assert [(table.table, table.landed, table.rejected) for table in landing.tables] == [
        ("hes_apc", 2_075, 0),
        ("hes_op", 1_000, 0),
        ("hes_ae", 1_000, 0),
    ]
    with centre.red() as connection:
        dates = [
            (table, name)
            for table, declared in centre.catalogue.tables.items()
            for name, column in declared.columns.items()
            if column.role is Role.DATE and column.derive is None
        ]
        for table, name in dates:
            early = connection.execute(f"SELECT count(*) FROM red.landed.{table} WHERE {name} < DATE '1990-01-01'")
            assert early.fetchone() == (0,), (table, name)
        blanks = connection.execute(
            "SELECT count(*) FILTER (opertn_01 IS NULL), count(*) FILTER (trim(opertn_01) IN ('-', '&')), "
            "count(*) FILTER (diag_02 IS NULL) FROM red.landed.hes_apc"
        ).fetchone()
        unknown_requests = connection.execute("SELECT count(*) FROM red.landed.hes_op WHERE reqdate IS NULL").fetchone()
    assert blanks is not None
    assert blanks[0] >= 989
    assert blanks[1] == 0
    assert unknown_requests == (142 + 37,)
    persons = {table.table: table.persons for table in report.tables}
    assert persons == {"hes_apc": 993, "hes_op": 269, "hes_ae": 672}
    assert report.persons == 993 + 269 + 672, "the three extracts share no patient"
