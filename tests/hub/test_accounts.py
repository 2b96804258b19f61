"""Demo accounts: hashes in one file, passwords in another that the hub never reads."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ambergate_hub.accounts import Account, AccountRole, Accounts, make_accounts, new_password
from ambergate_policies.errors import OperatorError

ROLES: dict[str, AccountRole] = {"amara": "researcher", "chen": "checker"}


def test_each_account_has_a_password_of_its_own(tmp_path: Path) -> None:
    passwords = make_accounts(tmp_path / "accounts.json", ROLES)
    accounts = Accounts.read(tmp_path / "accounts.json")
    amara = accounts.verified("amara", passwords["amara"])
    assert amara is not None and amara.role == "researcher"
    assert accounts.verified("amara", passwords["chen"]) is None
    assert accounts.verified("chen", passwords["amara"]) is None
    assert accounts.verified("amara", "") is None


def test_an_unknown_account_is_not_verified(tmp_path: Path) -> None:
    make_accounts(tmp_path / "accounts.json", ROLES)
    assert Accounts.read(tmp_path / "accounts.json").verified("mallory", "anything") is None


def test_the_file_holds_no_password_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "accounts.json"
    passwords = make_accounts(path, ROLES)
    text = path.read_text()
    assert not any(password in text for password in passwords.values())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_same_password_has_another_hash_in_another_account() -> None:
    one = Account.with_password("amara", "researcher", "same")
    other = Account.with_password("bilal", "researcher", "same")
    assert one.hash != other.hash


@pytest.mark.parametrize("content", ["", "{}", '{"accounts": [{"account": "amara"}]}', "not json"])
def test_a_damaged_file_lets_nobody_in_and_is_not_quoted(tmp_path: Path, content: str) -> None:
    path = tmp_path / "accounts.json"
    path.write_text(content)
    with pytest.raises(OperatorError) as caught:
        Accounts.read(path)
    assert "amara" not in str(caught.value)


def test_a_missing_file_lets_nobody_in(tmp_path: Path) -> None:
    with pytest.raises(OperatorError):
        Accounts.read(tmp_path / "accounts.json")


def test_passwords_do_not_repeat() -> None:
    assert len({new_password() for _ in range(200)}) == 200
