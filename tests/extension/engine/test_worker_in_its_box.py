"""The engine worker in each kind of box: it answers, and whoever takes it over finds nothing but the project's data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ambergate_datasets.engines.connection import Limits, attach, connect
from ambergate_extension.engine import EngineFailure, EngineProcess, EngineStopped
from ambergate_extension.engine.attachments import Attachment
from ambergate_extension.engine.box import engine_box
from ambergate_extension.engine.launch import default_backends
from ambergate_extension.engine.proof import faults
from ambergate_extension.sandbox.box import Backend, Box, SandboxUnavailable
from ambergate_extension.sandbox.bubblewrap import Bubblewrap
from ambergate_extension.sandbox.landlock import Landlock
from ambergate_extension.sandbox.unconfined import Unconfined
from ambergate_policies.errors import OperatorError

KEY = bytes(range(100, 132))
SMALL = Limits(memory_mb=256, temp_mb=128, threads=1)


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    connection = connect(SMALL, folder / "temp")
    attach(connection, folder / "project.duckdb", KEY, alias="p", read_only=False)
    connection.execute("CREATE TABLE p.person AS SELECT range AS id, md5(range::VARCHAR) AS text FROM range(400000)")
    connection.execute("CHECKPOINT p")
    connection.close()
    (folder / "manifest.json").write_text("a neighbour")
    return folder / "project.duckdb"


@pytest.fixture(params=["bubblewrap", "landlock"])
def backends(request: pytest.FixtureRequest, database: Path) -> Sequence[Backend]:
    wanted = default_backends() if request.param == "bubblewrap" else (Landlock(),)
    engine = EngineProcess(database, KEY, SMALL, backends=wanted)
    try:
        engine.start()
    except SandboxUnavailable as error:
        pytest.skip(f"this host does not offer it: {error}")
    finally:
        engine.close()
    return wanted


@pytest.fixture
def engine(database: Path, backends: Sequence[Backend]) -> Iterator[EngineProcess]:
    engine = EngineProcess(database, KEY, SMALL, seconds=60, backends=backends)
    yield engine
    engine.close()


def _count(engine: EngineProcess) -> int:
    return int(engine.run("SELECT count(*) AS n FROM person").column("n")[0].as_py())


def test_it_answers_spills_and_writes_cohort_tables(engine: EngineProcess, tmp_path: Path) -> None:
    assert _count(engine) == 400_000
    spilled = "SELECT max(r) AS m FROM (SELECT row_number() OVER (ORDER BY text || id DESC) AS r FROM person)"
    assert engine.run(spilled).column("m").to_pylist() == [400_000]
    assert engine.post("SELECT sum(g) AS s FROM u", {"u": pa.table({"g": [1, 2]})}).column("s").to_pylist() == [3]
    draft = Attachment("cohort 12", tmp_path / "one.duckdb", os.urandom(32), writable=True)
    engine.attach([draft])
    engine.write('CREATE TABLE "cohort 12"."cohort" AS SELECT id FROM person WHERE id < 10', "cohort 12", {}, 10**8)
    engine.attach([replace(draft, writable=False)])
    assert engine.run('SELECT count(*) AS n FROM "cohort 12"."cohort"').column("n").to_pylist() == [10]


def test_it_starts_again_after_it_died_was_late_or_was_cancelled(engine: EngineProcess) -> None:
    engine.start()
    engine.cancel()
    assert _count(engine) == 400_000
    engine.seconds = 0.3
    with pytest.raises(EngineStopped, match="time limit"):
        engine.run("SELECT count(*) FROM person a, person b, person c WHERE a.text < b.text AND b.text > c.text")
    engine.seconds = 60
    assert _count(engine) == 400_000


def test_a_value_that_takes_all_memory_ends_in_a_message(engine: EngineProcess) -> None:
    """DuckDB's own limit does not count what one value takes: this took 6 GB under a limit of 300 MB."""
    with pytest.raises(EngineFailure, match=r"memory|worker died"):
        engine.run("SELECT length(repeat('a', 3000000000)) AS n")
    assert _count(engine) == 400_000


def test_the_key_is_in_no_argument_environment_or_file(engine: EngineProcess) -> None:
    engine.start()
    process: Any = engine._process
    spellings = (KEY, KEY.hex().encode(), KEY.hex().upper().encode())
    looked = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and _is_below(int(folder.name), process.pid):
            for file in ("cmdline", "environ"):
                try:
                    content = (folder / file).read_bytes()
                except OSError:
                    continue
                looked += 1
                assert not any(spelling in content for spelling in spellings)
    assert looked >= 2
    temp: Any = engine._temp
    for path in Path(temp.name).rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert not any(spelling in path.read_bytes() for spelling in spellings)


def test_no_worker_where_there_is_no_sandbox(database: Path) -> None:
    for found in ([], [Bubblewrap(Path("/bin/false"))], [Bubblewrap(Path("/nonexistent/bwrap"))]):
        engine = EngineProcess(database, KEY, SMALL, backends=found)
        with pytest.raises(SandboxUnavailable, match="no sandbox for the engine"):
            engine.start()
        engine.close()


