"""Cohort tables through real gates: encrypted files, two gates of one project at once, and every way to fail."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.small_project import gates, provisioned

from ambergate_datasets.provisioning.run import discard_cohorts
from ambergate_datasets.state import StateFolder
from ambergate_extension.cohorts.files import CohortFiles
from ambergate_extension.pipeline import Answer, Gate
from ambergate_extension.store import Store
from ambergate_policies.errors import IntegrityError, OperatorError

MAKE = "CREATE TABLE smokers AS SELECT person_id, sex, age FROM person WHERE smoker"
COUNT = "SELECT count(DISTINCT person_id) FROM smokers"


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = StateFolder(tmp_path_factory.mktemp("template") / "state")
    provisioned.provision(found, "small")
    return found.root


@pytest.fixture
def state(tmp_path: Path, template: Path) -> StateFolder:
    shutil.copytree(template, tmp_path / "state")
    return StateFolder(tmp_path / "state")


@pytest.fixture
def open_gate(state: StateFolder) -> Iterator[Callable[..., Gate]]:
    opened: list[Gate] = []

    def open_one(project: str = "small") -> Gate:
        opened.append(Gate.open(state, project, gates.ACCOUNT))
        return opened[-1]

    yield open_one
    for gate in opened:
        gate.close()


@pytest.fixture
def gate(open_gate: Callable[..., Gate]) -> Gate:
    return open_gate()


def files(state: StateFolder, project: str = "small") -> list[Path]:
    """Everything in a project's cohort folder but its lock."""
    folder = state.cohorts(project)
    return sorted(path for path in folder.iterdir() if path.name != ".lock") if folder.exists() else []


def released(answer: Answer) -> list[tuple[Any, ...]]:
    assert answer.verdict == "released", answer.findings
    return gates.rows_of(answer)


def entries(state: StateFolder) -> list[tuple[str, dict[str, Any]]]:
    store = Store.open(state.store_url, state.keys, state.log)
    try:
        assert store.verify() == []
        return [(entry.kind, entry.body) for _, entry in store.entries()]
    finally:
        store.close()


def test_a_cohort_is_made_read_and_dropped(gate: Gate, state: StateFolder) -> None:
    answer = gate.answer(MAKE)
    assert released(answer) == []
    assert answer.table is not None
    assert answer.table.num_columns == 0
    (same,) = released(gate.answer("SELECT count(DISTINCT person_id) FROM person WHERE smoker"))
    assert released(gate.answer(COUNT)) == [same]
    assert len(files(state)) == 1
    released(gate.answer("DROP TABLE smokers"))
    assert files(state) == []
    assert gate.answer(COUNT).verdict == "refused"


def test_nothing_in_the_answer_says_how_many(gate: Gate) -> None:
    many = gate.answer("CREATE TABLE x AS SELECT person_id FROM person")
    none = gate.answer("CREATE OR REPLACE TABLE x AS SELECT person_id FROM person WHERE age > 1000")
    headers = [answer.to_header() | {"log_index": None} for answer in (many, none)]
    assert headers[0] == headers[1]


def test_the_file_is_private_and_encrypted(gate: Gate, state: StateFolder) -> None:
    released(gate.answer("CREATE TABLE isle AS SELECT person_id, region FROM person"))
    (path,) = files(state)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    content = path.read_bytes()
    assert b"CANARY" not in content
    assert b"North" not in content
    with pytest.raises(duckdb.Error):
        duckdb.connect(str(path), read_only=True)


def test_making_and_dropping_are_on_record_with_their_lineage(gate: Gate, state: StateFolder) -> None:
    made, dropped = gate.answer(MAKE), gate.answer("DROP TABLE smokers")
    (_, creation), (_, removal) = [entry for entry in entries(state) if entry[0] == "cohort"]
    assert creation["sql"] == MAKE
    assert creation["lineage"]["columns"] == {"sex": ["person.sex"], "age": ["person.age"]}
    assert creation["lineage"]["reads"] == {"person": ["age", "person_id", "sex", "smoker"]}
    assert (creation["act"], removal["act"]) == ("create", "drop")
    assert creation["cohort"] == removal["cohort"]
    assert creation["verdict"] == "released"
    assert [made.log_index, dropped.log_index] == [0, 1]


def test_another_gate_of_the_project_sees_it_at_once(open_gate: Callable[..., Gate], state: StateFolder) -> None:
    one, other = open_gate(), open_gate()
    assert other.answer(COUNT).verdict == "refused"
    released(one.answer(MAKE))
    assert released(other.answer(COUNT)) == released(one.answer(COUNT))
    released(other.answer("CREATE OR REPLACE TABLE smokers AS SELECT person_id FROM smokers WHERE age > 50"))
    assert released(one.answer(COUNT)) == released(other.answer(COUNT))
    assert len(files(state)) == 1
    released(one.answer("DROP TABLE smokers"))
    assert other.answer(COUNT).verdict == "refused"


