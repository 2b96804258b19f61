"""The synthetic population, and the whole red path over it scored against its truth.

One population of 2,000 persons is made, landed, cleared of objectors and linked once for all tests here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from ambergate_datasets.files import file_digest
from ambergate_datasets.keys import KeyStore
from ambergate_datasets.landing import LandingReport, land
from ambergate_datasets.landing.database import landing_path, open_red
from ambergate_datasets.linkage import LinkageReport, Score, link, score
from ambergate_datasets.optout import read_objections, remove_after_linkage, remove_before_linkage
from ambergate_datasets.optout.nhs_number import is_valid
from ambergate_datasets.state import StateFolder
from ambergate_datasets.synth import ErrorRates, Population, make_population
from ambergate_policies.catalogue import Catalogue, read_catalogue

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
PERSONS = 2000
RATES = replace(ErrorRates(), number_of_another=0.0)  # without it, not one row of an objector may be left


@dataclass(frozen=True)
class RedPath:
    folder: Path
    catalogue: Catalogue
    made: Population
    landing: LandingReport
    linkage: LinkageReport
    red: duckdb.DuckDBPyConnection

    @property
    def raw(self) -> Path:
        return self.folder / "raw"

    @property
    def truth(self) -> Path:
        return self.folder / "truth"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Iterator[RedPath]:
    folder = tmp_path_factory.mktemp("synthetic")
    catalogue = read_catalogue(repository / "datasets" / "catalogues" / "demo.yaml")
    state = StateFolder(folder / "state")
    made = make_population(folder / "raw", folder / "truth", persons=PERSONS, seed=11, today=NOW.date(), rates=RATES)
    landing = land(catalogue, folder / "raw", state, record=lambda _: 0)
    with open_red(landing_path(state, "demo"), KeyStore(state.keys).landing_key("demo"), read_only=False) as red:
        objections = read_objections(folder / "raw", catalogue, today=NOW.date())
        remove_before_linkage(red, catalogue, objections, at=NOW, record=lambda _: 0)
        linkage = link(red, catalogue, at=NOW, record=lambda _: 0)
        remove_after_linkage(red, catalogue, objections, at=NOW, record=lambda _: 0)
        yield RedPath(folder, catalogue, made, landing, linkage, red)


def one(connection: duckdb.DuckDBPyConnection, query: str) -> float:
    row = connection.execute(query).fetchone()
    assert row is not None
    return float(row[0])


def test_every_row_of_every_extract_fits_the_catalogue_but_the_impossible_dates(path: RedPath) -> None:
    rejects = {table.table: table.rejects_by_rule for table in path.landing.tables if table.rejected}
    assert set(rejects) <= {"gp_event"}
    assert set(rejects.get("gp_event", {})) <= {"event_date: maximum"}
    assert {table.table for table in path.landing.tables if not table.landed} == set()


def test_every_recorded_number_is_valid_or_one_slip_away(path: RedPath) -> None:
    numbers = [
        number
        for (number,) in path.red.execute(
            "SELECT nhs_number FROM red.landed.patient WHERE nhs_number IS NOT NULL"
        ).fetchall()
    ]
    share = sum(is_valid(number) for number in numbers) / len(numbers)
    assert all(number.startswith("999") and len(number) == 10 for number in numbers if is_valid(number))
    assert 0.985 < share < 1.0


def test_errors_come_at_the_rates_that_the_manifest_states(path: RedPath) -> None:
    stated = json.loads((path.raw / "manifest.json").read_text())["error_rates"]
    missing = one(path.red, "SELECT avg((nhs_number IS NULL)::INTEGER) FROM red.landed.gp_event")
    undated = one(path.red, "SELECT avg((date_of_birth IS NULL)::INTEGER) FROM red.landed.gp_event")
    assert missing == pytest.approx(stated["number_missing"], rel=0.2)
    assert undated == pytest.approx(stated["dob_missing"], rel=0.3)


def test_most_records_match_their_person_on_number_and_birth_as_in_england(path: RedPath) -> None:
    """98 to 99% do in England's hospital data; ours a little below, for its missing numbers."""
    linkable = sum(table.rows - table.removed for table in path.linkage.tables)
    first_pass = sum(table.linked["hesid-1"] for table in path.linkage.tables)
    assert 0.955 < first_pass / linkable < 0.99


