"""What `prove` and `replay` say of the runs they play: live, at length, as files."""

import os
import shlex
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gatecrash.cli._failed import WrongUse
from gatecrash.cli._worlds import look_closer
from gatecrash.counted import counted

if TYPE_CHECKING:
    from gatecrash.harness.merchant_profile import MerchantProfile
    from gatecrash.harness.prove import Proof, Unjudged
    from gatecrash.harness.run import Outcome
    from gatecrash.harness.story import Story


def sorted_out(stories: "Sequence[Story]", merchant: "MerchantProfile") -> "tuple[list[Story], list[tuple[Story, str]]]":
    """The stories that this merchant can play, and the others with the reason. Raises WrongUse where it can play none."""
    from gatecrash.harness.prove import sort_out

    playable, left_out = sort_out(stories, merchant)
    if not playable:
        reasons = "\n".join(f"  {story.name}: {reason}" for story, reason in left_out)
        raise WrongUse(f"this merchant can play none of these stories:\n{reasons}")
    return playable, left_out


def require_writable(*, files: Mapping[str, Path | None], folders: Mapping[str, Path | None]) -> None:
    """Raises WrongUse for an option that names what could not be written when all is done."""
    for option, path in files.items():
        if path is not None and path.is_dir():
            raise WrongUse(f"{option} was {path}, which is a folder; name a file")
    for option, path in {**files, **folders}.items():
        if path is None:
            continue
        there = next(each for each in (path, *path.absolute().parents) if each.exists())
        if not there.is_dir() and (option in folders or there != path):
            raise WrongUse(f"{option} was {path}, but {there} is no folder; name another place")
        if not os.access(there, os.W_OK):
            raise WrongUse(f"{option} was {path}, but this user may not write {there}; name another place")


async def followed(
    runs: "AsyncIterator[Outcome | Unjudged]", stories: "Sequence[Story]", merchant: "MerchantProfile", *, quiet: bool
) -> "tuple[list[Outcome], list[Unjudged]]":
    """All outcomes, each told in a line as it comes unless `quiet`, and the stories that came to none; on a terminal, how far it
    is stands below. Raises WrongUse when the set-up is wrong before anything was judged, and when nothing was.
    """
    from rich.console import Console

    from gatecrash.harness.prove import Unjudged

    wide = max((len(story.name) for story in stories), default=0)
    outcomes: list[Outcome] = []
    unjudged: list[Unjudged] = []
    with Console(stderr=True, highlight=False).status(_progress(outcomes, stories)) as status:
        async for outcome in runs:
            if isinstance(outcome, Unjudged):
                if outcome.set_up_wrong and not outcomes:
                    raise WrongUse(f"{outcome.reason}{look_closer(merchant.path)}")
                unjudged.append(outcome)
                continue
            outcomes.append(outcome)
            if not quiet:
                tell_one(outcome, outcome.seconds, wide)
            status.update(_progress(outcomes, stories))
    if not outcomes:
        reasons = "\n".join(f"  {each.story.name}: {each.reason}" for each in unjudged)
        raise WrongUse(f"none of these stories came to a verdict:\n{reasons}")
    return outcomes, unjudged


def _progress(outcomes: "Sequence[Outcome]", stories: "Sequence[Story]") -> str:
    violated = sum(1 for outcome in outcomes if outcome.violations)
    return f"{len(outcomes)} of {counted(len(stories), 'story', 'stories')} played, {violated} violated"


def tell_one(outcome: "Outcome", seconds: float, wide: int = 0) -> None:
    """The line of a run, which took so long; its story's name in a column of this width."""
    from gatecrash.harness.report import objections

    word = click.style("violated", fg="red", bold=True) if outcome.violations else click.style("held    ", fg="green")
    click.echo(f"{word}  {outcome.story.name.ljust(wide)}  {seconds:5.1f} s  {objections(outcome)}".rstrip())


