"""What `prove` and `replay` say of the runs they play: live, at length, as files."""

import asyncio
import os
import shlex
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from gatecrash import files
from gatecrash.cli._failed import WrongUse
from gatecrash.cli._worlds import look_closer
from gatecrash.counted import counted

if TYPE_CHECKING:
    from gatecrash.harness.merchant_profile import MerchantProfile
    from gatecrash.harness.prove import Findings, LeftOut, NotPlayed, Proof
    from gatecrash.harness.report import Group
    from gatecrash.harness.run import Outcome
    from gatecrash.harness.story import Story

#: Exit code when Gatecrash itself failed and nothing was violated.
GATECRASH_FAILED = 3


def sorted_out(stories: "Sequence[Story]", merchant: "MerchantProfile") -> "tuple[list[Story], list[LeftOut]]":
    """The stories that this merchant can play, and the others with the reason. Raises WrongUse where it can play none."""
    from gatecrash.harness.prove import sort_out

    playable, left_out = sort_out(stories, merchant)
    if not playable:
        raise _none("can be played by this merchant", left_out)
    return playable, left_out


def _none(which: str, left_out: "Iterable[LeftOut]") -> WrongUse:
    reasons = "\n".join(f"  {story.name}: {reason}" for story, reason in left_out)
    return WrongUse(f"none of these stories {which}:\n{reasons}")


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


@contextmanager
def told_live(stories: "Sequence[Story]", *, quiet: bool) -> "Iterator[Callable[[Outcome | LeftOut | NotPlayed], None]]":
    """Tells of each story in a line as it ends, unless `quiet`; how far it is, and how long it will take, stands below."""
    from gatecrash.cli._progress import Countdown, shown
    from gatecrash.harness.run import Outcome

    wide = max((len(story.name) for story in stories), default=0)
    outcomes: list[Outcome] = []
    done, to_go = 0, Countdown(len(stories))
    with shown(_progress(outcomes, stories)) as show:

        def tell(found: "Outcome | LeftOut | NotPlayed") -> None:
            nonlocal done
            done += 1
            if isinstance(found, Outcome):
                outcomes.append(found)
                if not quiet:
                    tell_one(found, found.seconds, wide)
            show(_progress(outcomes, stories) + to_go(done))

        yield tell


def _progress(outcomes: "Sequence[Outcome]", stories: "Sequence[Story]") -> str:
    violated = sum(1 for outcome in outcomes if outcome.violations)
    return f"{len(outcomes)} of {counted(len(stories), 'story', 'stories')} played, {violated} violated"


class Ending:
    """How a run ended: with `proof`, and what had cut it short, if anything had."""

    def __init__(self, proof: "Proof", failure: BaseException | None = None) -> None:
        self.proof, self.failure = proof, failure

    def exit(self, profile: Path | None) -> NoReturn:
        """End with the exit code of the verdict, or as whatever cut the run short would have ended it."""
        from gatecrash.harness.explore.verdict import VIOLATED

        if was_interrupted(self.failure):
            end_early(self.failure)
        tell_crashes([each.crash for each in self.proof.crashed], self.failure)
        if self.proof.verdict == VIOLATED:
            sys.exit(1)
        if self.failure is not None or self.proof.crashed:
            sys.exit(GATECRASH_FAILED)
        if self.proof.not_played:
            click.echo(f"gatecrash: not every story could be set up{look_closer(profile)}", err=True)
            sys.exit(2)
        sys.exit(0)


@contextmanager
def ending(findings: "Findings", profile: Path | None) -> "Iterator[Ending]":
    """Makes a proof of what was found, whatever ends the run. Raises WrongUse where no story could be set up."""
    how, began = Ending(findings.proof(0.0)), time.monotonic()
    try:
        yield how
    except WrongUse:  # a folder for failures that cannot be written
        raise
    except (KeyboardInterrupt, asyncio.CancelledError, Exception) as error:
        how.failure = error
    how.proof = findings.proof(time.monotonic() - began, incomplete=why_incomplete(how.failure))
    if how.failure is None and not how.proof.outcomes and not how.proof.crashed:
        failed = how.proof.not_played
        raise WrongUse(f"{failed[0].reason}{look_closer(profile)}") if failed else _none("came to a verdict", how.proof.left_out)


def was_interrupted(failure: BaseException | None) -> bool:
    return failure is not None and not isinstance(failure, Exception)


def why_incomplete(failure: BaseException | None) -> str:
    """Why what was found is not the whole, after what had cut it short; nothing where nothing did."""
    from gatecrash.harness.explore.verdict import CRASHED, INTERRUPTED

    return "" if failure is None else INTERRUPTED if was_interrupted(failure) else CRASHED


def end_early(failure: BaseException | None) -> None:
    """End as what had cut the run short, once all is told that was found; go on where nothing had."""
    if failure is None:
        return
    if was_interrupted(failure):
        raise failure
    tell_crashes((), failure)
    sys.exit(GATECRASH_FAILED)


