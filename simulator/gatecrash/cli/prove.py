"""`gatecrash prove`: every failure story against a merchant, judged against the gateway's books."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gatecrash.cli import _proof
from gatecrash.cli._failed import WrongUse
from gatecrash.cli._output import document
from gatecrash.cli._simulated import simulated
from gatecrash.cli._values import Whole
from gatecrash.cli._worlds import run, runs_worlds

if TYPE_CHECKING:
    from gatecrash.harness.merchant_profile import MerchantProfile
    from gatecrash.harness.prove import Proof
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
    profile: Path, names: tuple[str, ...], folders: tuple[Path, ...], only_mine: bool, jobs: int, as_json: bool,
    junit: Path | None, report: Path | None, failures: Path,
) -> None:  # fmt: skip
    """Play failure stories against the merchant that PROFILE describes: in real processes, as they are told; or simulated, with
    every combination of faults.

    Exit code: 0 when all held, 1 when an oracle was violated, 2 when the set-up is wrong (in the simulated world also when
    nothing was violated, and not everything proved), 130 when it was interrupted (the simulated world leaves a checkpoint of
    its stories then, to --resume from).
    """
    from gatecrash.harness.merchant_profile import load
    from gatecrash.harness.story import choose, gather

    merchant = load(profile)
    proof = run(play(choose(gather(folders, ours=not only_mine), names), merchant, jobs, quiet=as_json))
    saved = _save_failures(proof, merchant, failures)
    if as_json:
        document(proof.as_json())
    else:
        _proof.tell(proof, saved)
    found = ((each.oracle, outcome.story.name, each.message) for outcome in proof.outcomes for each in outcome.violations)
    _proof.annotate(found, merchant.path)
    _proof.write(proof, saved, junit=junit, report=report)
    _proof.ended(proof)


async def play(
    stories: "list[Story]", merchant: "MerchantProfile", jobs: int, *, quiet: bool, struck_by: "Sequence[Blow]" = ()
) -> "Proof":
    """Plays in the real world what the merchant's profile allows, struck by what there is besides the story."""
    from gatecrash.harness.demo import in_turn
    from gatecrash.harness.prove import Proof, judged

    playable, left_out = _proof.sorted_out(stories, merchant)
    began = asyncio.get_running_loop().time()
    works = [partial(judged, story, merchant, struck_by) for story in playable]
    # a merchant that runs already is there once, and knows one gateway
    async with aclosing(in_turn(works, jobs if merchant.start else 1)) as runs:
        outcomes, unjudged = await _proof.followed(runs, playable, merchant, quiet=quiet)
    return Proof(
        merchant=merchant.name, world="real", outcomes=tuple(outcomes),
        left_out=(*left_out, *((each.story, each.reason) for each in unjudged)),
        seconds=asyncio.get_running_loop().time() - began, set_up_wrong=any(each.set_up_wrong for each in unjudged),
    )  # fmt: skip


def _save_failures(proof: "Proof", merchant: "MerchantProfile", folder: Path) -> dict[str, Path]:
    """Where each failure is; what an earlier run had saved of a story that holds now is gone."""
    from gatecrash.harness import schedule

    try:
        for outcome in proof.outcomes:
            if not outcome.violations:
                schedule.forget(outcome, merchant, folder)
        return {outcome.story.name: schedule.save(outcome, merchant, folder) for outcome in proof.outcomes if outcome.violations}
    except OSError as error:
        raise WrongUse(f"{folder} cannot be written: {error.strerror}; --failures names another folder") from error
