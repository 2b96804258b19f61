"""Keys: who may read them, that they fit only their own project, and that destroying one is final."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ambergate_datasets.engines.project_key import database_key, wrapped_path
from ambergate_datasets.keys import KeyStore
from ambergate_policies.errors import IntegrityError, OperatorError, UserError

AT = datetime(2026, 11, 22, tzinfo=UTC)


def test_key_files_and_folders_are_closed_to_everybody_else(tmp_path: Path) -> None:
    keys = KeyStore.ensure(tmp_path / "keys")
    keys.ensure_project("alpha")
    files = [path for path in (tmp_path / "keys").rglob("*") if path.is_file()]
    assert len(files) == 2
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666])
def test_a_key_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    KeyStore.ensure(tmp_path / "keys").ensure_project("alpha")
    for path in (tmp_path / "keys" / "master.key", wrapped_path(tmp_path / "keys", "alpha")):
        path.chmod(mode)
        with pytest.raises(OperatorError, match="chmod 600"):
            database_key(tmp_path / "keys", "alpha")
        path.chmod(0o600)
    assert len(database_key(tmp_path / "keys", "alpha")) == 32


def test_a_key_that_is_a_link_is_refused(tmp_path: Path) -> None:
    KeyStore.ensure(tmp_path / "keys")
    (tmp_path / "keys" / "master.key").rename(tmp_path / "elsewhere")
    (tmp_path / "keys" / "master.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OperatorError):
        KeyStore.ensure(tmp_path / "keys")


def test_the_gate_derives_the_key_that_the_red_zone_encrypted_with(tmp_path: Path) -> None:
    keys = KeyStore.ensure(tmp_path / "keys").ensure_project("alpha")
    assert database_key(tmp_path / "keys", "alpha") == keys.database


def test_every_key_of_every_project_and_catalogue_is_another(tmp_path: Path) -> None:
    store = KeyStore.ensure(tmp_path / "keys")
    projects = [store.ensure_project(slug) for slug in ("alpha", "beta")]
    keys = [key for p in projects for key in (p.database, p.person, p.record)]
    keys += [store.landing_key("small"), store.landing_key("large")]
    assert len(set(keys)) == 8
    assert store.project_key("alpha") == projects[0]


def test_one_projects_wrapped_secret_cannot_stand_in_for_anothers(tmp_path: Path) -> None:
    store = KeyStore.ensure(tmp_path / "keys")
    store.ensure_project("alpha")
    store.ensure_project("beta")
    alpha, beta = (wrapped_path(tmp_path / "keys", slug) for slug in ("alpha", "beta"))
    beta.write_bytes(alpha.read_bytes())
    with pytest.raises(IntegrityError):
        store.project_key("beta")


def test_another_master_key_unwraps_nothing(tmp_path: Path) -> None:
    KeyStore.ensure(tmp_path / "keys").ensure_project("alpha")
    (tmp_path / "keys" / "master.key").write_text(os.urandom(32).hex())
    with pytest.raises(IntegrityError):
        database_key(tmp_path / "keys", "alpha")


def test_a_lost_master_key_is_not_quietly_replaced(tmp_path: Path) -> None:
    KeyStore.ensure(tmp_path / "keys").ensure_project("alpha")
    (tmp_path / "keys" / "master.key").unlink()
    with pytest.raises(OperatorError, match="restore"):
        KeyStore.ensure(tmp_path / "keys")


def test_a_destroyed_project_key_is_gone_and_does_not_come_back(tmp_path: Path) -> None:
    store = KeyStore.ensure(tmp_path / "keys")
    store.ensure_project("alpha")
    store.destroy_project("alpha", at=AT)
    assert not wrapped_path(tmp_path / "keys", "alpha").exists()
    with pytest.raises(OperatorError):
        database_key(tmp_path / "keys", "alpha")
    with pytest.raises(UserError, match="destroyed"):
        store.ensure_project("alpha")
    with pytest.raises(UserError, match="no key"):
        store.destroy_project("alpha", at=AT)


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: KeyStore.ensure(tmp_path / "keys").ensure_project("alpha"), range(24)))
    assert len(set(keys)) == 1
    assert {path.name for path in (tmp_path / "keys").iterdir()} == {"master.key", "projects"}
    assert {path.name for path in (tmp_path / "keys" / "projects").iterdir()} == {"alpha.key"}


def test_keys_do_not_show_in_their_text_form(tmp_path: Path) -> None:
    keys = KeyStore.ensure(tmp_path / "keys").ensure_project("alpha")
    shown = f"{keys} {keys!r}"
    for key in (keys.database, keys.person, keys.record):
        assert repr(key) not in shown
        assert key.hex() not in shown
