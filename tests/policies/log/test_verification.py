"""Every way of tampering with a log is found, and found where it was done."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from ambergate_policies.log import (
    GENESIS,
    BadCheckpoint,
    Checkpoint,
    Fault,
    FaultKind,
    Frontier,
    LogEntry,
    SealedEntry,
    VerifyingKey,
    leaf_hash,
    open_note,
    sign,
    verify,
)

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
SIZE = 12


@dataclass
class Log:
    """A log made in memory: its leaves and its checkpoint lines."""

    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    entries: list[bytes] = field(default_factory=list)
    checkpoints: list[str] = field(default_factory=list)

    @property
    def public(self) -> VerifyingKey:
        return VerifyingKey(self.key.public_key())

    def faults(self, kept: list[str] | None = None) -> list[Fault]:
        return verify(self.entries, self.checkpoints, self.public, kept or [])

    def found(self, kept: list[str] | None = None) -> list[tuple[FaultKind, int]]:
        return [(fault.kind, fault.index) for fault in self.faults(kept)]


def make_log(size: int = SIZE, key: Ed25519PrivateKey | None = None, verdict: str = "released") -> Log:
    log = Log(key or Ed25519PrivateKey.generate())
    previous, frontier = GENESIS, Frontier()
    for index in range(size):
        entry = LogEntry("query", START + timedelta(minutes=index), "amara", "cardio", {"verdict": verdict, "n": index})
        leaf = SealedEntry(index, previous, entry).leaf()
        frontier = frontier.append(leaf_hash(leaf))
        previous = leaf_hash(leaf).hex()
        note = sign(Checkpoint(index + 1, frontier.root(), entry.at), log.key)
        log.entries.append(leaf)
        log.checkpoints.append(json.dumps({"checkpoint": note, "leaf": previous}))
    return log


def edited(leaf: bytes) -> bytes:
    return leaf.replace(b"released", b"refused")


def test_an_untouched_log_has_no_fault() -> None:
    assert make_log().faults() == []
    assert make_log(0).faults() == []


@pytest.mark.parametrize("index", range(SIZE))
def test_one_edited_entry_is_the_only_fault(index: int) -> None:
    log = make_log()
    log.entries[index] = edited(log.entries[index])
    assert log.found() == [(FaultKind.EDITED, index)]


def test_two_neighbouring_edits_are_both_found_even_without_noted_leaf_hashes() -> None:
    log = make_log()
    log.checkpoints = [json.loads(line)["checkpoint"] for line in log.checkpoints]
    log.entries[3], log.entries[8] = edited(log.entries[3]), edited(log.entries[8])
    assert log.found() == [(FaultKind.EDITED, 3), (FaultKind.EDITED, 8)]


def test_without_any_witness_the_first_edit_is_found_and_the_rest_is_called_unproven() -> None:
    log = make_log()
    log.checkpoints = [json.loads(line)["checkpoint"] for line in log.checkpoints]
    log.entries[3], log.entries[4] = edited(log.entries[3]), edited(log.entries[4].replace(b"previous", b"prevIous"))
    assert (FaultKind.EDITED, 3) in log.found()
    assert (FaultKind.UNPROVEN, 3) in log.found()


@pytest.mark.parametrize("index", range(SIZE - 1))
def test_a_dropped_entry_is_named(index: int) -> None:
    log = make_log()
    del log.entries[index]
    assert log.found() == [(FaultKind.DROPPED, index)]


@pytest.mark.parametrize("left", [0, 1, SIZE - 1])
def test_a_truncated_log_says_where_it_ends(left: int) -> None:
    log = make_log()
    del log.entries[left:]
    assert log.found() == [(FaultKind.TRUNCATED, left)]


def test_truncating_the_checkpoints_as_well_is_found_against_a_kept_one() -> None:
    log = make_log()
    kept = [log.checkpoints[-1]]
    del log.entries[7:], log.checkpoints[7:]
    assert log.found() == []
    assert log.found(kept) == [(FaultKind.TRUNCATED, 7)]


def test_entries_that_changed_places_are_named() -> None:
    log = make_log()
    log.entries[3], log.entries[6] = log.entries[6], log.entries[3]
    assert log.found() == [(FaultKind.REORDERED, 3), (FaultKind.REORDERED, 6)]


def test_an_entry_that_was_moved_is_named_alone() -> None:
    log = make_log()
    log.entries.insert(2, log.entries.pop(9))
    assert log.found() == [(FaultKind.REORDERED, 9)]


def test_an_entry_put_twice_is_an_insertion() -> None:
    log = make_log()
    log.entries.insert(5, log.entries[4])
    assert log.found() == [(FaultKind.INSERTED, 4)]


def test_an_entry_forged_between_others_is_an_insertion() -> None:
    log = make_log()
    log.entries.insert(5, edited(log.entries[5]))
    assert log.found() == [(FaultKind.INSERTED, 5)]


def test_an_entry_appended_without_the_key_is_unsigned() -> None:
    log = make_log()
    entry = LogEntry("review", START, "mallory", "cardio")
    log.entries.append(SealedEntry(SIZE, leaf_hash(log.entries[-1]).hex(), entry).leaf())
    assert log.found() == [(FaultKind.UNSIGNED, SIZE)]


def test_a_line_that_is_no_entry_is_malformed_and_its_entry_missing() -> None:
    log = make_log()
    log.entries[4] = b"not json"
    assert set(log.found()) == {(FaultKind.DROPPED, 4), (FaultKind.MALFORMED, 4)}


def test_a_reformatted_entry_counts_as_edited() -> None:
    log = make_log()
    log.entries[4] = json.dumps(json.loads(log.entries[4]), indent=1).encode()
    assert log.found() == [(FaultKind.EDITED, 4)]


def test_a_checkpoint_with_a_forged_root_fails_by_its_signature() -> None:
    log = make_log()
    line = json.loads(log.checkpoints[5])
    root = line["checkpoint"].splitlines()[2]
    line["checkpoint"] = line["checkpoint"].replace(root, json.loads(log.checkpoints[4])["checkpoint"].splitlines()[2])
    log.checkpoints[5] = json.dumps(line)
    assert set(log.found()) == {(FaultKind.SIGNATURE, 5), (FaultKind.CHECKPOINT_MISSING, 5)}


def test_checkpoints_of_another_key_are_worthless() -> None:
    log = make_log(3)
    other = make_log(3)
    log.checkpoints = other.checkpoints
    kinds = {fault.kind for fault in log.faults()}
    assert kinds == {FaultKind.SIGNATURE, FaultKind.UNSIGNED}


def test_a_missing_checkpoint_is_a_fault_of_its_own() -> None:
    log = make_log()
    del log.checkpoints[6]
    assert log.found() == [(FaultKind.CHECKPOINT_MISSING, 6)]


def test_a_wrong_leaf_hash_beside_a_checkpoint_changes_nothing() -> None:
    log = make_log()
    line = json.loads(log.checkpoints[5])
    line["leaf"] = "00" * 32
    log.checkpoints[5] = json.dumps(line)
    assert log.found() == []


def test_history_rewritten_with_the_key_is_found_against_checkpoints_kept_elsewhere() -> None:
    log = make_log()
    rewritten = make_log(key=log.key, verdict="refused")
    assert rewritten.faults() == []
    assert rewritten.found(kept=[log.checkpoints[7]]) == [(FaultKind.FORK, 0)]
    assert log.found(kept=[json.loads(line)["checkpoint"] for line in log.checkpoints[:8]]) == []


def test_a_rewritten_tail_is_placed_between_the_kept_checkpoints() -> None:
    log, rewritten = make_log(), make_log(5)
    rewritten = Log(log.key, log.entries[:5], log.checkpoints[:5])
    frontier = Frontier()
    for leaf in rewritten.entries:
        frontier = frontier.append(leaf_hash(leaf))
    leaf = SealedEntry(5, leaf_hash(rewritten.entries[-1]).hex(), LogEntry("query", START, "mallory")).leaf()
    frontier = frontier.append(leaf_hash(leaf))
    rewritten.entries.append(leaf)
    rewritten.checkpoints.append(sign(Checkpoint(6, frontier.root(), START), log.key))
    assert rewritten.faults() == []
    assert rewritten.found(kept=[log.checkpoints[3], log.checkpoints[5]]) == [(FaultKind.FORK, 4)]


def test_two_signed_roots_for_one_size_are_a_fork() -> None:
    log = make_log()
    other = make_log(key=log.key, verdict="refused")
    log.checkpoints.append(other.checkpoints[4])
    assert (FaultKind.FORK, 4) in log.found()


def test_a_note_says_its_key_and_survives_no_change() -> None:
    key = Ed25519PrivateKey.generate()
    note = sign(Checkpoint(4, b"\x07" * 32, START), key)
    public = VerifyingKey.from_text(VerifyingKey(key.public_key()).to_text())
    assert open_note(note, public) == Checkpoint(4, b"\x07" * 32, START)
    for changed in (note.replace("\n4\n", "\n5\n"), note.replace("ambergate", "ambergate2", 1), note[:-8], "", "4"):
        with pytest.raises(BadCheckpoint):
            open_note(changed, public)


def test_a_verifying_key_with_a_wrong_hash_is_refused() -> None:
    text = VerifyingKey(Ed25519PrivateKey.generate().public_key()).to_text()
    name, digest, key = text.split("+", 2)
    with pytest.raises(BadCheckpoint):
        VerifyingKey.from_text(f"{name}+{'0' * len(digest)}+{key}")


TAMPERINGS = st.lists(
    st.tuples(
        st.sampled_from(["edit", "drop", "copy", "swap", "cut"]), st.integers(0, SIZE - 1), st.integers(0, SIZE - 1)
    ),
    min_size=1,
    max_size=4,
)
ORIGINAL = make_log()


@given(TAMPERINGS)
@settings(deadline=None, max_examples=200)
def test_no_combination_of_changes_goes_unseen(tamperings: list[tuple[str, int, int]]) -> None:
    entries = list(ORIGINAL.entries)
    for action, first, second in tamperings:
        if max(first, second) >= len(entries):
            continue
        match action:
            case "edit":
                entries[first] = entries[first].replace(b"cardio", b"cardia")
            case "drop":
                del entries[first]
            case "copy":
                entries.insert(second, entries[first])
            case "swap":
                entries[first], entries[second] = entries[second], entries[first]
            case "cut":
                del entries[first:]
    faults = verify(entries, ORIGINAL.checkpoints, ORIGINAL.public)
    assert bool(faults) == (entries != ORIGINAL.entries)
    pairs = zip(entries, ORIGINAL.entries, strict=False)
    untouched = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(entries), SIZE))
    assert all(fault.index >= untouched for fault in faults if fault.kind in (FaultKind.EDITED, FaultKind.TRUNCATED))
