"""The demo's numbers against a plain computation on the raw extracts and the true identities, without our code."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date

import pyarrow.parquet as pq
import pytest

from ambergate_datasets.engines.connection import Limits, attach, connect
from ambergate_datasets.engines.project_key import database_key
from ambergate_datasets.keys import KeyStore
from ambergate_datasets.landing.database import landing_path, open_red
from ambergate_datasets.progress import Silent
from ambergate_datasets.state import StateFolder
from ambergate_extension.pipeline import Gate
from ambergate_hub.demo import Demo, make_demo

PERSONS = 1500
PROJECT = "cardio-outcomes"
ROUNDING = 5


class Plain:
    """The raw extracts and the truth, read with the standard library and Parquet alone."""

    def __init__(self, state: StateFolder) -> None:
        self.raw, self.truth = state.raw / "demo", state.truth / "demo"
        people = pq.read_table(self.truth / "person.parquet").to_pylist()
        self.national = {row["person"] for row in people if row["national"]}
        self.type_1 = {row["person"] for row in people if row["type_1"]}

    def rows(self, extract: str, key: str, delimiter: str = ",") -> Iterator[tuple[int, dict[str, str]]]:
        """Each raw record, once, with its true person; a record that an extract repeats is one record."""
        seen: set[str] = set()
        truth = pq.read_table(self.truth / f"{extract}.parquet").to_pylist()
        owner = {row["record"]: row["person"] for row in truth}
        with (self.raw / f"{extract}.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter=delimiter):
                if row[key] not in seen:
                    seen.add(row[key])
                    yield owner[int(row[key])], row


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> StateFolder:
    return StateFolder(tmp_path_factory.mktemp("demo") / "state")


@pytest.fixture(scope="module")
def demo(state: StateFolder) -> Demo:
    return make_demo(state, PERSONS, Silent())


@pytest.fixture(scope="module")
def plain(state: StateFolder, demo: Demo) -> Plain:
    return Plain(state)


@pytest.fixture(scope="module")
def gate(state: StateFolder, demo: Demo) -> Iterator[Gate]:
    gate = Gate.open(state, PROJECT, "amara")
    yield gate
    gate.close()


def test_the_project_holds_the_registered_persons_who_did_not_object(state: StateFolder, plain: Plain) -> None:
    registered = {person for person, _ in plain.rows("gp_registration", "REGISTRATION_ID")}
    expected = len(registered - plain.national - plain.type_1)
    connection = connect(Limits(), state.root / "temp")
    attach(connection, state.project(PROJECT) / "project.duckdb", database_key(state.keys, PROJECT), alias="p",
           read_only=True)  # fmt: skip
    found = connection.execute("SELECT count(DISTINCT person_id) FROM p.main.patient").fetchall()[0][0]
    connection.close()
    # A registration that could not be linked to anybody is left out; two persons are never made of one.
    assert expected * 0.995 <= found <= expected


def test_linkage_is_as_good_as_the_summary_says(state: StateFolder, demo: Demo, plain: Plain) -> None:
    with open_red(landing_path(state, "demo"), KeyStore(state.keys).landing_key("demo"), read_only=True) as red:
        links: list[tuple[str, int, int]] = red.execute(
            "SELECT l.table_name, t.epikey, l.person FROM red.spine.link l JOIN red.landed.hes_apc t "
            "ON l.table_name = 'hes_apc' AND l.row_id = t.row_id"
        ).fetchall()
    owner = {row["record"]: row["person"] for row in pq.read_table(plain.truth / "hes_apc.parquet").to_pylist()}
    members: dict[int, Counter[int]] = defaultdict(Counter)
    for _, record, person in links:
        members[person][owner[record]] += 1
    together = sum(counter.total() for counter in members.values())
    right = sum(counter.most_common(1)[0][1] for counter in members.values())
    assert right / together >= 0.999
    assert demo.precision >= 0.999
    assert demo.recall >= 0.97


def test_a_released_table_is_the_plain_count_rounded(gate: Gate, plain: Plain) -> None:
    stays: Counter[str] = Counter()
    persons: dict[str, set[int]] = defaultdict(set)
    for person, row in plain.rows("hes_apc", "EPIKEY", "|"):
        admitted = date.fromisoformat(row["ADMIDATE"]) if row["ADMIDATE"] else None
        if admitted is None or person in plain.national or not date(2018, 1, 1) <= admitted <= date(2025, 12, 31):
            continue
        stays[row["ADMIMETH"]] += 1
        persons[row["ADMIMETH"]].add(person)
    answer = gate.answer(
        "SELECT admission_method, count(*) AS stays, count(DISTINCT person_id) AS persons FROM hes_apc GROUP BY 1"
    )
    assert answer.verdict == "released" and answer.table is not None
    released = {row["admission_method"]: row for row in answer.table.to_pylist()}
    assert set(released) == {method for method, group in persons.items() if len(group) >= 10}
    for method, row in released.items():
        assert row["stays"] % ROUNDING == 0 and row["persons"] % ROUNDING == 0
        # Linkage leaves a record in a hundred out, and counts are rounded to 5.
        assert abs(row["stays"] - stays[method]) <= ROUNDING + 0.02 * stays[method]
        assert abs(row["persons"] - len(persons[method])) <= ROUNDING + 0.02 * len(persons[method])
