"""Somebody with the disk but without the keys: every change is found at its place, and none lets a result out."""

from __future__ import annotations

import pytest
from tests.extension.store.conftest import AT, Place, hold, query_entry

from ambergate_extension.store import Store
from ambergate_policies.errors import IntegrityError
from ambergate_policies.log import FaultKind

SIZE = 8


@pytest.fixture
def full(store: Store) -> Store:
    for number in range(SIZE):
        store.append(query_entry(number))
    return store


def found(store: Store, kept: list[str] | None = None) -> list[tuple[FaultKind, int]]:
    return [(fault.kind, fault.index) for fault in store.verify(kept or [])]


def test_an_untouched_store_has_no_fault(full: Store) -> None:
    full.decide(hold(full), checker="chen", decision="release", comment="fine", at=AT)
    assert found(full) == []


@pytest.mark.parametrize("index", [0, 3, SIZE - 1])
def test_an_edited_row_is_found(place: Place, full: Store, index: int) -> None:
    place.tamper(f"UPDATE log_entry SET leaf = replace(leaf, 'released', 'refused') WHERE idx = {index}")
    assert (FaultKind.EDITED, index) in found(full)
    assert {at for _, at in found(full)} == {index}


@pytest.mark.parametrize("index", [0, 3, SIZE - 2])
def test_a_deleted_row_is_found(place: Place, full: Store, index: int) -> None:
    place.tamper(f"DELETE FROM log_entry WHERE idx = {index}")
    assert found(full) == [(FaultKind.DROPPED, index)]


def test_a_deleted_tail_is_found_and_never_extended(place: Place, full: Store) -> None:
    place.tamper(f"DELETE FROM log_entry WHERE idx >= {SIZE - 2}")
    assert found(full) == [(FaultKind.TRUNCATED, SIZE - 2)]
    with pytest.raises(IntegrityError):
        full.append(query_entry())


def test_a_tail_deleted_with_its_checkpoints_is_found_against_the_published_ones(place: Place, full: Store) -> None:
    place.tamper(f"DELETE FROM log_entry WHERE idx >= {SIZE - 2}", f"DELETE FROM checkpoint WHERE size > {SIZE - 2}")
    kept = (place.folder / "log" / "checkpoints.jsonl").read_text().splitlines()
    assert found(full, kept) == [(FaultKind.TRUNCATED, SIZE - 2)]
    full.close()
    with pytest.raises(IntegrityError, match="fewer entries"):
        place.open()


def test_rows_that_changed_places_are_found(place: Place, full: Store) -> None:
    place.tamper(
        "UPDATE log_entry SET idx = 100 WHERE idx = 2",
        "UPDATE log_entry SET idx = 2 WHERE idx = 5",
        "UPDATE log_entry SET idx = 5 WHERE idx = 100",
    )
    assert {(FaultKind.REORDERED, 2), (FaultKind.REORDERED, 5)} <= set(found(full))


def test_an_entry_added_behind_the_stores_back_is_found(place: Place, full: Store) -> None:
    place.tamper(f"INSERT INTO log_entry (idx, leaf, kind) SELECT {SIZE}, replace(leaf, '\"index\":7', '\"index\":8'), "
                 f"kind FROM log_entry WHERE idx = {SIZE - 1}")  # fmt: skip
    assert (FaultKind.UNSIGNED, SIZE) in found(full)


def test_a_changed_search_column_is_found(place: Place, full: Store) -> None:
    place.tamper("UPDATE log_entry SET outcome = 'refused' WHERE idx = 4")
    assert found(full) == [(FaultKind.STATE, 4)]


def test_a_changed_frontier_is_never_extended(place: Place, full: Store) -> None:
    place.tamper("UPDATE checkpoint SET frontier = '8:' || substr(frontier, 3, 63) || 'x' WHERE size = 8")
    with pytest.raises(IntegrityError):
        full.append(query_entry())


def test_a_forged_release_releases_nothing(place: Place, full: Store) -> None:
    reference = hold(full)
    place.tamper(
        "INSERT INTO decision (log_index, reference, checker, choice, at, comment, salt) "
        f"VALUES (0, '{reference}', 'chen', 'release', '2026-11-22T09:00:00.000000Z', 'fine', '00')"
    )
    with pytest.raises(IntegrityError):
        full.fetch(reference, account="amara", project="cardio-outcomes")
    assert (FaultKind.STATE, 0) in found(full)


def test_a_rejection_turned_into_a_release_releases_nothing(place: Place, full: Store) -> None:
    reference = hold(full)
    full.decide(reference, checker="chen", decision="reject", comment="no", at=AT)
    place.tamper("UPDATE decision SET choice = 'release'")
    with pytest.raises(IntegrityError):
        full.fetch(reference, account="amara", project="cardio-outcomes")
    assert found(full) == [(FaultKind.STATE, SIZE + 1)]


def test_a_rejection_that_was_deleted_cannot_be_decided_again(place: Place, full: Store) -> None:
    reference = hold(full)
    full.decide(reference, checker="chen", decision="reject", comment="no", at=AT)
    place.tamper("DELETE FROM decision")
    with pytest.raises(IntegrityError):
        full.decide(reference, checker="dora", decision="release", comment="fine", at=AT)
    assert found(full) == [(FaultKind.STATE, SIZE + 1)]


@pytest.mark.parametrize(
    "change",
    ["checkers_required = 1", "project = 'cancer-pathways'", "account = 'bilal'", "sealed = zeroblob(60)"],
)
def test_a_changed_held_result_does_not_open(place: Place, full: Store, change: str) -> None:
    reference = hold(full, checkers_required=2)
    place.tamper(f"UPDATE held_result SET {change}")
    with pytest.raises(IntegrityError):
        full.held(reference)


def test_a_held_result_that_was_deleted_is_missed(place: Place, full: Store) -> None:
    hold(full)
    place.tamper("DELETE FROM held_result")
    assert found(full) == [(FaultKind.STATE, SIZE)]


def test_a_comment_that_was_changed_is_found(place: Place, full: Store) -> None:
    full.decide(hold(full), checker="chen", decision="reject", comment="no", at=AT)
    place.tamper("UPDATE decision SET comment = 'never said'")
    assert found(full) == [(FaultKind.STATE, SIZE + 1)]