def tell(proof: "Proof", saved: Mapping[str, Path]) -> None:
    """What was left out and why, the failures at length, then the verdict in a sentence."""
    from gatecrash.harness.history import ENDED
    from gatecrash.harness.report import verdict

    wide = max((len(story.name) for story, _ in proof.left_out), default=0)
    for story, reason in proof.left_out:
        click.echo(f"{click.style('left out', fg='yellow')}  {story.name.ljust(wide)}  {reason}")
    for outcome in proof.outcomes:
        for what in outcome.history.unfired:
            click.echo(f"{outcome.story.name}: {what} never struck: this run proves nothing about it.")
        for note in outcome.history.notes:
            if note.text.startswith(ENDED):
                click.echo(f"{outcome.story.name}: the shop {note.text}, and was started again.")
        if outcome.violations:
            _tell_failure(outcome, saved.get(outcome.story.name))
    click.echo()
    _tell_objections(proof)
    click.echo(verdict(proof))


def _tell_objections(proof: "Proof") -> None:
    """Which oracle objected how often, the worst first."""
    from gatecrash.harness.report import objected

    for code, title, outcomes in objected(proof.outcomes):
        names = ", ".join(outcome.story.name for outcome in outcomes[:_NAMES])
        more = f" and {len(outcomes) - _NAMES} more" if len(outcomes) > _NAMES else ""
        click.echo(f"{click.style(code.ljust(6), fg='red')} {title}, in {len(outcomes)}: {names}{more}")


#: How many stories are named behind an oracle.
_NAMES = 3


def _tell_failure(outcome: "Outcome", schedule: Path | None) -> None:
    from gatecrash.harness import sequence
    from gatecrash.harness.report import cut
    from gatecrash.harness.timeline import folded, timeline

    click.echo("\n" + click.style(f"{outcome.story.name}: {outcome.story.title}", bold=True))
    for each in outcome.violations:
        click.echo(f"  {click.style(each.oracle, fg='red')} {cut(each.message)}")
    for line in sequence.text(folded(timeline(outcome.history))):
        click.echo(f"  {line}")
    tell_next([each.oracle for each in outcome.violations], schedule, indent="  ")


def tell_next(oracles: Sequence[str], schedule: Path | None, *, indent: str) -> None:
    """Beneath a run that oracles objected to: what to ask of the first of them, and how to play it again."""
    click.echo(f"{indent}why and what to do: gatecrash explain {oracles[0]}")
    if schedule:
        click.echo(f"{indent}play it again:      gatecrash replay {shlex.quote(str(schedule))}")


def annotate(violations: Iterable[tuple[str, str, str]], profile: Path | None) -> None:
    """A line for each violation (oracle, story, message) that GitHub shows beside the profile, on stderr; nothing where GitHub
    does not read.
    """
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    for oracle, story, message in violations:
        at = {"file": str(profile), "line": "1"} if profile else {}
        fields = {**at, "title": f"{oracle} in {story}"}
        properties = ",".join(f"{name}={_escaped(value, ':,')}" for name, value in fields.items())
        click.echo(f"::error {properties}::{_escaped(message)}", err=True)


def _escaped(text: str, more: str = "") -> str:
    """As GitHub's workflow commands want it."""
    return "".join(f"%{ord(each):02X}" if each in f"%\r\n{more}" else each for each in text)


def write(proof: "Proof", saved: Mapping[str, Path], *, junit: Path | None, report: Path | None) -> None:
    """The files that were asked for. Raises WrongUse for one that cannot be written."""
    from gatecrash.harness import junit as junit_report
    from gatecrash.harness import page

    wanted: list[tuple[Path | None, Callable[[], str]]] = [
        (junit, lambda: junit_report.render(proof)),
        (report and report / "index.html", lambda: page.render(proof, saved)),
    ]
    for path, render in wanted:
        if path is None:
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(render(), encoding="utf-8")
        except OSError as error:
            raise WrongUse(f"{path} cannot be written: {error.strerror or error}") from error
        click.echo(f"report: {path}", err=True)


def ended(proof: "Proof") -> None:
    """End with the exit code of the verdict: 2 where nothing was violated, and a story was left out since the set-up is wrong."""
    sys.exit(1 if proof.verdict != "held" else 2 if proof.set_up_wrong else 0)
