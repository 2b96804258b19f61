"""`ambergate demo`."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Group
from rich.table import Table

from ambergate_datasets.state import StateFolder
from ambergate_hub.cli.frame import console, state_option, watched
from ambergate_hub.cli.hub import port_option, serve
from ambergate_hub.settings import HubSettings, require_free

if TYPE_CHECKING:
    from ambergate_hub.demo import Demo, DemoPerson


@click.command(short_help="Make a demonstration and start it. Begin here.")
@click.option("--persons", type=click.IntRange(500, 2_000_000), help="How many people to make up.  [default: 20000]")
@click.option("--fresh", is_flag=True, help="Throw away what is in the state folder and start over.")
@click.option("--no-hub", is_flag=True, help="Only make the data, projects and accounts.")
@port_option
@state_option
def demo(state: StateFolder, persons: int | None, fresh: bool, no_hub: bool, port: int) -> None:
    """Make a demonstration and start it.

    Makes up a population with hospital, GP, cancer and death records full of realistic errors; takes the raw
    extracts in, removes people who objected, links the records of each person, and builds two research projects
    under pseudonyms. Then starts the hub and prints who can log in and what to try.

    Nobody in it is real. Everything is kept in one folder that can be deleted. The second start takes seconds.
    """
    from ambergate_hub.demo import make_demo, people_of, remove_demo  # imports engines: not needed for --help

    if not no_hub:
        require_free(port)
    if fresh:
        remove_demo(state)
    began = time.monotonic()
    with watched() as progress:
        made = make_demo(state, persons, progress)
    console.print(f"The demonstration is ready ({time.monotonic() - began:.0f} s).\n")
    console.print(_numbers(made))
    settings = HubSettings(state, port)
    people = _people(people_of(state))
    if no_hub:
        console.print(people)
        console.print("Start the hub with: ambergate demo")
        return
    serve(settings, Group(people, _what_to_try(settings)))


def _numbers(made: Demo) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column()
    table.add_row("Persons made up", f"{made.persons:,}, in {made.records:,} raw records")
    reasons = " and ".join(f"{_REACH[reason]} {count:,}" for reason, count in made.objections.items())
    table.add_row("Objectors removed", f"{made.objectors:,} persons ({reasons}), {made.records_removed:,} records")
    table.add_row("Linkage", f"precision {made.precision:.4f}, recall {made.recall:.4f} against the truth")
    for slug, project in made.projects.items():
        rows = ", ".join(f"{name} {count:,}" for name, count in project.rows.items())
        table.add_row(
            f"Project {slug}", f"{project.persons:,} persons, rules {project.rule_pack}\n[dim]rows: {rows}[/]"
        )
    return table


_REACH = {"type-1": "from GP records", "national": "from everything"}
_WORK = {
    "researcher": "asks questions in notebooks",
    "checker": "decides on results that are held",
    "administrator": "sees projects, people and the log",
}


def _people(people: Sequence[DemoPerson]) -> Table:
    table = Table(title="\nAccounts", title_justify="left", box=None, pad_edge=False, header_style="dim")
    for heading in ("Account", "Password", "Who it is"):
        table.add_column(heading)
    for person in people:
        projects = f" on {' and '.join(person.projects)}" if person.projects else ""
        table.add_row(f"[bold]{person.account}[/]", person.password, f"{person.role}{projects}: {_WORK[person.role]}")
    return table


def _verify(settings: HubSettings) -> str:
    """The command line that checks this demo's log, as it can be typed where the demo was started."""
    here, program = Path.cwd(), Path(sys.executable).parent / "ambergate"
    command = [str(program.relative_to(here)) if program.is_relative_to(here) else str(program), "log", "verify"]
    if settings.state.root != here / ".ambergate":
        command += ["--state", str(settings.state.root)]
    return shlex.join(command)


def _what_to_try(settings: HubSettings) -> Group:
    steps = (
        "Log in as [bold]amara[/], choose a project and open Tutorial.ipynb: run its cells from top to bottom.",
        "In cancer-pathways one table is held: note its reference, such as H-7F3K2M.",
        "Log out, log in as [bold]chen[/]: the held table is waiting. Release it with a comment.",
        "As [bold]amara[/] again, fetch it in the notebook: %held and the reference.",
        f"In another terminal, check the record of all that happened: [bold]{_verify(settings)}[/]",
    )
    lines = [f"{number}. {step}" for number, step in enumerate(steps, start=1)]
    address = f"\nOpen [bold]{settings.address}[/] in a browser.\n"
    return Group(address, "What to try:", *lines, "")