def test_no_raw_file_knows_the_truth(path: RedPath) -> None:
    for file in path.raw.glob("*.csv"):
        assert "true" not in file.read_text().partition("\n")[0].lower()


def test_raw_extracts_and_truth_are_private(path: RedPath) -> None:
    assert {file.stat().st_mode & 0o777 for file in (*path.raw.iterdir(), *path.truth.iterdir())} == {0o600}


def test_practices_without_objectors_send_an_empty_list(path: RedPath) -> None:
    practices = {row[0] for row in path.red.execute("SELECT practice FROM red.landed.practice").fetchall()}
    assert {file.stem.rpartition("_")[2] for file in path.raw.glob("type1_objections_*.csv")} == practices


def test_illness_is_commoner_with_age_and_deprivation(path: RedPath) -> None:
    """Blood pressure rises with age; people of the poorest quintile smoke more than those of the richest."""
    pressure = dict(
        path.red.execute(
            "SELECT year(date_of_birth) < 1965, avg(value1) FROM red.landed.gp_event WHERE code = '990001011' "
            "AND date_of_birth IS NOT NULL GROUP BY 1"
        ).fetchall()
    )
    assert pressure[True] > pressure[False] + 5
    smoking = dict(
        path.red.execute(
            "SELECT p.imd_quintile, avg((e.code = '990002031')::INTEGER) FROM red.landed.gp_event e "
            "JOIN red.landed.patient p USING (nhs_number) WHERE e.code LIKE '990002%' GROUP BY 1"
        ).fetchall()
    )
    assert smoking[1] > smoking[5] + 0.03


def test_one_person_outweighs_everybody_at_the_small_specialist_provider(path: RedPath) -> None:
    largest, total = path.red.execute(
        "WITH cost AS (SELECT l.person, sum(a.cost) AS cost FROM red.landed.hes_apc a JOIN red.spine.link l "
        "ON l.table_name = 'hes_apc' AND l.row_id = a.row_id WHERE a.provider_code = 'R9Z' GROUP BY 1) "
        "SELECT max(cost), sum(cost) FROM cost"
    ).fetchall()[0]
    assert largest / total > 0.9


def test_linkage_is_precise_and_misses_little_in_every_source(path: RedPath) -> None:
    """Precision: share of links to the right person. Recall: share of rows not objected to that are linked right."""
    scores = score(path.red, path.catalogue, path.truth)
    assert {each.table for each in scores} == {t for t, x in path.catalogue.tables.items() if x.kind == "person"}
    for each in scores:
        assert each.precision >= 0.999, each
        assert each.recall >= 0.97, each


def test_links_that_are_not_by_number_are_right_as_well(path: RedPath) -> None:
    """Nearly all rows carry their number; what counts is the rest."""
    persons = f"JOIN '{path.truth}/person.parquet' p USING (person)"
    methods = "('hesid-2', 'hesid-3', 'mistyped-number', 'local-id', 'splink')"
    right, linked = path.red.execute(
        "WITH truth AS (SELECT 'gp_event' AS tbl, t.row_id, p.nhs_number FROM red.landed.gp_event t JOIN "
        f"'{path.truth}/gp_event.parquet' r ON r.record = t.event_id {persons} "
        "UNION ALL SELECT 'hes_op', t.row_id, p.nhs_number FROM red.landed.hes_op t JOIN "
        f"'{path.truth}/hes_op.parquet' r ON r.record = t.attendkey {persons}) "
        "SELECT count(*) FILTER (n.nhs_number = truth.nhs_number), count(*) FROM truth JOIN red.spine.link l "
        "ON l.table_name = truth.tbl AND l.row_id = truth.row_id JOIN red.spine.number n USING (person) "
        f"WHERE l.method IN {methods}"
    ).fetchall()[0]
    assert linked > 300
    assert right / linked >= 0.995


