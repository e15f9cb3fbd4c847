"""`gatecrash replay`: a failure that `gatecrash prove` has saved, once more."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gatecrash.cli import _proof
from gatecrash.cli._failed import WrongUse
from gatecrash.cli._output import document
from gatecrash.cli._worlds import run, runs_worlds

if TYPE_CHECKING:
    from gatecrash.harness.merchant_profile import MerchantProfile
    from gatecrash.harness.prove import Proof
    from gatecrash.harness.schedule import Schedule


@click.command(name="replay")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("profile", type=click.Path(path_type=Path), required=False)
@click.option(
    "--world", type=click.Choice(["real", "simulated"]),
    help="Real processes, or simulated; where it was found, unless told otherwise.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, as prove does.")
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write a JUnit report.")
@click.option("--report", type=click.Path(path_type=Path), metavar="FOLDER", help="Write an HTML report, FOLDER/index.html.")
@runs_worlds
def command(
    file: Path, profile: Path | None, world: str | None, as_json: bool, junit: Path | None, report: Path | None
) -> None:  # fmt: skip
    """Play the schedule in FILE again, against the merchant it was found with, or against PROFILE.

    Exit code: 0 when all held this time, 1 when an oracle was violated, 2 when the set-up is wrong or the schedule has no
    equivalent in that world, 130 when it was interrupted.
    """
    from gatecrash.harness import schedule
    from gatecrash.harness.merchant_profile import load

    _proof.require_writable(files={"--junit": junit}, folders={"--report": report})
    found = schedule.load(file)
    where = profile or found.merchant
    if where is None:
        raise WrongUse(f"{file} names no merchant; give its profile: gatecrash replay {file} merchant.toml")
    if profile is None and not where.exists():
        raise WrongUse(f"{file} was found with {where}, which is not there; give it: gatecrash replay {file} merchant.toml")
    merchant = load(where)
    if (world or ("real" if found.faults is None else "simulated")) == "simulated":
        ending = _proof.Ending(_in_simulated_time(found, merchant, where, quiet=as_json))
    else:
        ending = _for_real(found, merchant, file, quiet=as_json)
    proof, saved = ending.proof, {found.story.name: file}
    _proof.write(proof, saved, junit=junit, report=report)
    if as_json:
        document(proof.as_json())
    else:
        _proof.tell(proof, saved)
    ending.exit(where)


def _for_real(found: "Schedule", merchant: "MerchantProfile", file: Path, *, quiet: bool) -> _proof.Ending:
    from gatecrash.cli.prove import play
    from gatecrash.harness.prove import Findings, not_judged
    from gatecrash.harness.worlds.struck import NoEquivalent, blows

    try:
        struck_by = blows(found.faults or (), merchant)
    except NoEquivalent as error:
        raise WrongUse(f"no equivalent in the real world: {error}; play it with gatecrash replay {file}") from error
    playable, left_out = _proof.sorted_out([found.story], merchant)
    findings = Findings(merchant.name, "real", playable, left_out, not_judged(merchant))
    with _proof.ending(findings, merchant.path) as ending:
        run(play(findings, merchant, 1, quiet=quiet, struck_by=struck_by))
    return ending


def _in_simulated_time(found: "Schedule", merchant: "MerchantProfile", where: Path, *, quiet: bool) -> "Proof":
    from gatecrash.cli._simulated import FACTORY, played
    from gatecrash.harness.explore.pool import PlayerSpec
    from gatecrash.harness.prove import Proof

    merchant.application()
    kwargs = {"profile_path": str(where), "stories": {found.story.name: found.story.document}, "seed": found.seed}
    [outcome], seconds = played(PlayerSpec(FACTORY, kwargs), [(found.story.name, found.faults or ())])
    if not quiet:
        _proof.tell_one(outcome, seconds)
    return Proof(merchant=merchant.name, world="simulated", outcomes=(outcome,), seconds=seconds)
