"""The red zone's keys: making, deriving and destroying them. Nothing here is ever logged or shown.

One master key; from it the key of each catalogue's landing file; one random secret per project, wrapped by it.
A project's database key and pseudonym keys are derived from that secret, so destroying the secret's file makes the
project's database unreadable and its pseudonyms impossible to make again.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ambergate_datasets.engines import project_key as wire
from ambergate_datasets.files import private_write
from ambergate_datasets.state import private_folder
from ambergate_policies.errors import OperatorError, UserError


@dataclass(frozen=True, slots=True)
class ProjectKeys:
    """One project's working keys, 32 bytes each. Their text form shows none of them."""

    database: bytes = field(repr=False)
    person: bytes = field(repr=False)
    record: bytes = field(repr=False)


class KeyStore:
    """The keys folder (mode 0700). Use `KeyStore.ensure` where a first run may make the master key."""

    def __init__(self, folder: Path) -> None:
        """Refers to an existing folder; reads nothing yet."""
        self._folder = folder

    @classmethod
    def ensure(cls, folder: Path) -> KeyStore:
        """Open the folder, making it and a fresh master key if there is none. Refuses loose permissions."""
        private_folder(folder)
        store = cls(folder)
        path = wire.master_path(folder)
        if not path.exists() and not path.is_symlink():
            if any(folder.glob("projects/*.key")):
                raise OperatorError("the master key is missing but project keys exist: restore it from its backup")
            _write_new(path, secrets.token_bytes(wire.KEY_BYTES).hex().encode("ascii"))
        wire.read_master(folder)
        return store

    def landing_key(self, catalogue: str) -> bytes:
        """The key of a catalogue's landing database."""
        return wire.derive(wire.read_master(self._folder), "landing", catalogue, "")

    def ensure_project(self, slug: str) -> ProjectKeys:
        """A project's keys, made on first use. Raises UserError if they have been destroyed before."""
        path = wire.wrapped_path(self._folder, slug)
        if self._tombstone(slug).exists():
            raise UserError(f"the key of project {slug!r} has been destroyed; a new agreement needs a new project name")
        if not path.exists():
            private_folder(path.parent)
            wrapping = wire.derive(wire.read_master(self._folder), "wrap", slug, "project-secret")
            nonce = secrets.token_bytes(wire.NONCE_BYTES)
            secret = secrets.token_bytes(wire.KEY_BYTES)
            _write_new(path, nonce + AESGCM(wrapping).encrypt(nonce, secret, wire.bound_to(slug)))
        return self.project_key(slug)

    def project_key(self, slug: str) -> ProjectKeys:
        """A project's keys. Raises OperatorError if it has none, IntegrityError if they do not unwrap."""
        secret = wire.project_secret(self._folder, slug)
        return ProjectKeys(
            database=wire.derive(secret, "database", slug, ""),
            person=wire.derive(secret, "pseudonym", slug, "person"),
            record=wire.derive(secret, "pseudonym", slug, "record"),
        )

    def destroy_project(self, slug: str, *, at: datetime) -> None:
        """Destroy a project's secret for good: its database and pseudonyms are lost. `at` goes on the tombstone.

        The file is overwritten before it is removed; on media that keep old blocks (flash, snapshots, backups) only
        destroying the master key as well is certain, which the certificate of destruction has to say.
        """
        path = wire.wrapped_path(self._folder, slug)
        if not path.exists():
            raise UserError(f"project {slug!r} has no key to destroy")
        private_write(self._tombstone(slug), json.dumps({"project": slug, "destroyed": at.isoformat()}).encode())
        with path.open("r+b") as file:
            file.write(secrets.token_bytes(path.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()

    def _tombstone(self, slug: str) -> Path:
        return wire.wrapped_path(self._folder, slug).with_suffix(".destroyed")


def _write_new(path: Path, content: bytes) -> None:
    """Write a file that appears whole; if another process was first, its file stays and this content is dropped."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