def test_a_score_tells_wrong_links_missing_ones_and_split_persons_apart(path: RedPath, tmp_path: Path) -> None:
    """One person in two pieces, one row at somebody else, one row linked to nobody."""
    with duckdb.connect(":memory:") as connection:
        for statement in (
            "ATTACH ':memory:' AS red",
            "CREATE SCHEMA red.landed",
            "CREATE SCHEMA red.spine",
            "CREATE SCHEMA red.optout",
            "CREATE TABLE red.landed.deaths AS SELECT i AS row_id, 100 + i AS death_id FROM range(8) t(i)",
            "CREATE TABLE red.optout.before_linkage AS SELECT 'deaths' AS table_name, 7 AS row_id, 'national' AS why",
            "CREATE TABLE red.spine.link AS SELECT 'deaths' AS table_name, row_id, person FROM "
            "(VALUES (0, 50), (1, 50), (2, 51), (3, 60), (4, 60), (5, 60)) v(row_id, person)",
            "COPY (SELECT 100 + i AS record, CASE WHEN i < 4 THEN 1 ELSE 2 END AS person FROM range(8) t(i)) "
            f"TO '{tmp_path}/deaths.parquet'",
        ):
            connection.execute(statement)
        one_table = path.catalogue.model_copy(update={"tables": {"deaths": path.catalogue.tables["deaths"]}})
        (result,) = score(connection, one_table, tmp_path)
    assert result == Score("deaths", rows=7, linked=6, right=5, found=4)
    assert (result.precision, result.recall) == (5 / 6, 4 / 7)


@pytest.mark.parametrize(
    ("table", "key", "objected"),
    [
        ("patient", "registration_id", "type_1 OR national"),
        ("gp_event", "event_id", "type_1 OR national"),
        ("prescription", "item_id", "type_1 OR national"),
        ("hes_apc", "epikey", "national"),
        ("hes_op", "attendkey", "national"),
        ("hes_ae", "aekey", "national"),
        ("cancer_registry", "tumour_id", "national"),
        ("deaths", "death_id", "national"),
    ],
)
def test_not_one_row_of_an_objector_is_left_and_few_of_others_are_lost(
    path: RedPath, table: str, key: str, objected: str
) -> None:
    """Against the truth, row by row, under the source's policy."""
    extract = "gp_registration" if table == "patient" else table
    reasons = "('type-1', 'national')" if "type_1" in objected else "('national')"
    left, of_others, all_others = path.red.execute(
        f"SELECT count(*) FILTER (usable AND ({objected})), count(*) FILTER (usable AND NOT ({objected})), "
        f"count(*) FILTER (NOT ({objected})) FROM (SELECT type_1, p.national, l.person IS NOT NULL "
        f"AND l.person NOT IN (SELECT person FROM red.optout.persons WHERE reason IN {reasons}) AND t.row_id NOT IN "
        f"(SELECT row_id FROM red.optout.before_linkage WHERE table_name = '{table}') AS usable "
        f"FROM red.landed.{table} t JOIN '{path.truth}/{extract}.parquet' r ON r.record = t.{key} "
        f"JOIN '{path.truth}/person.parquet' p ON p.person = r.person "
        f"LEFT JOIN red.spine.link l ON l.table_name = '{table}' AND l.row_id = t.row_id)"
    ).fetchall()[0]
    assert left == 0
    assert of_others / all_others >= 0.97


def digests(folder: Path) -> dict[str, str]:
    return {file.name: file_digest(file) for file in sorted(folder.iterdir())}


def test_the_same_seed_makes_the_same_files_and_another_seed_others(tmp_path: Path) -> None:
    made = {}
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        make_population(tmp_path / name, tmp_path / f"truth-{name}", persons=300, seed=seed, today=NOW.date())
        made[name] = digests(tmp_path / name)
    assert made["a"] == made["b"]
    assert made["a"]["gp_event.csv"] != made["c"]["gp_event.csv"]


def test_care_ends_with_the_month_before_today(path: RedPath) -> None:
    assert path.made.last_day.isoformat() == "2026-10-31"
    last = one(path.red, "SELECT max(date_diff('day', DATE '2026-10-31', admitted_on)) FROM red.landed.hes_apc")
    first = one(path.red, "SELECT min(date_diff('day', DATE '2015-01-01', admitted_on)) FROM red.landed.hes_apc")
    assert last <= 0 <= first
