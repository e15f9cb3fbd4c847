"""`gatecrash demo`: the product in a minute. Failure stories against a naive and a careful merchant, side
by side.
"""

import asyncio
import sys
import time
from contextlib import aclosing
from typing import TYPE_CHECKING

import click

from gatecrash.cli._output import document
from gatecrash.cli._progress import Countdown, shown
from gatecrash.cli._proof import end_early
from gatecrash.cli._worlds import run, runs_worlds
from gatecrash.counted import counted

if TYPE_CHECKING:
    from gatecrash.harness.merchant_profile import MerchantProfile
    from gatecrash.harness.run import Outcome
    from gatecrash.harness.story import Story

MERCHANTS = ("naive", "reference")


@click.command(name="demo")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array, one object per story and merchant.")
@click.option("--story", "story_names", multiple=True, metavar="NAME", help="This story, any of them; repeatable.")
@click.option(
    "--merchant",
    "merchant_names",
    multiple=True,
    type=click.Choice(MERCHANTS),
    help="Only this merchant; repeatable.",
)
@runs_worlds
def command(as_json: bool, story_names: tuple[str, ...], merchant_names: tuple[str, ...]) -> None:
    """Play failure stories against two merchants, in real processes.

    For each: what the customer was charged, what the shop believes, and whether they agree. First a naive
    merchant (charge, then save; a timeout means failed; webhooks ignored), then the reference merchant.

    Exit code: 0 when the reference merchant is clean and the naive one was caught, 1 otherwise, 2 when the
    set-up is wrong, 130 when it was interrupted: what was played until then is told.
    """
    from gatecrash.harness.demo import STORIES
    from gatecrash.harness.merchant_profile import reference
    from gatecrash.harness.story import choose, load_all

    profiles = [
        reference(None if name == "reference" else name) for name in MERCHANTS if not merchant_names or name in merchant_names
    ]
    stories = choose(load_all(), story_names or STORIES)
    outcomes: list[Outcome] = []
    failure: BaseException | None = None
    began = time.monotonic()
    try:
        run(_play(stories, profiles, outcomes, quiet=as_json))
    except (KeyboardInterrupt, asyncio.CancelledError) as error:
        failure = error
    if as_json:
        from gatecrash.harness.report import row

        document([row(outcome) for outcome in outcomes])
    elif outcomes:
        _tell(outcomes, len(stories), len(stories) * len(profiles), time.monotonic() - began)
    end_early(failure)
    sys.exit(0 if _as_it_should_be(outcomes) else 1)


def _as_it_should_be(outcomes: "list[Outcome]") -> bool:
    """The reference merchant clean in every story; the naive one caught by what each story teaches."""
    caught = [outcome for outcome in outcomes if outcome.merchant == "naive"]
    clean = [outcome for outcome in outcomes if outcome.merchant == "reference"]
    return not any(outcome.violations for outcome in clean) and all(
        outcome.story.teaches <= {each.oracle for each in outcome.violations} for outcome in caught
    )


async def _play(stories: "list[Story]", profiles: "list[MerchantProfile]", outcomes: "list[Outcome]", *, quiet: bool) -> None:
    """Play everything; what comes of it is put into `outcomes` one by one. Unless quiet, print each merchant's table when it is
    complete.
    """
    from gatecrash.harness.demo import play_all

    total = len(stories) * len(profiles)
    to_go = Countdown(total)
    with shown(f"0 of {total} runs") as show_progress:
        async with aclosing(play_all(stories, profiles)) as runs:
            async for outcome in runs:
                outcomes.append(outcome)
                show_progress(f"{len(outcomes)} of {total} runs{to_go(len(outcomes))}")
                if not quiet and len(outcomes) % len(stories) == 0:
                    _show(outcomes[-len(stories) :])


def _show(outcomes: "list[Outcome]") -> None:
    """Print the table of one merchant."""
    from rich.console import Console

    from gatecrash.harness.report import HEADINGS, show

    show(Console(highlight=False), outcomes, HEADINGS[outcomes[0].merchant])


def _tell(outcomes: "list[Outcome]", stories: int, total: int, seconds: float) -> None:
    """Print the table that an interrupt left incomplete, then the verdict in words."""
    from rich.console import Console

    from gatecrash.harness.explore.verdict import INTERRUPTED
    from gatecrash.harness.report import summary

    if left := len(outcomes) % stories:
        _show(outcomes[-left:])
    console = Console(highlight=False)
    for line in summary(outcomes):
        console.print(line)
    incomplete = f"INCOMPLETE, {INTERRUPTED} after {len(outcomes)} of {total}: " if len(outcomes) < total else ""
    console.print(f"{incomplete}{counted(len(outcomes), 'run')} in {seconds:.0f} s, each with a gateway and a shop of its own.")
