"""The `ambergate` command."""

import click


@click.group()
@click.version_option(package_name="ambergate")
def main() -> None:
    """Ambergate: a trusted research environment that proves what it lets out."""
