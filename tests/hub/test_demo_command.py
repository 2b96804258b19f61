"""`ambergate demo --no-hub` with a small population: made once, resumed, refused where it would destroy something."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from ambergate_datasets.progress import SILENT
from ambergate_datasets.state import StateFolder
from ambergate_hub import demo as demonstration
from ambergate_hub.accounts import Accounts, account_file
from ambergate_hub.demo import Demo, make_demo, people_of, remove_demo
from ambergate_policies.errors import UserError

PERSONS = 500
AMBERGATE = Path(sys.executable).parent / "ambergate"


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> StateFolder:
    return StateFolder(tmp_path_factory.mktemp("demo") / "state")


@pytest.fixture(scope="module")
def made(state: StateFolder) -> Demo:
    return make_demo(state, PERSONS, SILENT)


def ambergate(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(AMBERGATE), *arguments], capture_output=True, text=True, timeout=120, check=False)


def test_the_numbers_fit_together(made: Demo, state: StateFolder) -> None:
    manifest = json.loads((state.raw / "demo" / "manifest.json").read_text())
    assert made.records == sum(manifest["rows"].values())
    assert 0 < made.objectors < made.persons
    assert 0.99 <= made.precision <= 1
    assert 0.95 <= made.recall <= 1
    assert set(made.projects) == {"cardio-outcomes", "cancer-pathways"}
    for project in made.projects.values():
        assert 0 < project.persons <= made.persons_linked - made.objections["national"]


def test_the_registrations_of_a_project_are_those_of_people_who_did_not_object(made: Demo, state: StateFolder) -> None:
    """Counted plainly on the truth that the pipeline never sees."""
    truth = state.truth / "demo"
    with duckdb.connect() as connection:
        row = connection.execute(
            "SELECT count(*) FROM read_parquet($1) r JOIN read_parquet($2) p USING (person) "
            "WHERE NOT p.national AND NOT p.type_1",
            [str(truth / "gp_registration.parquet"), str(truth / "person.parquet")],
        ).fetchone()
    assert row is not None
    for project in made.projects.values():
        assert project.rows["patient"] == pytest.approx(row[0], rel=0.01)


def test_everybody_can_log_in_with_the_password_that_is_printed(made: Demo, state: StateFolder) -> None:
    accounts = Accounts.read(account_file(state))
    for person in people_of(state):
        assert accounts.verified(person.account, person.password) is not None
    projects = {person.account: set(person.projects) for person in people_of(state)}
    assert projects["amara"] == {"cardio-outcomes", "cancer-pathways"}
    assert projects["bilal"] == {"cardio-outcomes"}
    assert projects["chen"] == set()


def test_a_second_run_makes_nothing_again(made: Demo, state: StateFolder) -> None:
    before = {path: path.stat().st_mtime_ns for path in state.root.rglob("*") if path.is_file()}
    assert make_demo(state, None, SILENT) == made
    assert make_demo(state, PERSONS, SILENT) == made
    after = {path: path.stat().st_mtime_ns for path in state.root.rglob("*") if path.is_file()}
    assert after == before


def test_another_population_needs_a_fresh_start(made: Demo, state: StateFolder) -> None:
    with pytest.raises(UserError, match="--fresh"):
        make_demo(state, PERSONS + 1, SILENT)


def test_an_interrupted_demo_goes_on_where_it_stopped(
    made: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = StateFolder(tmp_path / "state")
    steps = dict(demonstration.STEPS)

    def interrupted(*_: object) -> Demo:
        raise KeyboardInterrupt

    monkeypatch.setitem(demonstration.STEPS, "projects", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_demo(state, PERSONS, SILENT)
    monkeypatch.setitem(demonstration.STEPS, "projects", steps["projects"])
    monkeypatch.setitem(demonstration.STEPS, "population", interrupted)
    resumed = make_demo(state, None, SILENT)
    assert resumed.projects == made.projects
    assert resumed.done == tuple(steps)


def test_a_folder_that_is_no_demo_is_neither_used_nor_removed(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_text("somebody's")
    with pytest.raises(UserError):
        make_demo(StateFolder(tmp_path), None, SILENT)
    with pytest.raises(UserError):
        remove_demo(StateFolder(tmp_path))
    assert (tmp_path / "store.db").read_text() == "somebody's"


def test_a_demo_can_be_thrown_away(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "state")
    state.root.mkdir()
    (state.root / "demo.json").write_text(Demo(persons=500).model_dump_json())
    remove_demo(state)
    assert not state.root.exists()


def test_an_occupied_port_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = ambergate("demo", f"--port={port}", f"--state={tmp_path / 'state'}")
    assert result.returncode == 3
    assert f"port {port} is in use" in result.stderr
    assert "--port" in result.stderr
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("command", [[], ["demo"], ["land"], ["provision"], ["hub"], ["replay"], ["log"]])
def test_every_command_explains_itself(command: list[str]) -> None:
    result = ambergate(*command, "--help")
    assert result.returncode == 0
    assert len(result.stdout.splitlines()) > 8


def test_an_error_ends_with_its_own_code_and_without_a_traceback(tmp_path: Path) -> None:
    agreement = Path(__file__).parents[2] / "policies" / "agreements" / "nafld.yaml"
    result = ambergate("provision", f"--agreement={agreement}", f"--state={tmp_path / 'state'}")
    assert result.returncode == 3
    assert "has not been landed" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_hub_that_nobody_could_log_in_to_is_not_started(tmp_path: Path) -> None:
    result = ambergate("hub", f"--state={tmp_path}")
    assert result.returncode == 3
    assert "no accounts" in result.stderr
