"""`gatecrash replay`: a failure that `gatecrash prove` has saved, once more."""

import asyncio
import sys
from pathlib import Path

import click

from gatecrash.cli._failed import WrongUse
from gatecrash.cli._output import document


@click.command(name="replay")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("profile", type=click.Path(path_type=Path), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, as prove does.")
def command(file: Path, profile: Path | None, as_json: bool) -> None:
    """Play the schedule in FILE again, against the merchant it was found with, or against PROFILE.

    Exit code: 0 when all held this time, 1 when an oracle was violated, 2 when the set-up is wrong.
    """
    from gatecrash.cli.prove import play, tell
    from gatecrash.harness import schedule
    from gatecrash.harness.merchant_profile import ProfileError, load
    from gatecrash.harness.story import StoryError
    from gatecrash.harness.world import SetupFailed

    try:
        found = schedule.load(file)
        where = profile or found.merchant
        if where is None:
            raise WrongUse(f"replay: {file} names no merchant; give its profile: gatecrash replay {file} merchant.toml")
        proof = asyncio.run(play([found.story], load(where), 1, quiet=as_json))
    except (ProfileError, StoryError, SetupFailed, FileNotFoundError) as error:
        raise WrongUse(f"replay: {error}") from error
    except (KeyboardInterrupt, asyncio.CancelledError):
        click.echo("gatecrash replay: interrupted; everything it had started is stopped", err=True)
        sys.exit(130)
    if as_json:
        document(proof.as_json())
    else:
        tell(proof, {found.story.name: file})
    sys.exit(1 if proof.verdict != "held" else 0)
