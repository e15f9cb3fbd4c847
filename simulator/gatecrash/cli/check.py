"""`gatecrash check`: whether a profile tells the truth about its merchant, step by step."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gatecrash.cli._output import document
from gatecrash.cli._worlds import run, runs_worlds

if TYPE_CHECKING:
    from gatecrash.harness.check import Step


@click.command(name="check")
@click.argument("profile", type=click.Path(path_type=Path), default=Path("merchant.toml"))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@runs_worlds
def command(profile: Path, as_json: bool) -> None:
    """Start the merchant that PROFILE describes, order from it, pay and read: what was sent, what came back.

    Exit code: 0 when every step worked, 2 when one did not, 130 when it was interrupted.
    """
    steps = run(_check(profile, quiet=as_json))
    works = all(step.ok for step in steps)
    if as_json:
        document({"profile": str(profile), "works": works, "steps": [step._asdict() for step in steps]})
    elif works:
        click.echo(f"\nEvery step worked. Next: gatecrash prove {profile}")
    sys.exit(0 if works else 2)


async def _check(profile: Path, *, quiet: bool) -> "list[Step]":
    from gatecrash.harness.check import check
    from gatecrash.harness.merchant_profile import load
    from gatecrash.harness.worlds.real import RealWorld

    steps = []
    async with RealWorld(load(profile)) as world:
        async for step in check(world):
            steps.append(step)
            if not quiet:
                _tell(step)
    return steps


def _tell(step: "Step") -> None:
    click.echo(f"{click.style('ok', fg='green') if step.ok else click.style('NO', fg='red', bold=True)}  {step.what}")
    for arrow, text in (("→", step.sent), ("←", step.received)):
        if text:
            click.echo(f"      {arrow} {text}")
    for line in step.hint.splitlines():
        click.echo(f"      {line}")
