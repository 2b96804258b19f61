"""Offline verification: given entries, signed checkpoints and the public key, says what is wrong and where.

A checkpoint is signed after every append, so the signed roots fix each leaf hash in turn: the hash of leaf i is the
one that turns the proven tree of i leaves into the signed root of i + 1. Candidates for it are the entry presented,
the `previous` that its successor names, and the leaf hash noted beside the checkpoint; none of them is trusted, the
root decides. So one changed entry is found at its own place and what follows it is still proven.
"""

from __future__ import annotations

import bisect
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from ambergate_policies.log.checkpoint import BadCheckpoint, Checkpoint, VerifyingKey, open_note
from ambergate_policies.log.entry import leaf_hash
from ambergate_policies.log.merkle import HASH_BYTES, Frontier


class FaultKind(StrEnum):
    """What can be wrong with a log."""

    MALFORMED = "malformed"  # a line is no entry
    EDITED = "edited"  # the entry is not the one that was signed
    DROPPED = "dropped"  # an entry between others is gone
    TRUNCATED = "truncated"  # checkpoints cover more entries than exist
    INSERTED = "inserted"  # an entry that was never signed at this place
    REORDERED = "reordered"
    UNSIGNED = "unsigned"  # an entry beyond the last checkpoint
    UNPROVEN = "unproven"  # nothing left that could prove the entries from here on
    SIGNATURE = "signature"  # a checkpoint is not signed by the log's key
    CHECKPOINT_MISSING = "checkpoint missing"
    STATE = "state"  # what a store holds beside the log is not what the log says
    FORK = "fork"  # two signed roots for one size, or a kept checkpoint that this log does not extend


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. `index` is the entry's index from 0 (for checkpoints: of the last entry covered)."""

    kind: FaultKind
    index: int
    message: str


@dataclass(frozen=True, slots=True)
class _Line:
    """One presented entry: its place among the lines and what it says of itself."""

    position: int
    index: int
    previous: str
    hash: bytes


@dataclass(slots=True)
class _Signed:
    """The checkpoints whose signature holds, by size, and the leaf hashes noted beside them (not trusted)."""

    roots: dict[int, bytes] = field(default_factory=dict)
    hints: dict[int, bytes] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return max(self.roots, default=0)


def verify(
    entries: Iterable[bytes],
    checkpoints: Iterable[str],
    key: VerifyingKey,
    kept: Iterable[str] = (),
) -> list[Fault]:
    """All faults, in the order of the entries; an empty list means: every entry is the one signed, none is missing.

    `entries` are the leaves in their presented order; `checkpoints` the log's own lines (see `read_checkpoint`), one
    for every size; `kept` any checkpoint lines or notes that somebody kept from this log earlier.
    """
    faults: list[Fault] = []
    signed = _read_signed(checkpoints, key, faults)
    faults += _missing_checkpoints(signed)
    lines = list(_read_lines(entries, faults))
    roots = _verify_entries(lines, signed, faults)
    faults += _verify_kept(kept, key, roots)
    return sorted(faults, key=lambda fault: fault.index)


def read_checkpoint(line: str) -> tuple[str, bytes | None]:
    """The signed note in one line of checkpoints.jsonl, and the hash of the last leaf that stands beside it.

    A bare note is also accepted. Raises BadCheckpoint.
    """
    if not line.lstrip().startswith("{"):
        return line, None
    try:
        found = json.loads(line)
        note, leaf = found["checkpoint"], found.get("leaf")
        hint = _hash_of_hex(leaf)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadCheckpoint("the line holds no checkpoint") from None
    if not isinstance(note, str):
        raise BadCheckpoint("the line holds no checkpoint")
    return note, hint


def _read_signed(checkpoints: Iterable[str], key: VerifyingKey, faults: list[Fault]) -> _Signed:
    signed = _Signed()
    for position, line in enumerate(checkpoints):
        try:
            note, hint = read_checkpoint(line)
            checkpoint = open_note(note, key)
        except BadCheckpoint as error:
            faults.append(Fault(FaultKind.SIGNATURE, position, f"checkpoint line {position + 1}: {error}"))
            continue
        if signed.roots.setdefault(checkpoint.size, checkpoint.root) != checkpoint.root:
            message = f"two checkpoints of size {checkpoint.size} are signed with different roots"
            faults.append(Fault(FaultKind.FORK, max(checkpoint.size - 1, 0), message))
        if hint is not None:
            signed.hints[checkpoint.size - 1] = hint
    return signed


def _missing_checkpoints(signed: _Signed) -> Iterator[Fault]:
    for size in range(1, signed.size):
        if size not in signed.roots:
            yield Fault(FaultKind.CHECKPOINT_MISSING, size - 1, f"no valid checkpoint for size {size}")


def _read_lines(entries: Iterable[bytes], faults: list[Fault]) -> Iterator[_Line]:
    for position, leaf in enumerate(entries):
        try:
            found = json.loads(leaf)
            index, previous = found["index"], found["previous"]
        except (ValueError, KeyError, TypeError, RecursionError):
            index = previous = None
        if type(index) is not int or index < 0 or not isinstance(previous, str):
            faults.append(Fault(FaultKind.MALFORMED, position, f"line {position + 1} is not a log entry"))
            continue
        yield _Line(position, index, previous, leaf_hash(leaf))


