"""What a notebook shows of cohort tables: the list with definitions, and the remark under a statement that made one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from tests.small_project import gates, population

from ambergate_extension.door.wire import encode, encode_answer
from ambergate_extension.pipeline import Gate
from ambergate_notebook import door
from ambergate_notebook.questions import frame_of
from ambergate_notebook.tables import GrantedTables, rows

MAKE = "CREATE TABLE smokers AS\nSELECT person_id, age AS years FROM person WHERE smoker AND region <> '<b>'"


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    folder: Path = tmp_path_factory.mktemp("notebook")
    population.write(folder / "small.duckdb", persons=300)
    gate = gates.near_gate(folder / "small.duckdb", folder / "temp")
    assert gate.answer(MAKE).verdict == "released"
    yield gate
    gate.close()


def test_cohort_tables_are_listed_after_the_granted_ones(gate: Gate) -> None:
    catalogue = gate.catalogue()
    assert encode(catalogue), "the door can send it"
    text = repr(GrantedTables(catalogue))
    assert text.index("person: Registered persons") < text.index("smokers: made by amara on 2026-11-22")
    for line in MAKE.splitlines():
        assert line in text


def test_one_cohort_table_is_shown_with_its_columns_and_where_they_come_from(gate: Gate) -> None:
    text = repr(GrantedTables(gate.catalogue(), "SMOKERS"))
    assert "Registered persons" not in text
    assert "person_id" in text
    assert "years" in text
    assert "person.age" in text


def test_a_definition_never_becomes_markup(gate: Gate) -> None:
    shown = GrantedTables(gate.catalogue())._repr_html_()
    assert "&lt;b&gt;" in shown
    assert "<b>" not in shown


def test_a_stale_table_says_so() -> None:
    stale = {"name": "x", "title": "made by amara", "sql": "CREATE TABLE x AS ...", "stale": True, "columns": []}
    assert "stale: make it again" in repr(GrantedTables({"tables": [], "cohorts": [stale]}))


def test_the_answer_to_a_statement_that_makes_a_table_is_its_remark_alone(gate: Gate) -> None:
    reply = _over_the_door(encode_answer(gate.answer("CREATE TABLE adults AS SELECT person_id FROM person")))
    frame = frame_of(reply)
    assert repr(frame).startswith("the cohort table adults was created; its persons: SELECT count(DISTINCT person_id)")
    assert "<table" not in frame._repr_html_()
    assert rows(reply.table) == ([], [])


def _over_the_door(message: bytes) -> door.Reply:
    size = int.from_bytes(message[:4], "big")
    header = json.loads(message[4 : 4 + size])
    body = message[4 + size :]
    table = body[: header["table_bytes"]]
    assert isinstance(pa.ipc.open_stream(table).read_all(), pa.Table)
    return door.Reply(header, table, body[header["table_bytes"] :])
