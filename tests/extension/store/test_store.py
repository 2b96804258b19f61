"""The log and held results as callers use them."""

from __future__ import annotations

import json
import sqlite3
import stat
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from tests.extension.store.conftest import AT, Place, held_table, hold, query_entry

from ambergate_extension.store import State, Store, canonical_reference
from ambergate_extension.store.publication import split_export
from ambergate_policies.errors import IntegrityError, OperatorError, Refused, UserError
from ambergate_policies.log import LogEntry, VerifyingKey, verify


def test_entries_are_numbered_from_zero_and_survive_reopening(place: Place, store: Store) -> None:
    assert [store.append(query_entry(number)) for number in range(3)] == [0, 1, 2]
    store.close()
    again = place.open()
    assert again.append(query_entry(3)) == 3
    assert [entry.body["number"] for _, entry in again.entries()] == [0, 1, 2, 3]
    assert [index for index, _ in again.entries(newest=2)] == [3, 2]
    assert again.verify() == []


def test_what_the_log_cannot_spell_is_refused_and_nothing_is_recorded(store: Store) -> None:
    with pytest.raises(UserError):
        store.append(LogEntry("query", AT, "amara", None, {"sql": "\ud800"}))
    assert store.entries() == []


def test_files_are_private_and_the_public_key_is_public(place: Place, store: Store) -> None:
    store.append(query_entry())
    for name in ("store.db", "keys/log-signing.key", "keys/store-seal.key"):
        assert stat.S_IMODE((place.folder / name).stat().st_mode) == 0o600
    text = (place.folder / "log" / "log-signing.pub").read_text()
    assert VerifyingKey.from_text(text).raw() == store.verifying_key.raw()


