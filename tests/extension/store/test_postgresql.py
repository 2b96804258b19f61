"""The same store on PostgreSQL.

Runs where AMBERGATE_TEST_POSTGRESQL holds the URL of a server that may be used for tests, such as
`postgresql+psycopg://postgres@127.0.0.1/postgres`; each test makes a database of its own and drops it.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import DBAPIError
from tests.extension.store.conftest import AT, hold, query_entry

from ambergate_extension.store import State, Store

SERVER = os.environ.get("AMBERGATE_TEST_POSTGRESQL", "")
pytestmark = pytest.mark.skipif(not SERVER, reason="AMBERGATE_TEST_POSTGRESQL is not set")

APPENDER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from ambergate_extension.store import Store
from ambergate_policies.log import LogEntry
url, folder, name = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
store = Store.open(url, folder / "keys", folder / "log")
for i in range(15):
    print(store.append(LogEntry("query", datetime.now(UTC), name, "p", {"i": i})))
"""


@pytest.fixture
def url() -> Iterator[str]:
    name = f"ambergate_test_{secrets.token_hex(6)}"
    server = create_engine(SERVER, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield make_url(SERVER).set(database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def store(url: str, tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(url, tmp_path / "keys", tmp_path / "log")
    yield opened
    opened.close()


def test_a_held_result_goes_its_way_and_the_log_verifies(store: Store, url: str, tmp_path: Path) -> None:
    store.append(query_entry())
    reference = hold(store, checkers_required=2)
    store.decide(reference, checker="chen", decision="release", comment="fine", at=AT, rows=(0, 1))
    store.decide(reference, checker="dora", decision="release", comment="agreed", at=AT)
    again = Store.open(url, tmp_path / "keys", tmp_path / "log")
    found = again.fetch(reference, account="amara", project="cardio-outcomes")
    assert found.state is State.RELEASED and found.table is not None and len(found.table.rows) == 2
    assert again.tallies()[("cardio-outcomes", "review", "released")] == 1
    assert again.verify((tmp_path / "log" / "checkpoints.jsonl").read_text().splitlines()) == []
    again.close()


@pytest.mark.parametrize("table", ["log_entry", "checkpoint", "held_result", "decision"])
@pytest.mark.parametrize("verb", ["UPDATE {0} SET log_index = 0", "DELETE FROM {0}", "TRUNCATE {0} CASCADE"])
def test_the_database_refuses_to_change_what_is_recorded(store: Store, url: str, table: str, verb: str) -> None:
    verb = verb.replace("log_index = 0", {"log_entry": "idx = 0", "checkpoint": "size = 0"}.get(table, "log_index = 0"))
    engine = create_engine(url)
    with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(text(verb.format(table)))
    engine.dispose()


def test_processes_that_append_at_once_make_one_unbroken_log(url: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", APPENDER, url, str(tmp_path)]
    workers = [subprocess.Popen([*command, f"gate{n}"], stdout=subprocess.PIPE, text=True) for n in range(3)]
    outputs = [worker.communicate(timeout=120)[0] for worker in workers]
    assert sorted(int(line) for output in outputs for line in output.split()) == list(range(45))
    store = Store.open(url, tmp_path / "keys", tmp_path / "log")
    assert store.verify((tmp_path / "log" / "checkpoints.jsonl").read_text().splitlines()) == []
    store.close()
