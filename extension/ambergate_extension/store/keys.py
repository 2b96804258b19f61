"""The store's two keys: one signs checkpoints, one seals held results. Files of 32 bytes in hexadecimal, mode 0600."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ambergate_policies.errors import IntegrityError, OperatorError
from ambergate_policies.log import VerifyingKey

KEY_BYTES = 32
_NONCE_BYTES = 12
SIGNING_KEY = "log-signing.key"
SEAL_KEY = "store-seal.key"
PUBLIC_KEY = "log-signing.pub"


def read_or_make_key(path: Path, *, make: bool) -> bytes:
    """The key in a file; made from the system's randomness if there is none and `make` allows it."""
    try:
        if make and not path.exists():
            _write_once(path, secrets.token_bytes(KEY_BYTES).hex() + "\n", 0o600)
        key = bytes.fromhex(path.read_text("ascii").strip())
    except FileNotFoundError:
        raise OperatorError(
            f"the key file {path.name} is missing; restore it, for a new one would prove nothing"
        ) from None
    except (OSError, ValueError):
        raise OperatorError(f"the key file {path.name} cannot be read") from None
    if len(key) != KEY_BYTES:
        raise OperatorError(f"the key file {path.name} does not hold {KEY_BYTES} bytes")
    return key


def signing_key(raw: bytes, log_folder: Path) -> Ed25519PrivateKey:
    """The signing key; its public half is published. Raises IntegrityError if another one is."""
    key = Ed25519PrivateKey.from_private_bytes(raw)
    text = VerifyingKey(key.public_key()).to_text() + "\n"
    path = log_folder / PUBLIC_KEY
    try:
        _write_once(path, text, 0o644)
        published = path.read_text("utf-8")
    except OSError:
        raise OperatorError("the log's public key cannot be published") from None
    if published != text:
        raise IntegrityError("the published public key is not that of the log's signing key")
    return key


class Seal:
    """AES-256-GCM over a payload, bound to its context: neither can be changed or moved without the key."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def close(self, payload: bytes, context: bytes) -> bytes:
        """Nonce and ciphertext."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, payload, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """The payload. Raises IntegrityError."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context)
        except (InvalidTag, ValueError):
            raise IntegrityError("a held result is not what was sealed") from None


def _write_once(path: Path, text: str, mode: int) -> None:
    """Write the whole file unless there is one; of two processes, one wins and neither sees half a file."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink(missing_ok=True)
