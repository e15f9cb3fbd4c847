"""`gatecrash prove`: every failure story against a merchant, judged against the gateway's books."""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gatecrash.cli import _proof
from gatecrash.cli._failed import WrongUse
from gatecrash.cli._output import document
from gatecrash.cli._simulated import simulated
from gatecrash.cli._together import refuse
from gatecrash.cli._values import Whole
from gatecrash.cli._worlds import run, runs_worlds

if TYPE_CHECKING:
    from gatecrash.harness.merchant_profile import MerchantProfile
    from gatecrash.harness.prove import Findings, LeftOut, NotPlayed
    from gatecrash.harness.run import Outcome
    from gatecrash.harness.story import Story
    from gatecrash.harness.worlds.struck import Blow


@click.command(name="prove")
@click.argument("profile", type=click.Path(path_type=Path), default=Path("merchant.toml"))
@click.option("--story", "names", multiple=True, metavar="NAME", help="Only this story; repeatable.")
@click.option(
    "--stories", "folders", multiple=True, type=click.Path(path_type=Path), metavar="PATH",
    help="A file or folder of stories of your own, besides those that come with Gatecrash; repeatable.",
)  # fmt: skip
@click.option("--only-mine", is_flag=True, help="Play the stories of --stories alone.")
@click.option("--group", "groups", multiple=True, metavar="GROUP", help="Only stories of this group, such as money; repeatable.")
@click.option(
    "--except", "without", multiple=True, metavar="NAME", help="Without this story, or this group of stories; repeatable."
)
@click.option("--fail-fast", is_flag=True, help="Begin no more stories once one is violated.")
@click.option(
    "--repeat", type=Whole(1, 1000), default=1, show_default=True, metavar="N",
    help="Play each story up to N times, until it is violated: for races.",
)  # fmt: skip
@click.option("--jobs", type=Whole(1, 64), default=4, show_default=True, help="Stories at once.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write a JUnit report.")
@click.option("--report", type=click.Path(path_type=Path), metavar="FOLDER", help="Write an HTML report, FOLDER/index.html.")
@click.option(
    "--failures", type=click.Path(path_type=Path), default=Path("gatecrash-failures"), show_default=True, metavar="FOLDER",
    help="Where each failure is saved as a schedule to replay.",
)  # fmt: skip
@runs_worlds
@simulated
def command(
    profile: Path, names: tuple[str, ...], folders: tuple[Path, ...], only_mine: bool, groups: tuple[str, ...],
    without: tuple[str, ...], fail_fast: bool, repeat: int, jobs: int, as_json: bool, junit: Path | None, report: Path | None,
    failures: Path,
) -> None:  # fmt: skip
    """Play failure stories against the merchant that PROFILE describes: in real processes, as they are told; or simulated, with
    every combination of faults.

    Exit code: 0 when all held, 1 when an oracle was violated, 2 when the set-up is wrong (in the simulated world also when
    nothing was violated, and not everything proved), 3 when Gatecrash itself failed and nothing was violated, 130 when it was
    interrupted. However it ends, what was found until then is told, saved and written to the reports, marked as incomplete (the
    simulated world also leaves a checkpoint of its stories, to --resume from).
    """
    from gatecrash.harness.merchant_profile import load
    from gatecrash.harness.prove import Findings, not_judged
    from gatecrash.harness.story import choose, gather

    merchant = load(profile)
    wanted = choose(gather(folders, ours=not only_mine), names, groups=groups, without=without)
    if merchant.start is None:
        refuse(["jobs"], f"with {profile}", "that merchant runs already, so stories are played one at a time")
    playable, left_out = _proof.sorted_out(wanted, merchant)
    findings = Findings(merchant.name, "real", playable, left_out, not_judged(merchant))
    saved: dict[str, Path] = {}
    with _proof.ending(findings, merchant.path) as ending:
        keep = partial(_keep, saved, merchant, failures)
        run(play(findings, merchant, jobs, quiet=as_json, keep=keep, times=repeat, fail_fast=fail_fast))
    _proof.annotate(ending.proof, merchant.path)
    _proof.write(ending.proof, saved, junit=junit, report=report)
    if as_json:
        document(ending.proof.as_json())
    else:
        _proof.tell(ending.proof, saved)
    ending.exit(merchant.path)


async def play(
    findings: "Findings", merchant: "MerchantProfile", jobs: int, *, quiet: bool, struck_by: "Sequence[Blow]" = (),
    keep: "Callable[[Outcome], None]" = lambda outcome: None, times: int = 1, fail_fast: bool = False,
) -> None:  # fmt: skip
    """Play in the real world, struck by what there is besides the story; what is found goes to `findings`, and each outcome to
    `keep`. Stops where not even the first story can be set up; with `fail_fast`, begins no story after a violation.
    """
    from gatecrash.harness.demo import in_turn
    from gatecrash.harness.prove import NotPlayed, judged_again
    from gatecrash.harness.run import Outcome

    async def play_one(story: "Story") -> "Outcome | LeftOut | NotPlayed":
        if findings.stopped:
            return NotPlayed(story, findings.stopped)
        found = await judged_again(story, merchant, struck_by, times=times)
        findings.add(found)
        if isinstance(found, Outcome):
            keep(found)
            if found.violations and fail_fast:
                findings.stopped = f"stopped after {story.name} (--fail-fast)"
        return found

    works = [partial(play_one, story) for story in findings.stories]
    # a merchant that runs already is there once, and knows one gateway
    async with aclosing(in_turn(works, jobs if merchant.start else 1)) as runs:
        with _proof.told_live(findings.stories, quiet=quiet) as tell:
            async for found in runs:
                tell(found)
                if isinstance(found, NotPlayed) and not found.crash and not findings.outcomes:
                    return


def _keep(saved: dict[str, Path], merchant: "MerchantProfile", folder: Path, outcome: "Outcome") -> None:
    """Save a failure at once; what an earlier run had saved of a story that holds now is gone."""
    from gatecrash.harness import schedule

    try:
        if outcome.violations:
            saved[outcome.story.name] = schedule.save(outcome, merchant, folder)
        else:
            schedule.forget(outcome, merchant, folder)
    except OSError as error:
        raise WrongUse(f"{folder} cannot be written: {error.strerror}; --failures names another folder") from error
