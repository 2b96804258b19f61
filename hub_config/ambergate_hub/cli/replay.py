"""`ambergate replay`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from ambergate_datasets.engines.project_key import database_key
from ambergate_datasets.state import StateFolder
from ambergate_extension import replay as core
from ambergate_hub.cli.frame import state_option
from ambergate_policies.agreement import read_agreement
from ambergate_policies.errors import AmbergateError

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(short_help="Try queries against an agreement.")
@click.option("--agreement", type=_FILE, required=True, help="YAML file of the agreement.")
@click.option("--catalogue", type=_FILE, required=True, help="YAML file of the catalogue.")
@click.option("--database", type=_FILE, required=True, help="A project's database, or a plain DuckDB file.")
@click.option(
    "--shared-ledger",
    is_flag=True,
    help="Let all lines share one release ledger. (There is no ledger in this version: every query stands alone.)",
)
@click.option("--purpose", help="The purpose that is asked for, where the agreement has several.")
@click.option(
    "--without-sandbox",
    is_flag=True,
    help="Run the engine without a sandbox, for a host that has none to offer. Only for files that you trust.",
)
@click.argument("queries", type=_FILE)
@state_option
def replay(
    state: StateFolder,
    agreement: Path,
    catalogue: Path,
    database: Path,
    shared_ledger: bool,
    purpose: str | None,
    without_sandbox: bool,
    queries: Path,
) -> None:
    """Run the queries of a JSON lines file through the policy kernel, as the gate would, and print one line each.

    \b
    Input lines:   {"id": ..., "sql": "..."}   or   {"id": ..., "steps": ["...", ...]}
    Output lines:  {"id", "step", "verdict", "findings", "columns", "rows", "suppressed_cells",
                    "withheld_groups", "ms"}; verdict is released, held, refused or failed.

    Nothing is written to a log. Exit code 0 means that every query got a verdict.
    """
    gate = core.open_gate(agreement, catalogue, database, _key(state, agreement), confined=not without_sandbox)
    try:
        for request in core.read_requests(queries):
            for line in core.answers(gate, request, purpose):
                sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
                sys.stdout.flush()
    finally:
        gate.close()


def _key(state: StateFolder, agreement: Path) -> bytes | None:
    """The key of the agreement's project, where this state folder has one."""
    try:
        return database_key(state.keys, read_agreement(agreement).project)
    except AmbergateError:
        return None
