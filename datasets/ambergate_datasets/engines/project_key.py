"""The read side of a project's key, for gates: unwrap the project's secret and derive the database key.

Construction: master key (32 random bytes, a file of mode 0600) wraps one random secret per project with AES-256-GCM
(NIST SP 800-38D), the project's name bound in as associated data; every working key is HKDF-SHA256 (RFC 5869) of that
secret over (version, purpose, project, domain). Making and destroying keys is `ambergate_datasets.keys`, which a
gate cannot import.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ambergate_policies.errors import IntegrityError, OperatorError

KEY_BYTES = 32
NONCE_BYTES = 12
VERSION = 1


def master_path(keys_folder: Path) -> Path:
    return keys_folder / "master.key"


def wrapped_path(keys_folder: Path, slug: str) -> Path:
    return keys_folder / "projects" / f"{slug}.key"


def read_private(path: Path, what: str) -> bytes:
    """A key file's bytes. Raises OperatorError if it is missing, a link, or open to anybody but its owner."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise OperatorError(f"{what} cannot be read ({error.strerror})") from None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OperatorError(f"{what} is not a plain file")
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
            raise OperatorError(f"{what} must belong to this user and be closed to everybody else (chmod 600)")
        return file.read()


def read_master(keys_folder: Path) -> bytes:
    """The master key. Raises OperatorError if it is missing, too open or damaged."""
    text = read_private(master_path(keys_folder), "the master key")
    try:
        key = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise OperatorError("the master key is damaged: restore it from its backup")
    return key


def derive(secret: bytes, purpose: str, subject: str, domain: str) -> bytes:
    """HKDF-SHA256 of a uniformly random secret over (version, purpose, subject, domain), unambiguously joined."""
    info = json.dumps(["ambergate", VERSION, purpose, subject, domain]).encode("ascii")
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(secret)


def bound_to(slug: str) -> bytes:
    """What a wrapped secret is bound to, so that one project's file cannot stand in for another's."""
    return json.dumps(["ambergate", VERSION, "project-secret", slug]).encode("ascii")


def project_secret(keys_folder: Path, slug: str) -> bytes:
    """Unwrap one project's secret. Raises OperatorError (no key) or IntegrityError (does not fit)."""
    what = f"the key of project {slug!r}"
    blob = read_private(wrapped_path(keys_folder, slug), what)
    wrapping = derive(read_master(keys_folder), "wrap", slug, "project-secret")
    try:
        return AESGCM(wrapping).decrypt(blob[:NONCE_BYTES], blob[NONCE_BYTES:], bound_to(slug))
    except (InvalidTag, ValueError):
        raise IntegrityError(f"{what} was not wrapped by this master key, or has been changed") from None


def cohort_key(keys_folder: Path, slug: str, cohort: str) -> bytes:
    """The key of one version of a project's cohort table. Raises OperatorError, IntegrityError."""
    return derive(project_secret(keys_folder, slug), "cohort", slug, cohort)


def database_key(keys_folder: Path, slug: str) -> bytes:
    """The key of a project's encrypted database: all that a gate needs. Raises OperatorError, IntegrityError."""
    return derive(project_secret(keys_folder, slug), "database", slug, "")
