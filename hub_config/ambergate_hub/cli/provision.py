"""`ambergate provision`."""

from __future__ import annotations

from pathlib import Path

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from ambergate_datasets.provisioning import ProvisionReport
from ambergate_datasets.state import StateFolder
from ambergate_hub.cli.frame import console, state_option, watched
from ambergate_policies.agreement import read_agreement
from ambergate_policies.catalogue import read_catalogue
from ambergate_policies.fitting import require_fit

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(short_help="Make a project's database from its agreement.")
@click.option("--agreement", "agreement_file", type=_FILE, required=True, help="YAML file of the agreement.")
@click.option(
    "--catalogue",
    "catalogue_file",
    type=_FILE,
    help="YAML file of the catalogue. Default: the one of that name among those delivered with Ambergate.",
)
@state_option
def provision(state: StateFolder, agreement_file: Path, catalogue_file: Path | None) -> None:
    """Make the database of one project: what its agreement grants, under pseudonyms of its own, encrypted.

    The catalogue must have been landed before. If an agreement has changed, run this again: the version in use
    stays until the new one is complete. People named on the agreement find the project when they next log in.
    """
    from ambergate_hub.pipeline import delivered_catalogue, provision_project

    agreement = read_agreement(agreement_file)
    catalogue = read_catalogue(catalogue_file or delivered_catalogue(agreement.data.catalogue))
    require_fit(agreement_file, catalogue, agreement)
    with watched() as progress:
        report = provision_project(agreement, catalogue, state, progress)
    console.print(_as_table(report))


def _as_table(report: ProvisionReport) -> Table:
    title = f"{report.project}: {report.persons:,} persons{', as before' if report.unchanged else ''}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("Table", no_wrap=True)
    for heading in ("Landed", "Opted out", "Unlinked", "Outside", "In project", "Persons"):
        table.add_column(heading, justify="right")
    for each in report.tables:
        numbers = (
            each.landed,
            each.opted_out_before_linkage + each.opted_out_after_linkage,
            each.unlinked,
            each.outside_period + each.outside_cohort,
            each.provisioned,
            each.persons,
        )
        table.add_row(each.table, *(f"{number:,}" for number in numbers))
    return table
