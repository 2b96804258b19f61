"""The small project as a data centre provisions it: encrypted under its own key, with a manifest, in a state folder."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import yaml
from tests.small_project import gates, population

from ambergate_datasets.engines.connection import Limits, attach, connect
from ambergate_datasets.engines.project_key import database_key
from ambergate_datasets.keys import KeyStore
from ambergate_datasets.state import StateFolder
from ambergate_policies.agreement import Agreement


def provision(state: StateFolder, project: str, persons: int = 400) -> None:
    """Make or renew a project's database. Each time counts as another version of the data."""
    folder = state.project(project)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    KeyStore.ensure(state.keys).ensure_project(project)
    state.log.mkdir(exist_ok=True)
    plain, draft = folder / "plain.duckdb", folder / "draft.duckdb"
    population.write(plain, persons=persons)
    _encrypted(plain, draft, database_key(state.keys, project), folder / "temp")
    plain.unlink()
    (folder / "manifest.json").unlink(missing_ok=True)
    draft.replace(folder / "project.duckdb")
    (folder / "catalogue.yaml").write_bytes((gates.HERE / "catalogue.yaml").read_bytes())
    amend(state, project, gates.agreement())
    (folder / "manifest.json").write_text(json.dumps({"database_digest": secrets.token_hex(32)}))


def amend(state: StateFolder, project: str, agreement: Agreement) -> None:
    """Put an agreement in force, with the project's name in it."""
    document = agreement.model_copy(update={"project": project}).model_dump(mode="json")
    (state.project(project) / "agreement.yaml").write_text(yaml.safe_dump(document))


def _encrypted(plain: Path, target: Path, key: bytes, temp: Path) -> None:
    connection = connect(Limits(), temp)
    attach(connection, plain, None, alias="plain", read_only=True)
    attach(connection, target, key, alias="project", read_only=False)
    connection.execute("COPY FROM DATABASE plain TO project")
    connection.execute("CHECKPOINT project")
    connection.close()
