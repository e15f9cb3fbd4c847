"""`gatecrash sandboxes`: which there are, and what can be done to one as a whole."""

from typing import TYPE_CHECKING, Any

import click

from gatecrash.cli._gateway import note_if_new, require, talks_to_gateway
from gatecrash.cli._output import document, table

if TYPE_CHECKING:
    from gatecrash.client import Sandbox


@click.group("sandboxes")
def command() -> None:
    """Sandboxes: isolated accounts, each with its keys, objects, clock, faults and seed.

    All but `list` act on the one that is named, after the verb or with --sandbox: gatecrash sandboxes reset shop
    """


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


@command.command("create")
@click.argument("named", metavar="[NAME]", required=False)
@click.option("--seed", help="Ids and choices come from this.  [default: one that follows from the gateway's seed and the name]")
@talks_to_gateway
def create(sandbox: "Sandbox", as_json: bool, seed: str | None) -> None:
    """Make a sandbox before its first use, to give it a seed of its own."""
    body = {"name": sandbox.name} if seed is None else {"name": sandbox.name, "seed": seed}
    made = sandbox.request("POST", "/_gatecrash/sandboxes", body)
    _tell(made, f"Sandbox {made['name']} is made, with seed {made['seed']}.", as_json)


@command.command("reset")
@click.argument("named", metavar="[NAME]", required=False)
@talks_to_gateway
def reset(sandbox: "Sandbox", as_json: bool) -> None:
    """Empty the sandbox: objects, rules, clock, journal, books. Its seed and its snapshots stay."""
    note_if_new(sandbox)
    sandbox.reset()
    _tell({"sandbox": sandbox.name, "reset": True}, f"Sandbox {sandbox.name} is empty.", as_json)


@command.command("remove")
@click.argument("named", metavar="[NAME]", required=False)
@talks_to_gateway
def remove(sandbox: "Sandbox", as_json: bool) -> None:
    """Take the sandbox away, and its snapshots. Whoever names it again gets a new one."""
    require(sandbox)
    removed = sandbox.request("DELETE", f"/_gatecrash/sandboxes/{sandbox.name}")
    _tell(removed, f"Sandbox {sandbox.name} is removed.", as_json)


@command.command("snapshot")
@click.argument("name", default="default")
@talks_to_gateway
def snapshot(sandbox: "Sandbox", as_json: bool, name: str) -> None:
    """Keep the sandbox as it is now, in place of an older snapshot of that NAME."""
    require(sandbox)
    kept = sandbox.snapshot(name)
    _tell(kept, f"Snapshot {kept['name']} of sandbox {sandbox.name} is kept, as of {kept['now']}.", as_json)


@command.command("restore")
@click.argument("name", default="default")
@talks_to_gateway
def restore(sandbox: "Sandbox", as_json: bool, name: str) -> None:
    """Have the sandbox go on as it was when the snapshot of that NAME was taken."""
    require(sandbox)
    restored = sandbox.restore(name)
    _tell(restored, f"Sandbox {sandbox.name} goes on from snapshot {restored['name']}, as of {restored['now']}.", as_json)


@command.command("snapshots")
@talks_to_gateway
def snapshots(sandbox: "Sandbox", as_json: bool) -> None:
    """The snapshots of the sandbox."""
    require(sandbox)
    found = sandbox.request("GET", f"/_gatecrash/sandboxes/{sandbox.name}/snapshots")["data"]
    if as_json:
        document(found)
    else:
        rows = [(one["name"], one["now"], one["created_at"]) for one in found]
        table(
            ("snapshot", "sandbox time", "taken"),
            rows,
            empty=f"No snapshots of sandbox {sandbox.name}; `gatecrash sandboxes snapshot` takes one.",
        )


def _tell(result: dict[str, Any], words: str, as_json: bool) -> None:
    if as_json:
        document(result)
    else:
        click.echo(words)
