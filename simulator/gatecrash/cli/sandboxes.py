"""`gatecrash sandboxes`: which there are, and what can be done to one as a whole."""

from typing import TYPE_CHECKING

import click

from gatecrash.cli._gateway import talks_to_gateway
from gatecrash.cli._output import document, table

if TYPE_CHECKING:
    from gatecrash.client import Sandbox


@click.group("sandboxes")
def command() -> None:
    """Sandboxes: isolated accounts, each with its keys, objects, clock, faults and seed."""


@command.command("list")
@talks_to_gateway
def list_sandboxes(sandbox: "Sandbox", as_json: bool) -> None:
    """All sandboxes of the gateway."""
    found = sandbox.request("GET", "/_gatecrash/sandboxes")["data"]
    if as_json:
        document(found)
    else:
        rows = [(one["name"], f"sk_test_{one['name']}", one["created_at"], one["seed"]) for one in found]
        table(("name", "secret key", "since", "seed"), rows, empty="")


@command.command("reset")
@talks_to_gateway
def reset(sandbox: "Sandbox", as_json: bool) -> None:
    """Empty the sandbox: objects, rules, clock, journal, books."""
    sandbox.reset()
    if as_json:
        document({"sandbox": sandbox.name, "reset": True})
    else:
        click.echo(f"Sandbox {sandbox.name} is empty.")