def test_another_project_does_not_see_it(open_gate: Callable[..., Gate], state: StateFolder) -> None:
    provisioned.provision(state, "other")
    mine, theirs = open_gate("small"), open_gate("other")
    released(mine.answer(MAKE))
    assert theirs.answer(COUNT).verdict == "refused"
    assert theirs.catalogue()["cohorts"] == []
    released(theirs.answer(MAKE))
    (my_file,), (their_file,) = files(state, "small"), files(state, "other")
    my_file.write_bytes(their_file.read_bytes())
    assert mine.answer(COUNT).verdict == "failed"


def test_a_query_that_runs_keeps_the_version_that_it_was_prepared_for(open_gate: Callable[..., Gate]) -> None:
    one, other = open_gate(), open_gate()
    released(one.answer(MAKE))
    before = released(other.answer(COUNT))
    released(one.answer("CREATE OR REPLACE TABLE smokers AS SELECT person_id, age FROM person"))
    after = released(other.answer(COUNT))
    assert after[0][0] > before[0][0]


def test_two_gates_that_write_at_once_both_succeed(open_gate: Callable[..., Gate], state: StateFolder) -> None:
    both = [open_gate(), open_gate()]
    answers: list[Answer] = []

    def make(number: int) -> None:
        answers.append(both[number].answer(f"CREATE TABLE c{number} AS SELECT person_id, age FROM person"))

    threads = [threading.Thread(target=make, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.verdict for answer in answers] == ["released", "released"]
    assert len(files(state)) == 2
    for number in range(2):
        released(both[1 - number].answer(f"SELECT avg(age) FROM c{number}"))


def test_of_two_who_make_the_same_name_at_once_one_is_told(open_gate: Callable[..., Gate], state: StateFolder) -> None:
    both = [open_gate(), open_gate()]
    answers: list[Answer] = []

    def make(gate: Gate) -> None:
        answers.append(gate.answer("CREATE TABLE same AS SELECT person_id, age FROM person"))

    threads = [threading.Thread(target=make, args=(gate,)) for gate in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.verdict for answer in answers) in (["failed", "released"], ["refused", "released"])
    assert len(files(state)) == 1


def test_a_worker_killed_while_writing_leaves_nothing(gate: Gate, state: StateFolder) -> None:
    """Killed by the time limit: the draft is removed, the gate lives on."""
    released(gate.answer("SELECT count(*) FROM person"))
    engine: Any = gate._engine
    joins = " ".join(f"JOIN event e{number} ON e{number}.person_id = e.person_id" for number in range(4))
    long = "CREATE TABLE big AS " + " UNION ALL ".join([f"SELECT e.person_id, e.value FROM event e {joins}"] * 40)
    threading.Thread(target=_kill_once_writing, args=(state.cohorts("small"), engine)).start()
    answer = gate.answer(long)
    assert answer.verdict == "failed", answer
    assert "worker died" in answer.findings[0].message
    assert files(state) == []
    assert not any(kind == "cohort" for kind, _ in entries(state))
    released(gate.answer(MAKE))


def _kill_once_writing(folder: Path, engine: Any) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if folder.exists() and list(folder.glob("*.building")):
            time.sleep(0.2)
            os.kill(engine._process.pid, signal.SIGKILL)
            return
        time.sleep(0.01)


def test_what_a_crash_left_is_removed_by_the_next_gate(
    gate: Gate, open_gate: Callable[..., Gate], state: StateFolder
) -> None:
    released(gate.answer(MAKE))
    (kept,) = files(state)
    for name in ("0" * 16 + ".duckdb", "1" * 16 + ".duckdb.building", "1" * 16 + ".duckdb.building.wal"):
        (state.cohorts("small") / name).write_bytes(b"half")
    released(open_gate().answer(COUNT))
    assert files(state) == [kept]


def test_litter_of_a_gate_that_is_writing_is_left_alone(
    gate: Gate, open_gate: Callable[..., Gate], state: StateFolder
) -> None:
    released(gate.answer(MAKE))
    draft = state.cohorts("small") / ("1" * 16 + ".duckdb.building")
    draft.write_bytes(b"being written")
    with CohortFiles(state.cohorts("small")).locked():
        open_gate()
        assert draft.exists()
    open_gate()
    assert not draft.exists()


def test_a_log_that_cannot_be_written_keeps_nothing(
    gate: Gate, state: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OperatorError("the store cannot be written: the disk is full")

    monkeypatch.setattr(gate._recorder, "append", full)
    answer = gate.answer(MAKE)
    assert answer.verdict == "failed"
    assert files(state) == []
    monkeypatch.undo()
    assert gate.answer(COUNT).verdict == "refused"


def test_a_file_that_outgrows_the_room_is_told_and_leaves_nothing(gate: Gate, state: StateFolder) -> None:
    shelf: Any = gate._shelf
    shelf._room = 64 * 1024
    answer = gate.answer("CREATE TABLE events AS SELECT person_id, event_id, code, happened_on, value FROM event")
    assert answer.verdict == "failed"
    assert "room" in answer.findings[0].message
    assert files(state) == []
    shelf._room = 1024**3
    released(gate.answer(MAKE))


def test_an_amendment_makes_a_cohort_stale_in_a_running_gate(gate: Gate, state: StateFolder) -> None:
    released(gate.answer(MAKE))
    released(gate.answer(COUNT))
    agreement = gates.agreement()
    tables = tuple(
        grant.model_copy(update={"columns": tuple(name for name in grant.columns if name != "smoker")})
        for grant in agreement.data.tables
    )
    provisioned.amend(
        state, "small", agreement.model_copy(update={"data": agreement.data.model_copy(update={"tables": tables})})
    )
    answer = gate.answer(COUNT)
    assert answer.verdict == "refused"
    assert answer.findings[0].rule == "stale-cohort"
    (listed,) = gate.catalogue()["cohorts"]
    assert listed["stale"]
    assert listed["sql"] == MAKE
    released(gate.answer("DROP TABLE smokers"))


def test_renewed_data_are_read_at_once_and_make_cohorts_stale(gate: Gate, state: StateFolder) -> None:
    released(gate.answer(MAKE))
    before = released(gate.answer("SELECT count(*) FROM person"))
    provisioned.provision(state, "small", persons=800)
    discard_cohorts(state.cohorts("small"))
    assert files(state) == []
    answer = gate.answer(COUNT)
    assert [finding.rule for finding in answer.findings] == ["stale-cohort"]
    assert released(gate.answer("SELECT count(*) FROM person"))[0][0] > before[0][0]
    released(gate.answer(MAKE.replace("CREATE", "CREATE OR REPLACE")))
    assert len(files(state)) == 1
    released(gate.answer(COUNT))


def test_while_data_are_being_replaced_nothing_is_kept(gate: Gate, state: StateFolder) -> None:
    (state.project("small") / "manifest.json").unlink()
    answer = gate.answer(MAKE)
    assert answer.verdict == "failed"
    assert files(state) == []


def test_rows_of_two_versions_of_the_data_never_meet(gate: Gate, state: StateFolder) -> None:
    """The data are replaced between the look at the cohort table and the opening of its file."""
    released(gate.answer(MAKE))
    engine: Any = gate._engine
    attach = engine.__class__.attach

    def replaced_meanwhile(self: Any, *arguments: Any, **named: Any) -> None:
        (state.project("small") / "manifest.json").unlink(missing_ok=True)
        attach(self, *arguments, **named)

    engine.__class__.attach = replaced_meanwhile
    try:
        answer = gate.answer(COUNT)
    finally:
        engine.__class__.attach = attach
    assert (answer.verdict, answer.findings[0].rule) == ("failed", "operator")


def test_a_missing_file_is_the_data_centres_to_mend(gate: Gate, state: StateFolder) -> None:
    released(gate.answer(MAKE))
    files(state)[0].unlink()
    answer = gate.answer(COUNT)
    assert (answer.verdict, answer.findings[0].rule) == ("failed", "operator")
    released(gate.answer("SELECT count(*) FROM person"))


def test_a_forged_entry_is_no_cohort(gate: Gate, state: StateFolder) -> None:
    """Whoever writes into the store's database makes no cohort table: the log's signatures are what counts."""
    released(gate.answer(MAKE))
    with sqlite3.connect(state.root / "store.db") as connection:
        connection.execute("DROP TRIGGER log_entry_no_update")
        connection.execute(
            "UPDATE log_entry SET leaf = CAST(replace(CAST(leaf AS TEXT), 'smokers', 'drinkers') AS BLOB)"
        )
    with pytest.raises(IntegrityError):
        Gate.open(state, "small", gates.ACCOUNT).close()


def test_a_cohort_needs_the_agreement_in_force(gate: Gate, state: StateFolder) -> None:
    released(gate.answer(MAKE))
    agreement = gates.agreement()
    ended = agreement.terms.model_copy(update={"start": date(2020, 1, 1), "end": date(2020, 12, 31)})
    provisioned.amend(state, "small", agreement.model_copy(update={"terms": ended}))
    for sql in (COUNT, "DROP TABLE smokers", "CREATE TABLE y AS SELECT person_id FROM person"):
        assert gate.answer(sql).verdict == "refused"
    assert len(files(state)) == 1
