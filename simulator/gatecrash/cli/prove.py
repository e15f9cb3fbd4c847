"""`gatecrash prove`: every failure story against a merchant, judged against the gateway's books."""

import asyncio
import json
import os
import sys
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gatecrash.cli._failed import WrongUse
from gatecrash.cli._worlds import run, runs_worlds

if TYPE_CHECKING:
    from gatecrash.harness.merchant_profile import MerchantProfile
    from gatecrash.harness.prove import Proof
    from gatecrash.harness.run import Outcome
    from gatecrash.harness.story import Story


@click.command(name="prove")
@click.argument("profile", type=click.Path(path_type=Path), default=Path("merchant.toml"))
@click.option("--story", "names", multiple=True, metavar="NAME", help="Only this story; repeatable.")
@click.option(
    "--stories", "folders", multiple=True, type=click.Path(path_type=Path), metavar="PATH",
    help="A file or folder of stories of your own, besides those that come with Gatecrash; repeatable.",
)  # fmt: skip
@click.option("--only-mine", is_flag=True, help="Play the stories of --stories alone.")
@click.option("--jobs", type=click.IntRange(1, 64), default=4, show_default=True, help="Stories at once.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write a JUnit report.")
@click.option("--report", type=click.Path(path_type=Path), metavar="FOLDER", help="Write an HTML report, FOLDER/index.html.")
@click.option(
    "--failures", type=click.Path(path_type=Path), default=Path("gatecrash-failures"), show_default=True, metavar="FOLDER",
    help="Where each failure is saved as a schedule to replay.",
)  # fmt: skip
@runs_worlds
def command(
    profile: Path, names: tuple[str, ...], folders: tuple[Path, ...], only_mine: bool, jobs: int, as_json: bool,
    junit: Path | None, report: Path | None, failures: Path,
) -> None:  # fmt: skip
    """Play failure stories against the merchant that PROFILE describes, in real processes.

    Exit code: 0 when all held, 1 when an oracle was violated, 2 when the set-up is wrong.
    """
    from gatecrash.harness.merchant_profile import load
    from gatecrash.harness.story import choose, gather

    merchant = load(profile)
    stories = choose(gather(folders, ours=not only_mine), names)
    proof = run(play(stories, merchant, jobs, quiet=as_json))
    saved = _save_failures(proof, merchant, failures)
    if as_json:
        click.echo(json.dumps(proof.as_json(), indent=2, ensure_ascii=False))
    else:
        tell(proof, saved)
    _write_reports(proof, junit, report)
    sys.exit(1 if proof.outcomes and proof.verdict != "held" else 0)


async def play(stories: "list[Story]", merchant: "MerchantProfile", jobs: int, *, quiet: bool) -> "Proof":
    from gatecrash.harness.demo import play_all
    from gatecrash.harness.prove import Proof, sort_out

    playable, left_out = sort_out(stories, merchant)
    began = asyncio.get_running_loop().time()
    outcomes: list[Outcome] = []
    wide = max((len(story.name) for story in stories), default=0)
    # a merchant that runs already is there once, and knows one gateway
    async with aclosing(play_all(playable, [merchant], at_once=jobs if merchant.start else 1)) as runs:
        async for outcome in runs:
            outcomes.append(outcome)
            if not quiet:
                _tell_one(outcome, wide)
    for story, reason in left_out:
        if not quiet:
            click.echo(f"{click.style('left out', fg='yellow')}  {story.name.ljust(wide)}  {reason}")
    return Proof(
        merchant=merchant.name, world="real", outcomes=tuple(outcomes), left_out=tuple(left_out),
        seconds=asyncio.get_running_loop().time() - began,
    )  # fmt: skip


def _tell_one(outcome: "Outcome", wide: int) -> None:
    from gatecrash.harness.report import objections

    word = click.style("violated", fg="red", bold=True) if outcome.violations else click.style("held    ", fg="green")
    click.echo(f"{word}  {outcome.story.name.ljust(wide)}  {outcome.seconds:5.1f} s  {objections(outcome)}".rstrip())


def tell(proof: "Proof", saved: dict[str, Path]) -> None:
    """The failures at length, then the verdict in one line; annotations where GitHub reads them."""
    from gatecrash.harness import sequence
    from gatecrash.harness.report import verdict
    from gatecrash.harness.timeline import timeline

    for outcome in proof.outcomes:
        for what in outcome.history.unfired:
            click.echo(f"{outcome.story.name}: {what} never struck: this run proves nothing about it.")
        if not outcome.violations:
            continue
        click.echo("\n" + click.style(f"{outcome.story.name}: {outcome.story.title}", bold=True))
        for each in outcome.violations:
            click.echo(f"  {click.style(each.oracle, fg='red')} {each.message}")
            if os.environ.get("GITHUB_ACTIONS") == "true":
                click.echo(f"::error title={each.oracle} in {outcome.story.name}::{each.message}")
        for line in sequence.text(timeline(outcome.history)):
            click.echo(f"  {line}")
        codes = " ".join(dict.fromkeys(each.oracle for each in outcome.violations))
        click.echo(f"  why and what to do: gatecrash explain {codes.split()[0]}")
        click.echo(f"  play it again:      gatecrash replay {saved[outcome.story.name]}")
    click.echo("\n" + verdict(proof))


def _save_failures(proof: "Proof", merchant: "MerchantProfile", folder: Path) -> dict[str, Path]:
    from gatecrash.harness import schedule

    try:
        return {outcome.story.name: schedule.save(outcome, merchant, folder) for outcome in proof.outcomes if outcome.violations}
    except OSError as error:
        raise WrongUse(f"prove: {folder} cannot be written: {error.strerror}; --failures names another folder") from error


def _write_reports(proof: "Proof", junit: Path | None, report: Path | None) -> None:
    from gatecrash.harness import junit as junit_report
    from gatecrash.harness import page

    try:
        if junit is not None:
            junit.parent.mkdir(parents=True, exist_ok=True)
            junit.write_text(junit_report.render(proof), encoding="utf-8")
        if report is not None:
            report.mkdir(parents=True, exist_ok=True)
            (report / "index.html").write_text(page.render(proof), encoding="utf-8")
            click.echo(f"report: {report / 'index.html'}", err=True)
    except OSError as error:
        raise WrongUse(f"prove: the report cannot be written: {error}") from error