def _verify_entries(lines: Sequence[_Line], signed: _Signed, faults: list[Fault]) -> list[bytes]:
    """Adds the faults found; returns the proven roots of sizes 0, 1, 2, ... as far as the proof goes."""
    by_index: dict[int, list[_Line]] = defaultdict(list)
    for line in lines:
        by_index[line.index].append(line)
    last_presented = max((line.index for line in lines if line.index < signed.size), default=-1)
    frontier = Frontier()
    roots = [frontier.root()]
    for index in range(signed.size):
        leaf = _authentic_leaf(index, frontier, by_index, signed)
        faults += _judge(index, by_index[index], leaf, last_presented)
        if leaf is None:
            if index + 1 < signed.size:
                faults.append(Fault(FaultKind.UNPROVEN, index, f"entries after {index} cannot be proven one by one"))
            break
        frontier = frontier.append(leaf)
        roots.append(frontier.root())
    faults += _truncation(last_presented, signed)
    faults += _unsigned(lines, signed)
    faults += _order(lines)
    return roots


def _authentic_leaf(index: int, frontier: Frontier, by_index: dict[int, list[_Line]], signed: _Signed) -> bytes | None:
    """The leaf hash that the signed root proves, or None.

    Without a checkpoint of this size (a fault of its own) the first candidate is believed: the next root judges it.
    """
    candidates = [line.hash for line in by_index[index]]
    candidates += [found for line in by_index[index + 1] if (found := _hash_of_hex(line.previous))]
    if hint := signed.hints.get(index):
        candidates.append(hint)
    expected = signed.roots.get(index + 1)
    if expected is None:
        return candidates[0] if candidates else None
    return next((leaf for leaf in candidates if frontier.append(leaf).root() == expected), None)


def _hash_of_hex(text: str | None) -> bytes | None:
    """The hash that the text spells, or None if it spells none."""
    try:
        found = bytes.fromhex(text or "")
    except ValueError:
        return None
    return found if len(found) == HASH_BYTES else None


def _judge(index: int, presented: Sequence[_Line], leaf: bytes | None, last_presented: int) -> Iterator[Fault]:
    if not presented and index < last_presented:
        yield Fault(FaultKind.DROPPED, index, f"entry {index} is missing")
    genuine = [line for line in presented if line.hash == leaf]
    others = [line for line in presented if line.hash != leaf]
    if others and not genuine:
        yield Fault(FaultKind.EDITED, index, f"entry {index} is not the entry that was signed")
        others = others[1:]
    for line in [*genuine[1:], *others]:
        message = f"line {line.position + 1} claims to be entry {index} and was never signed there"
        yield Fault(FaultKind.INSERTED, index, message)


def _truncation(last_presented: int, signed: _Signed) -> Iterator[Fault]:
    first = last_presented + 1
    if first < signed.size:
        yield Fault(
            FaultKind.TRUNCATED,
            first,
            f"the log ends before entry {first}, but signed checkpoints cover entries up to {signed.size - 1}",
        )


def _unsigned(lines: Sequence[_Line], signed: _Signed) -> Iterator[Fault]:
    for line in lines:
        if line.index >= signed.size:
            yield Fault(FaultKind.UNSIGNED, line.index, f"entry {line.index} is not covered by a signed checkpoint")


def _order(lines: Sequence[_Line]) -> Iterator[Fault]:
    """The fewest lines that explain the disorder: those that moved, or those that changed places."""
    in_order = sorted(lines, key=lambda line: line.index)
    swapped = [line for line, other in zip(lines, in_order, strict=True) if line.index != other.index]
    moved = _outside_longest_rise(lines)
    for line in min(swapped, moved, key=len):
        message = f"entry {line.index} stands at line {line.position + 1}, out of order"
        yield Fault(FaultKind.REORDERED, line.index, message)


def _outside_longest_rise(lines: Sequence[_Line]) -> list[_Line]:
    """The lines outside a longest non-falling subsequence of indexes (patience sorting, O(n log n))."""
    tops: list[int] = []  # the least index that ends a rise of each length
    lengths: list[int] = []
    for line in lines:
        length = bisect.bisect_right(tops, line.index)
        tops[length : length + 1] = [line.index]
        lengths.append(length)
    wanted, outside = len(tops) - 1, []
    ceiling: int | None = None
    for line, length in zip(reversed(lines), reversed(lengths), strict=True):
        if length == wanted and (ceiling is None or line.index <= ceiling):
            wanted, ceiling = wanted - 1, line.index
        else:
            outside.append(line)
    return outside[::-1]


def _verify_kept(kept: Iterable[str], key: VerifyingKey, roots: Sequence[bytes]) -> Iterator[Fault]:
    """Whether the proven log extends each checkpoint kept elsewhere, even against the holder of the signing key."""
    found: list[Checkpoint] = []
    for position, line in enumerate(kept):
        try:
            found.append(open_note(read_checkpoint(line)[0], key))
        except BadCheckpoint as error:
            yield Fault(FaultKind.SIGNATURE, position, f"kept checkpoint line {position + 1}: {error}")
    found.sort(key=lambda checkpoint: checkpoint.size)
    proven = len(roots) - 1
    if found and found[-1].size > proven:
        message = f"a kept checkpoint covers {found[-1].size} entries, this log proves {proven}"
        yield Fault(FaultKind.TRUNCATED, proven, message)
    consistent = 0
    for checkpoint in found:
        if checkpoint.size <= proven and roots[checkpoint.size] != checkpoint.root:
            span = f"entries {consistent} to {checkpoint.size - 1}"
            yield Fault(FaultKind.FORK, consistent, f"history was rewritten: {span} are not those of a kept checkpoint")
            return
        consistent = checkpoint.size
