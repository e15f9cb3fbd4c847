"""`gatecrash replay`: a failure that `gatecrash prove` has saved, once more."""

from pathlib import Path

import click

from gatecrash.cli import _proof
from gatecrash.cli._failed import WrongUse
from gatecrash.cli._output import document
from gatecrash.cli._worlds import run, runs_worlds


@click.command(name="replay")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("profile", type=click.Path(path_type=Path), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, as prove does.")
@runs_worlds
def command(file: Path, profile: Path | None, as_json: bool) -> None:
    """Play the schedule in FILE again, against the merchant it was found with, or against PROFILE.

    Exit code: 0 when all held this time, 1 when an oracle was violated, 2 when the set-up is wrong.
    """
    from gatecrash.cli.prove import play
    from gatecrash.harness import schedule
    from gatecrash.harness.merchant_profile import load

    found = schedule.load(file)
    where = profile or found.merchant
    if where is None:
        raise WrongUse(f"{file} names no merchant; give its profile: gatecrash replay {file} merchant.toml")
    proof = run(play([found.story], load(where), 1, quiet=as_json))
    if as_json:
        document(proof.as_json())
    else:
        _proof.tell(proof, {found.story.name: file})
    _proof.ended(proof)
