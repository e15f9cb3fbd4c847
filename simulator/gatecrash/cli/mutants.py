"""`gatecrash mutants`: the reference merchant's known bugs against the stories, and who caught what."""

import asyncio
import sys
import time
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gatecrash.cli._failed import WrongUse
from gatecrash.cli._output import document, table
from gatecrash.cli._progress import Countdown, shown
from gatecrash.cli._proof import end_early, why_incomplete
from gatecrash.cli._together import refuse
from gatecrash.cli._values import Whole
from gatecrash.cli._worlds import run, runs_worlds
from gatecrash.counted import counted
from gatecrash.spelling import no_such

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatecrash.harness.mutants import Matrix, Mutant, Row, Unplayed
    from gatecrash.harness.run import Outcome
    from gatecrash.harness.story import Story

#: So many of the stories that catch a mutant are named.
SHOWN = 3
_RUNS = 4


@click.command(name="mutants")
@click.argument("more", nargs=-1, metavar="[NAME]...")
@click.option("--mutant", "names", multiple=True, metavar="NAME", help="Only this mutant; repeatable.")
@click.option("--story", "only", multiple=True, metavar="NAME", help="Only this story; repeatable.")
@click.option(
    "--stories", "folders", multiple=True, type=click.Path(path_type=Path), metavar="PATH",
    help="A file or folder of stories of your own, besides those that come with Gatecrash; repeatable.",
)  # fmt: skip
@click.option("--all", "every", is_flag=True, help="Play every story to every mutant, not only those that ought to catch it.")
@click.option(
    "--world", type=click.Choice(["real", "simulated"]), default="real", show_default=True,
    help="Real processes, the stories as they are told; or simulated, with as few faults as it takes.",
)  # fmt: skip
@click.option(
    "--faults",
    type=Whole(0, 10),
    default=2,
    show_default=True,
    help="In the simulated world: up to so many faults in a run.",
)
@click.option("--jobs", type=Whole(1, 64), help="Runs at once; in the simulated world, mutants.  [default: 4; a core each]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@runs_worlds
def command(
    more: tuple[str, ...], names: tuple[str, ...], only: tuple[str, ...], folders: tuple[Path, ...], every: bool, world: str,
    faults: int, jobs: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Play stories to the mutants of the reference merchant, all or those NAMEd: which oracle catches which bug, and where; in
    the simulated world also with how few faults.

    A mutant is caught by an oracle that its row names, or by a stronger one: S is stronger than L, and L than P.

    Exit code: 0 when every mutant asked about was caught and the reference merchant is clean, 1 when not, 2 when the set-up
    is wrong, 130 when it was interrupted.
    """
    from gatecrash.harness.mutants import known, matrix, pairs
    from gatecrash.harness.story import choose, gather
    from gatecrash.harness.world import SetupFailed

    if world == "real":
        refuse(["faults"], "with --world real", "there a story is played as it is told")
    mutants, names = known(), (*more, *names)
    unknown = [name for name in names if name not in mutants]
    if unknown:
        raise WrongUse(no_such("mutant", unknown, mutants))
    stories = choose(gather(folders), only)
    if world == "simulated":
        if only or every:
            raise WrongUse("--story and --all go with --world real: in the simulated one a mutant is played what teaches it")
        from gatecrash.cli._smallest import tell

        tell([mutants[name] for name in names or mutants], stories, faults=faults, jobs=jobs, as_json=as_json)
    told = {name for story in stories for name in story.catches}
    # a story alone asks about the mutants that it is to catch, unless some are named
    asked = [each for each in mutants.values() if (each.name in names if names else every or not only or each.name in told)]
    # stories that were named are played to the mutants that were named, whatever they are meant to catch
    wanted = pairs(asked, stories, every=every or bool(only and names))
    if not wanted and only:
        raise WrongUse("these stories name no mutants to catch; name one with --mutant, or all with --all")
    outcomes: list[Outcome | Unplayed] = []
    began = time.monotonic()
    failure: BaseException | None = None
    try:
        run(_play(wanted, jobs or _RUNS, outcomes))
    except (KeyboardInterrupt, asyncio.CancelledError, Exception) as error:
        if isinstance(error, SetupFailed) and not outcomes:
            raise
        failure = error
    found = matrix(asked, outcomes, time.monotonic() - began, incomplete=why_incomplete(failure))
    if as_json:
        document(found.as_json())
    else:
        _tell(found, stories, every=every)
    end_early(failure)
    sys.exit(0 if found.complete else 1)


async def _play(wanted: "list[tuple[Mutant | None, Story]]", jobs: int, outcomes: "list[Outcome | Unplayed]") -> None:
    """Play it all; what comes of it is put into `outcomes` one by one."""
    from gatecrash.harness.mutants import play

    to_go = Countdown(len(wanted))
    with shown() as show:
        async with aclosing(play(wanted, jobs)) as runs:
            async for outcome in runs:
                outcomes.append(outcome)
                so_far = f"{len(outcomes)} of {counted(len(wanted), 'run')}{to_go(len(outcomes))}"
                show(f"{so_far}; last: {outcome.merchant} in {outcome.story.name}")


def _tell(found: "Matrix", stories: "list[Story]", *, every: bool) -> None:
    rows = [(row.mutant.name, " ".join(row.mutant.violates), _caught(row), _by(row), row.mutant.bug) for row in found.rows]
    table(("mutant", "violates", "caught", "by", "the bug"), rows, empty="No mutants.")
    if every:
        click.echo()
        table(("story", "group", "catches", "of these it alone"), _worth(found, stories), empty="No stories.")
    for alarm in found.alarms:
        click.echo(f"{click.style('false alarm', fg='red')}: {alarm.story} objects to the reference merchant: {alarm.oracles}")
    caught = sum(row.caught for row in found.rows)
    clean = "clean" if not found.alarms else f"accused in {len(found.alarms)}"
    runs = [each for row in found.rows for each in row.catches]
    unplayed = sum(bool(each.unplayed) for each in runs)
    incomplete = f"INCOMPLETE, {found.incomplete}: " if found.incomplete else ""
    click.echo(
        f"\n{incomplete}{caught} of {counted(len(found.rows), 'mutant')} caught; the reference merchant is {clean} in "
        f"{counted(found.played, 'story', 'stories')}; {counted(found.played + len(runs), 'run')} in {found.seconds:.0f} s."
        + (f" {unplayed} of them could not be played to the end: --json says why." if unplayed else "")
    )


def _caught(row: "Row") -> str:
    return "yes" if row.caught else "NO" if row.catches else "not played"


def _by(row: "Row") -> str:
    """The stories that caught it, and with what; those in which only weaker oracles objected when there are none."""
    shown = [each for each in row.catches if each.counts] or [each for each in row.catches if each.oracles]
    more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
    return "; ".join(f"{each.story} {' '.join(each.oracles)}" for each in shown[:SHOWN]) + more or "no story"


def _worth(found: "Matrix", stories: "list[Story]") -> "list[Sequence[object]]":
    """What each story catches, and what would get through without it."""
    worth: list[Sequence[object]] = []
    for story in stories:
        caught = [row for row in found.rows if story.name in row.caught_in]
        alone = [row.mutant.name for row in caught if row.caught_in == (story.name,)]
        worth.append((story.name, story.group, str(len(caught)), " ".join(alone)))
    return worth
