"""`gatecrash clock`: a sandbox's time."""

from typing import TYPE_CHECKING, Any

import click

from gatecrash.cli._failed import Failed
from gatecrash.cli._gateway import require, talks_to_gateway
from gatecrash.cli._output import document, styled
from gatecrash.cli._values import DURATION, Number, in_words
from gatecrash.counted import counted

if TYPE_CHECKING:
    from gatecrash.client import Sandbox

_AT = click.option("--at", "now", metavar="TIME", help="From this time on, such as 2026-01-31T12:00:00Z.")


@click.group("clock")
def command() -> None:
    """A sandbox's time. Webhook retries, settlement and expiry live in it, so three days pass in milliseconds."""


@command.command("show")
@talks_to_gateway
def show(sandbox: "Sandbox", as_json: bool) -> None:
    """What time it is in the sandbox, and when the next timer falls due."""
    require(sandbox)
    _tell(sandbox.clock.show(), as_json)


@command.command("freeze")
@_AT
@talks_to_gateway
def freeze(sandbox: "Sandbox", as_json: bool, now: str | None) -> None:
    """Time stands still until it is moved."""
    _tell(sandbox.clock.freeze(now), as_json)


@command.command("advance")
@click.argument("duration", type=DURATION, required=False)
@click.option("--to-next", is_flag=True, help="As far as the next timer.")
@talks_to_gateway
def advance(sandbox: "Sandbox", as_json: bool, duration: float | None, to_next: bool) -> None:
    """Move time on by DURATION (3d, 90m, 1.5h, 1h30m, or seconds), doing all that falls due on the way.

    Exit code: 1 when --to-next finds no timer.
    """
    if (duration is None) != to_next:
        raise click.UsageError("give either a DURATION, such as 3d, or --to-next.")
    require(sandbox)
    if duration is None:
        clock = sandbox.clock.show()
        if clock["next_timer_at"] is None:
            raise Failed(f"nothing falls due in sandbox {sandbox.name} any more; the clock stays at {clock['now']}.")
        duration = _until(clock)
    moved = sandbox.clock.advance(duration)
    if not as_json:
        click.echo(f"{in_words(duration)} passed; {counted(moved['timers_fired'], 'timer')} fired on the way")
    _tell(moved, as_json)


@command.command("stop")
@talks_to_gateway
def stop(sandbox: "Sandbox", as_json: bool) -> None:
    """Stop an `advance` that is under way, wherever it was called. The clock stays as far as it came."""
    require(sandbox)
    _tell(sandbox.clock.stop(), as_json)


@command.command("scale")
@click.argument("rate", type=Number(min=0, min_open=True))
@talks_to_gateway
def scale(sandbox: "Sandbox", as_json: bool, rate: float) -> None:
    """Time runs RATE times as fast as outside: 3600 makes an hour of every second."""
    _tell(sandbox.clock.scale(rate), as_json)


@command.command("auto")
@talks_to_gateway
def auto(sandbox: "Sandbox", as_json: bool) -> None:
    """Whenever nothing is in flight, time jumps to the next timer."""
    _tell(sandbox.clock.auto(), as_json)


@command.command("real")
@_AT
@talks_to_gateway
def real(sandbox: "Sandbox", as_json: bool, now: str | None) -> None:
    """Time runs as it does outside."""
    _tell(sandbox.clock.real(now), as_json)


def _tell(clock: dict[str, Any], as_json: bool) -> None:
    if as_json:
        document(clock)
        return
    rate = f", {clock['rate']:g} times as fast as outside" if clock["mode"] == "scaled" else ""
    click.echo(f"{clock['now']}  {styled(clock['mode'])}{rate}")
    if (moving := clock["moving"]) is not None:
        click.echo(f"being moved to {moving['to']} since {moving['since']} (real time); `gatecrash clock stop` stops it")
    if clock["next_timer_at"] is None:
        click.echo("nothing falls due")
    else:
        click.echo(f"next timer {clock['next_timer_at']}, in {in_words(max(0, _until(clock)))}")


def _until(clock: dict[str, Any]) -> float:
    """Seconds of sandbox time until the next timer."""
    from datetime import datetime

    return (datetime.fromisoformat(clock["next_timer_at"]) - datetime.fromisoformat(clock["now"])).total_seconds()
