"""The demonstration's numbers against a plain computation on the raw files and the truth: no landing, no linkage.

What a project can hold is worked out from what suppliers sent and who really is who; the project may fall short of it
by the few records that nobody can be found for, and must never exceed it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from ambergate_datasets.engines.connection import Limits, attach, connect
from ambergate_datasets.engines.project_key import database_key
from ambergate_datasets.keys import KeyStore
from ambergate_datasets.landing import land
from ambergate_datasets.landing.database import landing_path, open_red
from ambergate_datasets.linkage import link
from ambergate_datasets.optout import read_objections, remove_after_linkage, remove_before_linkage
from ambergate_datasets.provisioning import provision
from ambergate_datasets.state import StateFolder
from ambergate_datasets.synth import ErrorRates, make_population
from ambergate_policies.agreement import read_agreement
from ambergate_policies.catalogue import Catalogue, read_catalogue

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
RATES = replace(ErrorRates(), number_of_another=0.0)


@dataclass(frozen=True)
class Demo:
    folder: Path
    projects: dict[str, duckdb.DuckDBPyConnection]
    plain: duckdb.DuckDBPyConnection


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    catalogue = read_catalogue(repository / "datasets" / "catalogues" / "demo.yaml")
    state = StateFolder(folder / "state")
    make_population(folder / "raw", folder / "truth", persons=2000, seed=5, today=NOW.date(), rates=RATES)
    _red_path(folder, catalogue, state)
    projects = {}
    for slug in ("cardio-outcomes", "cancer-pathways"):
        agreement = read_agreement(repository / "policies" / "agreements" / f"{slug}.yaml")
        provision(agreement, catalogue, state, record=lambda _: 0, clock=lambda: NOW)
        projects[slug] = connect(Limits(), folder / "spill")
        database = state.project(slug) / "project.duckdb"
        attach(projects[slug], database, database_key(state.keys, slug), alias="project", read_only=True)
        projects[slug].execute("USE project")
    plain = duckdb.connect(":memory:")
    yield Demo(folder, projects, plain)
    for connection in (*projects.values(), plain):
        connection.close()


def _red_path(folder: Path, catalogue: Catalogue, state: StateFolder) -> None:
    land(catalogue, folder / "raw", state, record=lambda _: 0)
    with open_red(landing_path(state, "demo"), KeyStore(state.keys).landing_key("demo"), read_only=False) as red:
        objections = read_objections(folder / "raw", catalogue, today=NOW.date())
        remove_before_linkage(red, catalogue, objections, at=NOW, record=lambda _: 0)
        link(red, catalogue, at=NOW, record=lambda _: 0)
        remove_after_linkage(red, catalogue, objections, at=NOW, record=lambda _: 0)
        red.execute("CHECKPOINT red")


def counts(demo: Demo, project: str, sql: str) -> dict[str, int]:
    return {str(key): int(n) for key, n in demo.projects[project].execute(sql).fetchall()}


def plain(demo: Demo, extract: str, key: str, group: str, where: str, *, delimiter: str = ",") -> dict[str, int]:
    """True persons of a raw extract who did not object, by `group`."""
    rows = demo.plain.execute(
        f"SELECT {group}, count(DISTINCT t.person) FROM read_csv('{demo.folder}/raw/{extract}.csv', "
        f"delim = '{delimiter}', all_varchar = true) r "
        f"JOIN '{demo.folder}/truth/{extract}.parquet' t ON t.record = r.{key}::BIGINT "
        f"JOIN '{demo.folder}/truth/person.parquet' p ON p.person = t.person WHERE {where} GROUP BY 1"
    ).fetchall()
    return {str(name): int(n) for name, n in rows}


def assert_short_by_few(measured: dict[str, int], expected: dict[str, int]) -> None:
    """Never more than the truth; short of it by no more than two persons in a hundred (or two in a small group)."""
    assert set(measured) == set(expected)
    for key, count in expected.items():
        assert count - max(2, count // 50) <= measured[key] <= count, key


def test_patients_by_region_are_those_who_did_not_object(demo: Demo) -> None:
    sql = "SELECT region, count(DISTINCT person_id) FROM patient GROUP BY 1"
    expected = plain(demo, "gp_registration", "REGISTRATION_ID", "REGION", "NOT p.type_1 AND NOT p.national")
    for project in demo.projects:
        assert_short_by_few(counts(demo, project, sql), expected)


def test_type_1_objectors_keep_their_place_in_hospital_tables(demo: Demo) -> None:
    sql = "SELECT provider, count(DISTINCT person_id) FROM hes_apc GROUP BY 1"
    inside = "ADMIDATE BETWEEN '2016-01-01' AND '2026-06-30'"
    expected = plain(demo, "hes_apc", "EPIKEY", "PROCODE3", f"NOT p.national AND {inside}", delimiter="|")
    without = plain(
        demo, "hes_apc", "EPIKEY", "PROCODE3", f"NOT p.national AND NOT p.type_1 AND {inside}", delimiter="|"
    )
    measured = counts(demo, "cancer-pathways", sql)
    assert_short_by_few(measured, expected)
    assert sum(measured.values()) > sum(without.values())


def test_deaths_by_year_keep_to_the_period_of_each_agreement(demo: Demo) -> None:
    sql = "SELECT death_year, count(DISTINCT person_id) FROM deaths GROUP BY 1"
    for project, first, last in (
        ("cardio-outcomes", "2018-01-01", "2025-12-31"),
        ("cancer-pathways", "2016-01-01", "2026-06-30"),
    ):
        where = f"NOT p.national AND DATE_OF_DEATH BETWEEN '{first}' AND '{last}'"
        expected = plain(demo, "deaths", "DEATH_ID", "left(DATE_OF_DEATH, 4)", where)
        assert_short_by_few(counts(demo, project, sql), expected)


def test_joined_tables_meet_on_the_same_person(demo: Demo) -> None:
    """Persons with a tumour who died: linkage across two sources, against the truth of both."""
    sql = (
        "SELECT 'all', count(DISTINCT c.person_id) FROM cancer_registry c JOIN deaths d ON d.person_id = c.person_id "
        "WHERE d.died_on >= c.diagnosed_on"
    )
    expected = demo.plain.execute(
        f"SELECT count(DISTINCT c.person) FROM '{demo.folder}/truth/cancer_registry.parquet' c "
        f"JOIN '{demo.folder}/truth/deaths.parquet' d USING (person) "
        f"JOIN '{demo.folder}/truth/person.parquet' p USING (person) "
        f"JOIN read_csv('{demo.folder}/raw/cancer_registry.csv', all_varchar = true) rc ON rc.TUMOUR_ID = c.record "
        f"JOIN read_csv('{demo.folder}/raw/deaths.csv', all_varchar = true) rd ON rd.DEATH_ID = d.record "
        "WHERE NOT p.national AND strptime(rc.DIAGNOSISDATE, '%d/%m/%Y') BETWEEN '2016-01-01' AND '2026-06-30' "
        "AND rd.DATE_OF_DEATH BETWEEN '2016-01-01' AND '2026-06-30'"
    ).fetchone()
    assert expected is not None
    assert_short_by_few(counts(demo, "cancer-pathways", sql), {"all": int(expected[0])})


def test_the_two_projects_know_the_same_people_under_different_pseudonyms(demo: Demo) -> None:
    known = [
        {row[0] for row in demo.projects[slug].execute("SELECT person_id FROM patient").fetchall()}
        for slug in demo.projects
    ]
    assert len(known[0]) == len(known[1]) > 1500
    assert not known[0] & known[1]
