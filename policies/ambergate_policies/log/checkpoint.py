"""Signed checkpoints: what the log's tree looked like at one size, in a form that anybody can keep and check.

The text is a C2SP tlog-checkpoint in a signed note (https://c2sp.org/tlog-checkpoint, https://c2sp.org/signed-note),
with the time as an extension line, so that the tools of other transparency logs read it too:

    ambergate.decision-log
    42
    <root, base64>
    time 2026-11-22T09:00:00.000000Z

    — ambergate.decision-log <base64 of key hash and Ed25519 signature>
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ambergate_policies.log.entry import format_time, parse_time
from ambergate_policies.log.merkle import HASH_BYTES

ORIGIN = "ambergate.decision-log"
_ED25519 = b"\x01"
_DASH = "\N{EM DASH} "
_KEY_HASH_BYTES = 4


class BadCheckpoint(ValueError):
    """The text is not a checkpoint, or its signature is not the key's. Says which, never quotes it."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The tree at `size` leaves had `root`, said the holder of the key at `at`."""

    size: int
    root: bytes
    at: datetime
    origin: str = ORIGIN

    def body(self) -> str:
        """The text that is signed."""
        root = base64.b64encode(self.root).decode("ascii")
        return f"{self.origin}\n{self.size}\n{root}\ntime {format_time(self.at)}\n"


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """The log's public key and the name it signs under."""

    public: Ed25519PublicKey
    name: str = ORIGIN

    def raw(self) -> bytes:
        return self.public.public_bytes_raw()

    def key_hash(self) -> bytes:
        """The first bytes of SHA-256(name || newline || algorithm || key), as signed-note defines them."""
        digest = hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.raw()).digest()
        return digest[:_KEY_HASH_BYTES]

    def to_text(self) -> str:
        """The note verifier key: `name+hash+base64`. This is the content of log-signing.pub."""
        key = base64.b64encode(_ED25519 + self.raw()).decode("ascii")
        return f"{self.name}+{self.key_hash().hex()}+{key}"

    @classmethod
    def from_text(cls, text: str) -> VerifyingKey:
        """Read log-signing.pub. Raises BadCheckpoint."""
        parts = text.strip().split("+", 2)
        if len(parts) != 3:
            raise BadCheckpoint("not a verifying key")
        try:
            raw = base64.b64decode(parts[2], validate=True)
            if raw[:1] != _ED25519:
                raise BadCheckpoint("not an Ed25519 verifying key")
            key = cls(Ed25519PublicKey.from_public_bytes(raw[1:]), parts[0])
        except (binascii.Error, ValueError):
            raise BadCheckpoint("not an Ed25519 verifying key") from None
        if key.key_hash().hex() != parts[1]:
            raise BadCheckpoint("the verifying key's hash does not fit the key")
        return key


def sign(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> str:
    """The checkpoint as a signed note."""
    verifying = VerifyingKey(key.public_key(), checkpoint.origin)
    body = checkpoint.body()
    signature = base64.b64encode(verifying.key_hash() + key.sign(body.encode("utf-8"))).decode("ascii")
    return f"{body}\n{_DASH}{verifying.name} {signature}\n"


def open_note(note: str, key: VerifyingKey) -> Checkpoint:
    """Check the signature, then read the checkpoint. Raises BadCheckpoint."""
    body, separator, signatures = note.partition("\n\n")
    if not separator:
        raise BadCheckpoint("not a signed note")
    body += "\n"
    if not any(_signed_by(line, body, key) for line in signatures.splitlines()):
        raise BadCheckpoint("no valid signature of the log's key")
    return _parse(body)


def _signed_by(line: str, body: str, key: VerifyingKey) -> bool:
    prefix = f"{_DASH}{key.name} "
    if not line.startswith(prefix):
        return False
    try:
        blob = base64.b64decode(line[len(prefix) :], validate=True)
        if blob[:_KEY_HASH_BYTES] != key.key_hash():
            return False
        key.public.verify(blob[_KEY_HASH_BYTES:], body.encode("utf-8"))
    except (binascii.Error, ValueError, InvalidSignature):
        return False
    return True


def _parse(body: str) -> Checkpoint:
    lines = body.splitlines()
    if len(lines) != 4 or not lines[1].isdecimal() or not lines[3].startswith("time "):
        raise BadCheckpoint("the note is not a checkpoint of this log")
    try:
        checkpoint = Checkpoint(
            size=int(lines[1]),
            root=base64.b64decode(lines[2], validate=True),
            at=parse_time(lines[3].removeprefix("time ")),
            origin=lines[0],
        )
    except (binascii.Error, ValueError):
        raise BadCheckpoint("the note is not a checkpoint of this log") from None
    if len(checkpoint.root) != HASH_BYTES or checkpoint.body() != body:
        raise BadCheckpoint("the note is not spelt as this log spells it")
    return checkpoint
