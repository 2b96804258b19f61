"""Demo accounts: one account, one password. The file holds scrypt hashes; nothing here knows the hub.

scrypt parameters after RFC 7914 and OWASP's password storage sheet (N=2^15, r=8, p=1: 32 MiB a try).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from pydantic import Field

from ambergate_datasets.state import StateFolder
from ambergate_policies.documents import Document
from ambergate_policies.errors import OperatorError
from ambergate_policies.names import AccountField

AccountRole = Literal["researcher", "checker", "administrator"]

_COST = {"n": 2**15, "r": 8, "p": 1, "maxmem": 64 * 1024 * 1024, "dklen": 32}
# fmt: off
_WORDS = (
    "amber", "birch", "cedar", "daisy", "elder", "fern", "grove", "hazel",
    "iris", "juniper", "kelp", "larch", "maple", "nettle", "olive", "poppy",
    "quince", "rowan", "sorrel", "thyme", "umber", "violet", "willow", "yarrow",
    "aster", "basil", "clover", "dill", "elm", "flax", "gorse", "heather",
)
# fmt: on


def account_file(state: StateFolder) -> Path:
    """The hashes, which the hub reads."""
    return state.hub / "demo-accounts.json"


def password_file(state: StateFolder) -> Path:
    """The passwords themselves, so that `ambergate demo` can print them again. The hub never reads them."""
    return state.hub / "demo-passwords.json"


class Account(Document):
    """One account as the file holds it. `salt` and `hash` are hexadecimal."""

    account: AccountField
    role: AccountRole
    salt: str = Field(pattern=r"^[0-9a-f]{32}$")
    hash: str = Field(pattern=r"^[0-9a-f]{64}$")

    @classmethod
    def with_password(cls, account: str, role: AccountRole, password: str) -> Self:
        salt = secrets.token_bytes(16)
        return cls(account=account, role=role, salt=salt.hex(), hash=_digest(password, salt).hex())


class AccountFile(Document):
    accounts: tuple[Account, ...]


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts of one file, by name."""

    by_name: Mapping[str, Account]

    @classmethod
    def read(cls, path: Path) -> Accounts:
        """Raises OperatorError when the file is missing or not what it should be: then nobody can log in."""
        try:
            content = AccountFile.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # pydantic's error would quote the file
            raise OperatorError("the account file is missing or damaged; run `ambergate demo` again") from None
        return cls({account.account: account for account in content.accounts})

    def verified(self, name: str, password: str) -> Account | None:
        """The account if the password is its own, else None. Takes equally long for names that do not exist."""
        account = self.by_name.get(name)
        salt = bytes.fromhex(account.salt) if account else bytes(16)
        digest = _digest(password, salt)
        if account is None or not hmac.compare_digest(digest, bytes.fromhex(account.hash)):
            return None
        return account


def make_accounts(path: Path, roles: Mapping[str, AccountRole]) -> dict[str, str]:
    """Write a file of new accounts, readable by its owner only, and return the password of each."""
    passwords = {name: new_password() for name in roles}
    accounts = tuple(Account.with_password(name, role, passwords[name]) for name, role in roles.items())
    write_private(path, AccountFile(accounts=accounts).model_dump_json(indent=2))
    return passwords


def new_password() -> str:
    """Four words and a number that can be typed: about 30 bits, enough behind scrypt on a loopback address."""
    return "-".join([secrets.choice(_WORDS) for _ in range(4)] + [str(secrets.randbelow(900) + 100)])


def write_private(path: Path, text: str) -> None:
    """Write a file as a whole or not at all, with mode 0600 from its first byte on."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text + "\n")
    draft.replace(path)


def read_passwords(path: Path) -> dict[str, str]:
    """Account -> password from a password file; empty when there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): str(password) for name, password in content.items()}


def _digest(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, **_COST)
