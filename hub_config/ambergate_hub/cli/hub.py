"""`ambergate hub`."""

from __future__ import annotations

from contextlib import ExitStack, suppress

import click
from rich.console import RenderableType

from ambergate_datasets.state import StateFolder
from ambergate_hub.accounts import account_file
from ambergate_hub.cli.frame import console, state_option
from ambergate_hub.settings import DEFAULT_PORT, HubSettings
from ambergate_hub.supervision import log_file, running_hub
from ambergate_policies.errors import OperatorError

port_option = click.option(
    "--port",
    type=click.IntRange(1024, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Where the hub listens, on this machine only.",
)


@click.command(short_help="Start the hub over projects that exist already.")
@port_option
@state_option
def hub(state: StateFolder, port: int) -> None:
    """Start the hub: people log in, choose a project and work in notebooks; checkers review what is held.

    It listens on this machine only (127.0.0.1). Projects come from `ambergate provision`, accounts from
    `ambergate demo --no-hub`. Stop it with Ctrl-C: every server, service and the proxy ends with it.
    """
    if not account_file(state).is_file():
        raise OperatorError(
            f"nobody could log in: {state.root} has no accounts; make them with `ambergate demo --no-hub`"
        )
    serve(HubSettings(state, port))


def serve(settings: HubSettings, welcome: RenderableType = "") -> None:
    """Run a hub until Ctrl-C. Raises OperatorError when it ends by itself."""
    with suppress(KeyboardInterrupt), ExitStack() as stack:
        with console.status("Starting the hub ..."):
            running = stack.enter_context(running_hub(settings))
        stack.callback(console.print, "Stopping servers, services and proxy ...")
        console.print(welcome or f"The hub is at [bold]{settings.address}[/] (its log: {log_file(settings)}).")
        console.print("Stop it with Ctrl-C.")
        code = running.wait()
        raise OperatorError(f"the hub ended by itself with code {code}; see {log_file(settings)}")
    console.print("Stopped.")