@pytest.mark.parametrize("table", ["log_entry", "checkpoint", "held_result", "decision"])
@pytest.mark.parametrize(
    "verb", ["UPDATE {0} SET rowid = rowid", "DELETE FROM {0}", "INSERT OR REPLACE INTO {0} SELECT * FROM {0}"]
)
def test_the_database_refuses_to_change_what_is_recorded(place: Place, store: Store, table: str, verb: str) -> None:
    store.decide(hold(store), checker="chen", decision="release", comment="fine", at=AT)
    with (
        closing(sqlite3.connect(place.folder / "store.db")) as connection,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        connection.execute(verb.format(table))


def test_a_held_result_is_sealed_on_the_disk(place: Place, store: Store) -> None:
    reference = hold(store)
    assert canonical_reference(reference.lower()) == reference
    store.close()
    content = b"".join(path.read_bytes() for path in place.folder.glob("store.db*"))
    assert b"1200" not in content and b"sum(cost)" not in content and b"North" not in content
    assert place.open().held(reference).table == held_table()


def test_a_result_waits_until_it_is_decided(store: Store) -> None:
    first, second = hold(store), hold(store)
    assert [result.reference for result in store.waiting()] == [first, second]
    store.decide(first, checker="chen", decision="reject", comment="too few", at=AT)
    assert [result.reference for result in store.waiting()] == [second]
    assert [(result.reference, result.state) for result in store.decided()] == [(first, State.REJECTED)]


def test_the_researcher_gets_the_table_only_once_released(store: Store) -> None:
    reference = hold(store)
    before = store.fetch(reference, account="amara", project="cardio-outcomes")
    assert (before.state, before.table, before.comment) == (State.WAITING, None, None)
    store.decide(reference, checker="chen", decision="release", comment="fine", at=AT)
    after = store.fetch(reference, account="bilal", project="cardio-outcomes")
    assert (after.state, after.table, after.comment) == (State.RELEASED, held_table(), "fine")


@pytest.mark.parametrize("decision", ["reject", "return"])
def test_a_result_that_was_not_released_stays_sealed(store: Store, decision: str) -> None:
    reference = hold(store)
    store.decide(reference, checker="chen", decision=decision, comment="no", at=AT)
    found = store.fetch(reference, account="amara", project="cardio-outcomes")
    assert (found.table, found.comment) == (None, "no")


def test_another_project_is_told_nothing(store: Store) -> None:
    reference = hold(store)
    with pytest.raises(UserError) as other:
        store.fetch(reference, account="amara", project="cancer-pathways")
    with pytest.raises(UserError) as absent:
        store.fetch("H-000000", account="amara", project="cancer-pathways")
    assert str(other.value).replace(reference, "X") == str(absent.value).replace("H-000000", "X")


def test_two_checkers_are_two_people(store: Store) -> None:
    reference = hold(store, checkers_required=2)
    first = store.decide(reference, checker="chen", decision="release", comment="fine", at=AT)
    assert first.state is State.PARTLY_APPROVED
    assert store.fetch(reference, account="amara", project="cardio-outcomes").table is None
    with pytest.raises(Refused):
        store.decide(reference, checker="chen", decision="release", comment="again", at=AT)
    second = store.decide(reference, checker="dora", decision="release", comment="agreed", at=AT)
    assert second.state is State.RELEASED
    assert store.fetch(reference, account="amara", project="cardio-outcomes").table == held_table(2)


def test_the_second_checker_can_reject(store: Store) -> None:
    reference = hold(store, checkers_required=2)
    store.decide(reference, checker="chen", decision="release", comment="fine", at=AT)
    assert store.decide(reference, checker="dora", decision="reject", comment="no", at=AT).state is State.REJECTED


def test_nobody_decides_on_their_own_query(store: Store) -> None:
    reference = hold(store)
    with pytest.raises(Refused, match="asked this query yourself"):
        store.decide(reference, checker="amara", decision="release", comment="fine", at=AT)
    assert store.held(reference).state is State.WAITING


def test_a_decision_is_final(store: Store) -> None:
    reference = hold(store)
    store.decide(reference, checker="chen", decision="reject", comment="no", at=AT)
    with pytest.raises(Refused, match="final"):
        store.decide(reference, checker="dora", decision="release", comment="yes", at=AT)


@pytest.mark.parametrize("comment", ["", "  \n", "x" * 5000])
def test_a_decision_needs_a_comment_of_sensible_length(store: Store, comment: str) -> None:
    reference = hold(store)
    with pytest.raises(UserError, match="comment"):
        store.decide(reference, checker="chen", decision="release", comment=comment, at=AT)


def test_a_release_in_part_lets_only_those_rows_out(store: Store) -> None:
    reference = hold(store)
    store.decide(reference, checker="chen", decision="release", comment="not South", at=AT, rows=(0, 2))
    found = store.fetch(reference, account="amara", project="cardio-outcomes")
    assert found.table is not None
    assert found.table.rows == (("North", 1200), ("West", None)) and found.table.flagged == ()
    assert found.released_table() == found.table


def test_of_two_releases_in_part_only_common_rows_leave(store: Store) -> None:
    reference = hold(store, checkers_required=2)
    store.decide(reference, checker="chen", decision="release", comment="not West", at=AT, rows=(0, 1))
    store.decide(reference, checker="dora", decision="release", comment="not North", at=AT, rows=(1, 2))
    table = store.fetch(reference, account="amara", project="cardio-outcomes").table
    assert table is not None
    assert table.rows == (("South", 31),) and table.flagged == ((0, 1),)


@pytest.mark.parametrize(
    ("decision", "rows"), [("release", ()), ("release", (3,)), ("release", (-1,)), ("reject", (0,))]
)
def test_rows_that_make_no_sense_are_refused(store: Store, decision: str, rows: tuple[int, ...]) -> None:
    reference = hold(store)
    with pytest.raises(UserError, match="row"):
        store.decide(reference, checker="chen", decision=decision, comment="x", at=AT, rows=rows)


def test_a_decision_is_on_record_without_its_words(store: Store) -> None:
    reference = hold(store)
    made = store.decide(reference, checker="chen", decision="release", comment="secret words", at=AT).decisions[-1]
    index, entry = store.entries(kinds=("review",))[0]
    assert (index, entry.actor, entry.body["reference"], entry.body["state"]) == (
        made.log_index,
        "chen",
        reference,
        "released",
    )
    assert "secret words" not in json.dumps(entry.body)


def test_tallies_count_by_project_kind_and_outcome(store: Store) -> None:
    for verdict in ("released", "released", "refused"):
        store.append(query_entry(verdict=verdict))
    store.decide(hold(store), checker="chen", decision="return", comment="no", at=AT)
    assert store.tallies() == {
        ("cardio-outcomes", "query", "released"): 2,
        ("cardio-outcomes", "query", "refused"): 1,
        ("cardio-outcomes", "query", "held"): 1,
        ("cardio-outcomes", "review", "returned"): 1,
    }


def test_the_export_verifies_with_the_public_key_alone(place: Place, store: Store) -> None:
    for number in range(5):
        store.append(query_entry(number))
    path = place.folder / "export.jsonl"
    store.export_log(path)
    key = VerifyingKey.from_text((place.folder / "log" / "log-signing.pub").read_text())
    with path.open("rb") as file:
        entries, checkpoints = split_export(file)
    kept = (place.folder / "log" / "checkpoints.jsonl").read_text().splitlines()
    assert len(entries) == len(checkpoints) == len(kept) == 5
    assert verify(entries, checkpoints, key, kept) == []


def test_the_checkpoint_file_catches_up_after_it_could_not_be_written(place: Place, store: Store) -> None:
    published = place.folder / "log" / "checkpoints.jsonl"
    store.append(query_entry(0))
    lines = published.read_text()
    published.unlink()
    published.mkdir()  # nobody can append to a folder
    assert store.append(query_entry(1)) == 1
    published.rmdir()
    published.write_text(lines[:-20])  # and a crash left half a line
    store.append(query_entry(2))
    kept = published.read_text().splitlines()
    assert len(kept) == 3
    assert store.verify(kept) == []


def test_a_locked_database_is_an_operator_error_and_records_nothing(place: Place, store: Store) -> None:
    store.close()
    impatient = place.open(busy_seconds=0.2)
    with closing(sqlite3.connect(place.folder / "store.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(OperatorError, match="locked"):
            impatient.append(query_entry())
        with pytest.raises(OperatorError, match="locked"):
            hold(impatient)
        other.rollback()
    assert impatient.entries() == []
    assert impatient.append(query_entry()) == 0


def test_a_full_disk_is_an_operator_error_and_holds_nothing(store: Store) -> None:
    reference = hold(store)
    with store._database.engine.connect() as connection:  # SQLite's own way of running out of space
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(OperatorError, match="full"):
        for number in range(200):
            store.append(query_entry(number))
    entries = len(store.entries())
    with pytest.raises(OperatorError, match="full"):
        for _ in range(50):
            store.decide(hold(store), checker="chen", decision="release", comment="x" * 3000, at=AT)
    assert store.held(reference).state is State.WAITING
    assert store.verify() == []
    assert len(store.entries()) >= entries


@pytest.mark.parametrize("url", ["sqlite:////proc/nowhere/store.db", "nonsense", "oracle+missing://host/x"])
def test_a_store_that_cannot_be_opened_is_an_operator_error(tmp_path: Path, url: str) -> None:
    with pytest.raises(OperatorError):
        Store.open(url, tmp_path / "keys", tmp_path / "log")


def test_a_store_of_a_newer_version_is_refused(place: Place, store: Store) -> None:
    store.close()
    place.tamper("UPDATE schema_version SET version = 99")
    with pytest.raises(OperatorError, match="99"):
        place.open()


@pytest.mark.parametrize("name", ["log-signing.key", "store-seal.key"])
def test_a_lost_key_is_not_replaced_by_a_new_one(place: Place, store: Store, name: str) -> None:
    store.append(query_entry())
    store.close()
    (place.folder / "keys" / name).unlink()
    with pytest.raises(OperatorError, match="missing"):
        place.open()


def test_a_store_under_another_signing_key_is_not_opened(place: Place, store: Store) -> None:
    store.append(query_entry())
    store.close()
    (place.folder / "keys" / "log-signing.key").write_text("11" * 32)
    with pytest.raises(IntegrityError):
        place.open()


def test_times_are_kept_in_utc(store: Store) -> None:
    reference = store.hold(query_entry(verdict="held"), held_table())
    assert store.held(reference).at == AT
    assert store.held(reference).at.utcoffset() == timedelta(0)
