"""The `ambergate` command: one module per sub-command, loaded when it is asked for."""

from __future__ import annotations

import click

from ambergate_hub.cli.frame import CommandGroup

COMMANDS = ("demo", "land", "provision", "hub", "replay", "log")
"""In the order of `ambergate --help`: `<name>` is the click command `<name>` in `ambergate_hub.cli.<name>`."""


@click.group(cls=CommandGroup, package="ambergate_hub.cli", names=COMMANDS)
@click.version_option(package_name="ambergate")
def main() -> None:
    """Ambergate: a trusted research environment that proves what it lets out.

    New here? Run `ambergate demo`: it makes a synthetic population, builds two research projects over it and starts
    a hub on this machine. What to try is printed at the end.

    \b
    Exit codes: 0 done, 2 change what you asked for, 3 mend the installation,
                4 refused by policy, 5 a record has been tampered with.
    """
