"""`ambergate land`."""

from __future__ import annotations

from pathlib import Path

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from ambergate_datasets.landing import LandingReport
from ambergate_datasets.state import StateFolder
from ambergate_hub.cli.frame import console, state_option, watched
from ambergate_policies.catalogue import read_catalogue


@click.command(short_help="Take raw extracts in: types, checks, rejects.")
@click.option(
    "--catalogue",
    "catalogue_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="YAML file that declares the tables and columns.",
)
@click.option(
    "--from",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Folder with the raw extracts.",
)
@state_option
def land(state: StateFolder, catalogue_file: Path, folder: Path) -> None:
    """Take raw extracts into the red zone, as a catalogue file declares them.

    Every row is checked; rows that break a rule are counted and set aside, never with their values. The result is
    one encrypted database in the state folder. Where objections apply, people who objected are removed; where there is
    no common person key, the records of each person are linked. Landing the same files again only applies the newest
    objection lists.
    """
    from ambergate_hub.pipeline import land_and_link  # imports an engine: not needed for --help

    catalogue = read_catalogue(catalogue_file)
    with watched() as progress:
        landed = land_and_link(catalogue, folder, state, progress)
    console.print(_as_table(landed.landing))
    for line in landed.lines():
        console.print(line)


def _as_table(report: LandingReport) -> Table:
    title = f"{report.catalogue}: {'already landed' if report.unchanged else 'landed'}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("Table", no_wrap=True)
    for heading in ("Records", "Landed", "Rejected"):
        table.add_column(heading, justify="right")
    table.add_column("Why rejected")
    for each in report.tables:
        why = "; ".join(f"{rule} ({count:,})" for rule, count in each.rejects_by_rule.items())
        table.add_row(each.table, f"{each.records:,}", f"{each.landed:,}", f"{each.rejected:,}", why)
    return table
