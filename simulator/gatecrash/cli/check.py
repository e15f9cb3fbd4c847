"""`gatecrash check`: whether a profile tells the truth about its merchant, step by step."""

import sys
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gatecrash.cli._output import document
from gatecrash.cli._worlds import run, runs_worlds
from gatecrash.counted import counted

if TYPE_CHECKING:
    from gatecrash.harness.check import Step


@click.command(name="check")
@click.argument("profile", type=click.Path(path_type=Path), default=Path("merchant.toml"))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@runs_worlds
def command(profile: Path, as_json: bool) -> None:
    """Start the merchant that PROFILE describes, order from it, pay and read: what was sent, what came back. Then try a declined
    card, a restart and a second start, and say what a verdict would leave out.

    Exit code: 0 when every step worked, 2 when one did not, 130 when it was interrupted.
    """
    steps = run(_check(profile, quiet=as_json))
    works = all(step.ok for step in steps)
    if as_json:
        document({"profile": str(profile), "works": works, "steps": [step._asdict() for step in steps]})
    elif works:
        look = sum(1 for step in steps if step.hint)
        noted = f", with {counted(look, 'thing')} to look at (??)" if look else ""
        click.echo(f"\nEvery step worked{noted}. Next: gatecrash prove {profile}")
    sys.exit(0 if works else 2)


async def _check(profile: Path, *, quiet: bool) -> "list[Step]":
    from gatecrash.harness.check import check
    from gatecrash.harness.merchant_profile import load
    from gatecrash.harness.worlds.real import RealWorld

    steps = []
    async with aclosing(check(load(profile), RealWorld)) as done:
        async for step in done:
            steps.append(step)
            if not quiet:
                _tell(step)
    return steps


#: How each kind of step is marked: it failed, it worked, it worked and has something to look at.
_MARKS = {"NO": ("red", True), "ok": ("green", False), "??": ("yellow", True)}


def _tell(step: "Step") -> None:
    mark = "NO" if not step.ok else "??" if step.hint else "ok"
    colour, bold = _MARKS[mark]
    click.echo(f"{click.style(mark, fg=colour, bold=bold)}  {step.what}")
    for arrow, text in (("→", step.sent), ("←", step.received)):
        if text:
            click.echo(f"      {arrow} {text}")
    for line in step.hint.splitlines():
        click.echo(f"      {line}")