@dataclass(frozen=True)
class Boastful:
    """Says that it builds boxes and starts the command as it is."""

    name: str = "boastful"
    own_view: bool = True

    def start(self, box: Box, command: Sequence[str], **streams: Any) -> subprocess.Popen[bytes]:
        os.environ["A_SERVER_SECRET"] = "canary-5512"
        environment = {**os.environ, **box.environment, "PYTHONPATH": os.pathsep.join(sys.path)}
        fds = streams.pop("pass_fds")
        return subprocess.Popen(list(command), env=environment, cwd="/", pass_fds=fds, **streams)


def test_a_worker_that_does_not_prove_its_box_is_given_no_key(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SERVER_SECRET", "")
    engine = EngineProcess(database, KEY, SMALL, backends=[Boastful()])
    with pytest.raises(SandboxUnavailable) as refusal:
        engine.start()
    engine.close()
    for words in ("filter is not active", "visible to it", "other processes", "environment leaks"):
        assert words in str(refusal.value)


def test_without_a_box_it_still_filters_and_limits_itself(database: Path) -> None:
    """What `ambergate replay --without-sandbox` asks for by name."""
    engine = EngineProcess(database, KEY, SMALL, backends=[Unconfined()])
    assert _count(engine) == 400_000
    with pytest.raises(EngineFailure, match=r"memory|worker died"):
        engine.run("SELECT length(repeat('a', 3000000000)) AS n")
    engine.close()


def test_a_wrong_key_is_the_operators_turn_and_not_the_sandboxs(database: Path, backends: Sequence[Backend]) -> None:
    engine = EngineProcess(database, bytes(32), SMALL, backends=backends)
    with pytest.raises(OperatorError, match="wrong key") as refusal:
        engine.start()
    assert not isinstance(refusal.value, SandboxUnavailable)


def test_code_that_takes_the_worker_over_finds_nothing_else(
    database: Path, backends: Sequence[Backend], tmp_path: Path
) -> None:
    """Any program in the worker's box, before the worker's own filter: the box alone."""
    (tmp_path / "master.key").write_text("canary-9917")
    code = f"""
import json, os, socket, sys
def happens(attempt):
    try:
        attempt()
        return True
    except OSError:
        return False
print(json.dumps({{
    "reads the database": happens(lambda: open({str(database)!r}, "rb").close()),
    "writes the database": happens(lambda: open({str(database)!r}, "r+b").close()),
    "removes it": happens(lambda: os.remove({str(database)!r})),
    "neighbour": happens(lambda: open({str(database.parent / "manifest.json")!r}).close()),
    "key": happens(lambda: open({str(tmp_path / "master.key")!r}).close()),
    "passwords": happens(lambda: open("/etc/shadow").close()),
    "network": happens(lambda: socket.create_connection(("1.1.1.1", 53), timeout=1)),
    "gate": happens(lambda: os.kill({os.getpid()}, 0)),
    "gate's environment": happens(lambda: open("/proc/{os.getpid()}/environ").read()),
    "elsewhere": happens(lambda: open("/var/tmp/ambergate-left", "w").close()),
}}))
"""
    temp = tmp_path / "temp"
    temp.mkdir()
    box = engine_box(backends[0], database, temp, {}, SMALL)
    command = [sys.executable, "-P", "-s", "-c", code]
    process = backends[0].start(box, command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, complaint = process.communicate(timeout=60)
    assert output, complaint
    found = json.loads(output)
    assert found.pop("reads the database") is True
    assert not any(found.values()), found


def test_the_judgement_names_every_single_shortcoming() -> None:
    held: dict[str, Any] = {
        "no_new_privileges": "1", "filters": 2, "socket": False, "process": False, "hidden": True,
        "limits": {"RLIMIT_CORE": 0, "RLIMIT_AS": 1 << 32}, "capabilities": ["0" * 16], "bounding": "0" * 16,
        "root_writable": False, "readable": [], "visible": [], "processes": 2, "environment": ["PATH"],
    }  # fmt: skip

    def found(**change: Any) -> list[str]:
        return list(faults({**held, **change}, environment={"PATH": ""}, confined=True, own_view=True))

    assert found() == []
    for change in (
        {"no_new_privileges": "0"}, {"filters": 1}, {"socket": True}, {"process": True}, {"hidden": False},
        {"limits": {"RLIMIT_CORE": -1, "RLIMIT_AS": 1}}, {"limits": {"RLIMIT_CORE": 0, "RLIMIT_AS": -1}},
        {"capabilities": ["0" * 15 + "1"]}, {"bounding": "1" * 16},
        {"root_writable": True}, {"readable": ["/x"]}, {"visible": ["/x"]},
        {"processes": 40}, {"processes": 0}, {"environment": ["TOKEN"]},
    ):  # fmt: skip
        assert len(found(**change)) == 1, change
    assert len(list(faults({}, environment={}, confined=True, own_view=True))) == 9


def test_a_plain_database_with_a_log_of_writes_beside_it_opens(tmp_path: Path, backends: Sequence[Backend]) -> None:
    path = tmp_path / "plain.duckdb"
    code = (
        f"import duckdb, os; c = duckdb.connect({str(path)!r}); c.execute('SET checkpoint_threshold = \\'1GB\\''); "
        "c.execute('CREATE TABLE person AS SELECT 1 AS id'); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert path.with_name("plain.duckdb.wal").exists()
    engine = EngineProcess(path, None, SMALL, backends=backends)
    assert _count(engine) == 1
    engine.close()


def _is_below(pid: int, root: int) -> bool:
    until = time.monotonic() + 1
    while pid > 1 and time.monotonic() < until:
        if pid == root:
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return False