def tell_crashes(tracebacks: Iterable[str], failure: BaseException | None = None) -> None:
    """What to do about a bug of Gatecrash's own, and the tracebacks that a report of it needs."""
    told = dict.fromkeys(tracebacks)
    if failure is not None:
        told["".join(traceback.format_exception(failure))] = None
    for each in told:
        click.echo(each.rstrip(), err=True)
    if told:
        click.echo(
            "gatecrash: Gatecrash itself failed. That is a bug of Gatecrash, and no verdict on the merchant. "
            "Please report it with the traceback above, the story, the profile and the output of gatecrash --version.",
            err=True,
        )


def tell_one(outcome: "Outcome", seconds: float, wide: int = 0) -> None:
    """The line of a run, which took so long; its story's name in a column of this width."""
    from gatecrash.harness.report import objections

    word = click.style("violated", fg="red", bold=True) if outcome.violations else click.style("held    ", fg="green")
    click.echo(f"{word}  {outcome.story.name.ljust(wide)}  {seconds:5.1f} s  {objections(outcome)}".rstrip())


def tell(proof: "Proof", saved: Mapping[str, Path]) -> None:
    """The failures at length, what has no outcome and why, then the verdict in a sentence."""
    from gatecrash.harness.history import ENDED
    from gatecrash.harness.report import by_cause, verdict

    for outcome in proof.outcomes:
        for what in outcome.history.unfired:
            click.echo(f"{outcome.story.name}: {what} never struck: this run proves nothing about it.")
        for note in outcome.history.notes:
            if note.text.startswith(ENDED):
                click.echo(f"{outcome.story.name}: the shop {note.text}, and was started again.")
    for group in by_cause(proof.outcomes):
        _tell_group(group, saved)
    _tell_missing(proof)
    click.echo()
    _tell_objections(proof)
    click.echo(verdict(proof))


def _tell_missing(proof: "Proof") -> None:
    """What has no outcome, and what nobody could judge: under each reason, where that was so."""
    from gatecrash.harness.prove import by_reason
    from gatecrash.harness.report import title

    for word, missing in (("left out  ", proof.left_out), ("not played", proof.not_played)):
        for reason, names in by_reason(missing).items():
            click.echo(f"{click.style(word, fg='yellow')}  {_named(names)}: {reason}")
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for each in proof.not_judged:
        alike.setdefault((each.reason, each.stories), []).append(f"{title(each.oracle)} ({each.oracle})")
    for (reason, stories), oracles in alike.items():
        where = f", in {_named(stories)}" if stories else ""
        click.echo(f"{click.style('not judged', fg='yellow')}  {', '.join(oracles)}{where}: {reason}")


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return f"{', '.join(names[:_NAMES])}{more}"


def _tell_objections(proof: "Proof") -> None:
    """Which oracle objected how often, the worst first."""
    from gatecrash.harness.report import objected

    for code, title, outcomes in objected(proof.outcomes):
        names = _named([outcome.story.name for outcome in outcomes])
        click.echo(f"{click.style(code.ljust(6), fg='red')} {title}, in {len(outcomes)}: {names}")


#: How many stories are named behind an oracle.
_NAMES = 3


def _tell_group(group: "Group", saved: Mapping[str, Path]) -> None:
    """The runs of one cause: why and what to do, one of them at length, and the others by name."""
    first, *others = group.outcomes
    click.echo("\n" + click.style(group.heading, bold=True))
    if group.cause:
        click.echo(f"  why: {group.cause.says}")
        click.echo(f"  fix: {group.cause.fix}")
    _tell_failure(first, saved.get(first.story.name))
    for outcome in others:
        schedule = saved.get(outcome.story.name)
        again = f": gatecrash replay {shlex.quote(str(schedule))}" if schedule else ""
        click.echo(
            f"  likewise {outcome.story.name} ({', '.join(dict.fromkeys(each.oracle for each in outcome.violations))}){again}"
        )


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


def annotate(proof: "Proof", profile: Path | None) -> None:
    """`annotate_all` for what a proof holds: one line a cause, the worst first, with the other stories named."""
    from gatecrash.harness.report import by_cause

    found = []
    for group in by_cause(proof.outcomes):
        first, *others = group.outcomes
        said = next(each.message for each in first.violations if each.oracle == group.code)
        why = f" Why: {group.cause.says} Fix: {group.cause.fix}" if group.cause else ""
        also = f" Likewise in {', '.join(each.story.name for each in others)}." if others else ""
        found.append((group.code, first.story.name, f"{said}.{why}{also}"))
    annotate_all(found, profile)


def annotate_all(violations: Iterable[tuple[str, str, str]], profile: Path | None) -> None:
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
            files.make_reports_folder(path.parent)
            path.write_text(render(), encoding="utf-8")
        except OSError as error:
            raise WrongUse(f"{path} cannot be written: {error.strerror or error}") from error
        click.echo(f"report: {path}", err=True)
