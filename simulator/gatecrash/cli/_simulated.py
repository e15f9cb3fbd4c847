"""`gatecrash prove --world simulated`: every combination of faults up to a number, in one process per core on virtual time."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import click

from gatecrash.cli import _proof
from gatecrash.cli._failed import WrongUse
from gatecrash.cli._output import document
from gatecrash.cli._together import refuse
from gatecrash.cli._values import DURATION, Whole
from gatecrash.cli._worlds import look_closer, not_simulated
from gatecrash.spelling import no_such

if TYPE_CHECKING:
    from gatecrash.harness.explore.bound import Bound
    from gatecrash.harness.explore.checkpoint import Checkpoint, Restored
    from gatecrash.harness.explore.explorer import Exploration
    from gatecrash.harness.explore.fault import Schedule as Faults
    from gatecrash.harness.explore.pool import PlayerSpec
    from gatecrash.harness.explore.verdict import Counterexample, StoryVerdict, Verdict
    from gatecrash.harness.merchant_profile import MerchantProfile
    from gatecrash.harness.prove import LeftOut
    from gatecrash.harness.run import Outcome
    from gatecrash.harness.story import Story

    Saved = Mapping[tuple[str, str], Path]  # by story and oracle
    Drawn = Mapping[tuple[str, Faults], Outcome]  # by story and schedule

#: What makes a player in a worker: of `profile_path`, `stories` (name → document), `seed` and `kinds`.
FACTORY = "gatecrash.harness.worlds.simulated.player:make"
#: Where whoever is interrupted finds the checkpoint that they named no file for.
CHECKPOINT = Path("gatecrash-checkpoint.json")

#: Folders beside a shop's own code.
_NOT_THE_SHOPS = frozenset({"site-packages", "node_modules", "tests", "venv"})

_FILE = click.Path(path_type=Path, dir_okay=False)
_OPTIONS = (
    click.option("--faults", type=Whole(0, 10), default=2, show_default=True, help="Up to so many faults in a run."),
    click.option(
        "--channels", metavar="NAME,…", multiple=True,
        help="Each story with these ways of learning an outcome open: all, hookonly, reconly, abandon; as told, by default.",
    ),
    click.option("--kinds", metavar="KIND,…", multiple=True, help="Only these kinds of fault; repeatable."),
    click.option("--shard", metavar="I/N", help="Only this part of N; all N together are the whole."),
    click.option("--checkpoint", type=_FILE, metavar="FILE", help="Keep here, every few seconds, how far it has come."),
    click.option("--resume", type=_FILE, metavar="FILE", help="Go on from this checkpoint, and keep it."),
    click.option("--seconds", type=DURATION, default=0.0, help="Then try more faults at random for so long, such as 5m."),
    click.option("--seed", type=int, default=0, show_default=True, help="Of all that is random: latencies, ids, schedules."),
    click.option("--no-prune", is_flag=True, help="Also pursue runs beyond a state that is known already."),
    click.option(
        "--workloads", type=Whole(1, 100_000), metavar="N",
        help="Instead of stories that are told, so many that are made up, each explored like any other.",
    ),
)  # fmt: skip
#: Options of the real world alone.
_REAL = ("fail_fast", "repeat")
_NAMES = ("faults", "channels", "kinds", "shard", "checkpoint", "resume", "seconds", "seed", "no_prune", "workloads")


class Asked(NamedTuple):
    """What `prove` was asked for, in whatever world."""

    profile: Path
    names: tuple[str, ...]
    folders: tuple[Path, ...]
    only_mine: bool
    groups: tuple[str, ...]
    without: tuple[str, ...]
    failures: Path
    as_json: bool
    junit: Path | None
    report: Path | None


def simulated(verb: Callable[..., None]) -> Callable[..., None]:
    """Gives `prove` its --world; the verb itself is that of the real one."""

    @wraps(verb)
    def chosen(*, world: str, **kwargs: Any) -> None:
        context = click.get_current_context()
        given = {name for name in kwargs if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT}
        ours = {name: kwargs.pop(name) for name in _NAMES}
        _proof.require_writable(
            files={"--junit": kwargs["junit"], "--checkpoint": ours["checkpoint"], "--resume": ours["resume"]},
            folders={"--report": kwargs["report"], "--failures": kwargs["failures"]},
        )
        if world == "real":
            astray = [name for name in _NAMES if name in given]
            if astray:
                option = _option(astray[0])
                raise WrongUse(f"{option} goes with --world simulated: add that, or leave {option} out")
            verb(**kwargs)
            return
        if astray := [name for name in _REAL if name in given]:
            option = _option(astray[0])
            raise WrongUse(f"{option} goes with --world real, since simulated runs are all alike: leave {option} out")
        if ours["faults"] == 0 and not ours["seconds"]:
            refuse(["kinds", "no_prune"], "with --faults 0", "no fault is tried")
        jobs = kwargs["jobs"] if "jobs" in given else os.cpu_count() or 1
        if ours["workloads"] is not None:
            from gatecrash.cli import _workloads

            if wrong := [_workloads.ASTRAY[name] for name in _workloads.ASTRAY if name in given]:
                option, why = wrong[0]
                raise WrongUse(f"{option} does not go with --workloads: {why}")
            asked = Asked(**{name: kwargs[name] for name in Asked._fields})
            _workloads.prove(asked, jobs, **{name: ours[name] for name in _workloads.NAMES})
            return
        del ours["workloads"]
        _prove(Asked(**{name: kwargs[name] for name in Asked._fields}), jobs, **ours)

    for option in reversed(_OPTIONS):
        chosen = option(chosen)
    return click.option(
        "--world", type=click.Choice(["real", "simulated"]), default="real", show_default=True,
        help="Real processes, a story once; or simulated, every combination of faults (what follows below is for it).",
    )(chosen)  # fmt: skip


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _prove(
    asked: Asked, jobs: int, *, faults: int, channels: tuple[str, ...], kinds: tuple[str, ...], shard: str | None,
    checkpoint: Path | None, resume: Path | None, seconds: float, seed: int, no_prune: bool,
) -> None:  # fmt: skip
    from gatecrash.harness.blind_spots import blind_spots
    from gatecrash.harness.explore.bound import WHOLE, Bound, Shard, ShardError
    from gatecrash.harness.explore.checkpoint import CheckpointError
    from gatecrash.harness.explore.pool import PlayerFailed, PlayerSpec
    from gatecrash.harness.explore.verdict import verdict
    from gatecrash.harness.merchant_profile import load
    from gatecrash.harness.story import choose, gather
    from gatecrash.harness.variants import in_channels

    merchant, wanted = load(asked.profile), wanted_kinds(kinds)
    merchant.application()
    told = choose(gather(asked.folders, ours=not asked.only_mine), asked.names, groups=asked.groups, without=asked.without)
    told = in_channels(told, listed("--channels", channels)) if channels else told
    stories, left_out = _proof.sorted_out(told, merchant)
    try:
        bound = Bound(faults=faults, kinds=wanted, prune=not no_prune, shard=WHOLE if shard is None else Shard.parse(shard))
        spec = PlayerSpec(
            FACTORY,
            {
                "profile_path": str(asked.profile),
                "stories": {story.name: story.document for story in stories},
                "seed": seed,
                "kinds": None if wanted is None else sorted(wanted),
            },
        )
        kept = _checkpoint(checkpoint or resume or CHECKPOINT, merchant, stories, seed)
        found = _explore(
            spec, bound, jobs, [story.name for story in stories], swarm_s=seconds, seed=seed, kept=kept,
            resumed=_checkpoint(resume, merchant, stories, seed).load(bound) if resume else None,
            always=bool(checkpoint or resume),
        )  # fmt: skip
    except PlayerFailed as error:
        raise not_simulated(error, asked.profile) from error
    except (CheckpointError, ShardError) as error:
        raise WrongUse(f"{error}") from error
    except OSError as error:
        raise WrongUse(f"the checkpoint cannot be written: {error}; --checkpoint names another file") from error
    skipped = [(story.name, reason) for story, reason in left_out]
    said = verdict(
        found, merchant=merchant.name, seed=seed, left_out=skipped, not_judged=blind_spots(merchant), alphabet=alphabet()
    )
    require_played(said, asked.profile)
    saved = save(said, merchant, stories, asked.failures)
    drawn = {} if asked.as_json and not asked.report and not asked.junit else drawn_runs(spec, said)
    annotate(said, merchant)
    if asked.junit or asked.report:
        write(spec, said, stories, left_out, drawn, saved, asked, " ".join(said.in_words()))
    if asked.as_json:
        document(said.as_json())
    else:
        _tell(said, saved, drawn)
    end(said, said.verdict, f"go on with the same options and --resume {kept.path}")


def end(said: "Verdict", verdict: str, go_on: str) -> NoReturn:
    """End with the exit code of the verdict, after what was told; `go_on` says how, where it was interrupted."""
    if said.interrupted:
        click.echo(f"gatecrash prove: interrupted; {go_on}", err=True)
        sys.exit(130)
    _proof.tell_crashes([said.crash] if said.crash else [])
    codes = {"violated": 1, "held": 0, "proved": 0, "unfinished": 2}
    sys.exit(_proof.GATECRASH_FAILED if said.crash and verdict != "violated" else codes[verdict])


def require_played(said: "Verdict", profile: Path) -> None:
    """Raises WrongUse for a merchant that could not even be played while nothing strikes, in none of the stories."""
    unplayable = [(story.name, story.unplayable) for story in said.stories if story.unplayable]
    if not unplayable or len(unplayable) < len(said.stories):
        return
    first, failure = unplayable[0]
    among = f", the first of {len(unplayable)}" if len(unplayable) > 1 else ""
    why = f"{first}{among}: {failure.in_full()}"
    raise WrongUse(f"no story can be played, though nothing strikes; {why}{look_closer(profile)}")


def played(spec: "PlayerSpec", wanted: "Sequence[tuple[str, Faults]]") -> "tuple[list[Outcome], float]":
    """These schedules of stories once more, each with its whole outcome, and the seconds of real time that took."""
    from gatecrash.harness.explore.fault import Failure
    from gatecrash.harness.explore.pool import PlayerFailed, Pool

    began = time.monotonic()
    outcomes: list[Outcome] = []
    if not wanted:
        return outcomes, 0.0
    try:
        with Pool(spec._replace(kwargs={**spec.kwargs, "tells": True})) as pool:
            for story, faults in wanted:
                play = pool.play(story, faults)
                if isinstance(play, Failure):
                    raise WrongUse(f"{story} could not be played: {play.in_full()}{look_closer(spec.kwargs['profile_path'])}")
                assert play.outcome is not None, "it was made to tell"
                outcomes.append(play.outcome)
    except PlayerFailed as error:
        raise not_simulated(error, spec.kwargs["profile_path"]) from error
    return outcomes, time.monotonic() - began


def wanted_kinds(kinds: tuple[str, ...]) -> frozenset[str] | None:
    """None for all of them. Raises WrongUse for one that there is not."""
    wanted = frozenset(listed("--kinds", kinds)) or None
    if unknown := sorted((wanted or set()) - alphabet().keys()):
        raise WrongUse(no_such("kind of fault", unknown, alphabet()))
    return wanted


def listed(option: str, texts: tuple[str, ...]) -> list[str]:
    """What stands between commas, once each. Raises WrongUse for a text in which nothing does."""
    names = [[each for each in map(str.strip, text.split(",")) if each] for text in texts]
    if [] in names:
        raise WrongUse(f"{option} was {texts[names.index([])]!r}, which names nothing; name some, or leave {option} out")
    return list(dict.fromkeys(chain.from_iterable(names)))


def drawn_runs(spec: "PlayerSpec", said: "Verdict") -> "Drawn":
    """The run of each counterexample."""
    wanted = list(dict.fromkeys((story.name, each.schedule) for story in said.stories for each in story.violations))
    return dict(zip(wanted, played(spec, wanted)[0], strict=True))


def annotate(said: "Verdict", merchant: "MerchantProfile") -> None:
    found = ((each.oracle, story.name, each.message) for story in said.stories for each in story.violations)
    _proof.annotate_all(found, merchant.path)


def write(
    spec: "PlayerSpec", said: "Verdict", stories: "Sequence[Story]", left_out: "Sequence[LeftOut]", drawn: "Drawn",
    saved: "Saved", asked: "Asked", bound: str,
) -> None:  # fmt: skip
    """The reports that were asked for: of each story the run in which it was violated first, or the one without a fault. A story
    that cannot be played is left out. One that nothing was played of, since the whole was cut short, was not played.
    """
    from gatecrash.harness.prove import LeftOut, NotJudged, NotPlayed, Proof

    unplayed = {story.name: story.unplayable.why for story in said.stories if story.unplayable}
    left_out = [*left_out, *(LeftOut(story, unplayed[story.name]) for story in stories if story.name in unplayed)]
    first = {story.name: story.violations[0] for story in said.stories if story.violations}
    begun = {story.name for story in said.stories if story.schedules or not said.incomplete}
    names = [story.name for story in said.stories if story.name in begun and story.name not in unplayed]
    wanted: list[tuple[str, Faults]] = [(name, first[name].schedule if name in first else ()) for name in names]
    more = [each for each in wanted if each not in drawn]
    runs = {**drawn, **dict(zip(more, played(spec, more)[0], strict=True))}
    proof = Proof(
        merchant=said.merchant, world="simulated", outcomes=tuple(runs[each] for each in wanted), left_out=tuple(left_out),
        not_judged=tuple(NotJudged(code, each.reason) for each in said.not_judged for code in each.oracles),
        not_played=tuple(NotPlayed(story, said.incomplete) for story in stories if story.name not in {*begun, *unplayed}),
        seconds=said.seconds, bound=bound, explored=said.verdict, incomplete=said.incomplete,
    )  # fmt: skip
    files = {name: saved[name, each.oracle] for name, each in first.items()}
    _proof.write(proof, files, junit=asked.junit, report=asked.report)


def alphabet() -> Mapping[str, Any]:
    """The kinds of fault that there are, by name."""
    from gatecrash.harness.worlds.simulated.alphabet import LETTERS

    return LETTERS


def _checkpoint(path: Path, merchant: "MerchantProfile", stories: "list[Story]", seed: int) -> "Checkpoint":
    from gatecrash.harness.explore.checkpoint import Checkpoint

    text = merchant.path.read_bytes() if merchant.path else b""
    of = {
        "merchant": merchant.name,
        "profile": blake2b(text, digest_size=8).hexdigest(),
        "code of the shop": _code(merchant),
        "stories": {story.name: blake2b(repr(story.document).encode(), digest_size=8).hexdigest() for story in stories},
        "seed": seed,
    }
    return Checkpoint(path, of)


def _code(merchant: "MerchantProfile") -> str:
    """A digest of the shop's Python files: what was proved of others is not proved of these."""
    folder = merchant.start.cwd if merchant.start else merchant.path.parent if merchant.path else Path()
    found = blake2b(digest_size=8)
    for file in sorted(folder.rglob("*.py")):
        inside = file.relative_to(folder).parts
        if not any(part.startswith(".") or part in _NOT_THE_SHOPS for part in inside):
            found.update(f"{file.relative_to(folder)}\n".encode() + file.read_bytes())
    return found.hexdigest()


def _explore(
    spec: Any, bound: "Bound", jobs: int, names: list[str], *, swarm_s: float, seed: int, kept: "Checkpoint",
    resumed: "Restored | None", always: bool,
) -> "Exploration":  # fmt: skip
    """`always`: keep the checkpoint as it goes, not only when interrupted."""
    from gatecrash.cli._progress import drawn
    from gatecrash.harness.explore.explorer import Explorer
    from gatecrash.harness.explore.pool import Pool

    with stoppable() as stop, drawn() as tell, Pool(spec, jobs) as pool:
        explorer = Explorer(pool, bound, checkpoint=kept if always else None, tell=tell, stop=stop)
        found = explorer.explore(names, resumed=resumed, swarm_s=swarm_s, seed=seed)
        if found.interrupted and not always:
            kept.save(found.searches, bound, found.seconds)
    return found


@contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """Says whether somebody wants it to stop; who says so a second time is not made to wait."""
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    signals = [each for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) is not signal.SIG_IGN]
    before = {each: signal.signal(each, ask) for each in signals}
    try:
        yield lambda: asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def save(said: "Verdict", merchant: "MerchantProfile", stories: "list[Story]", folder: Path) -> dict[tuple[str, str], Path]:
    from gatecrash.harness import schedule

    by_name = {story.name: story for story in stories}
    try:
        return {
            (story.name, each.oracle): schedule.save_simulated(by_name[story.name], each, merchant, folder, said.seed)
            for story in said.stories
            for each in story.violations
        }
    except OSError as error:
        raise WrongUse(f"{folder} cannot be written: {error.strerror}; --failures names another folder") from error


#: What stands in the place of faults where none is needed.
_NO_FAULT = "no fault besides what the story breaks itself"
_COLOURS = {"proved": "green", "held": "green", "violated": "red", "not proved": "yellow"}


def _tell(said: "Verdict", saved: "Saved", drawn: "Drawn") -> None:
    """A line per story, its counterexamples beneath it, drawn where their runs are there; then what it comes to."""
    for story in said.stories:
        tell_story(story, saved, drawn)
    for name, reason in said.left_out:
        click.echo(f"{click.style('left out', fg='yellow')}: {name}: {reason}")
    click.echo()
    for line in said.in_words():
        click.echo(line)


def tell_story(story: "StoryVerdict", saved: "Saved", drawn: "Drawn") -> None:
    from gatecrash.harness import sequence
    from gatecrash.harness.oracles import Violation
    from gatecrash.harness.oracles.causes import cause_of
    from gatecrash.harness.timeline import folded, timeline

    word = story.in_words().partition(":")[0]
    click.echo(f"{click.style(f'{word:<10}', fg=_COLOURS[word], bold=word == 'violated')} {story.briefly()}")
    for schedule in dict.fromkeys(each.schedule for each in story.violations):
        found = [each for each in story.violations if each.schedule == schedule]
        outcome = drawn.get((story.name, schedule))
        for each in found:
            click.echo(f"  {click.style(each.oracle, fg='red')} {each.message}")
            if outcome and (cause := cause_of(outcome.history, Violation(each.oracle, each.message))):
                click.echo(f"    why: {cause.says}\n    fix: {cause.fix}")
        for fault in schedule or (_NO_FAULT,):
            click.echo(f"    ⚡ {fault}")
        if outcome:
            for line in sequence.text(folded(timeline(outcome.history))):
                click.echo(f"    {line}")
        ways = [_found_by(each, story) for each in found]
        for way in dict.fromkeys(ways):
            those = ", ".join(each.oracle for each, its in zip(found, ways, strict=True) if its == way)
            click.echo(f"    {way if len(set(ways)) == 1 else f'{those}: {way}'}")
        _proof.tell_next([each.oracle for each in found], saved[story.name, found[0].oracle], indent="    ")


def _found_by(found: "Counterexample", of: "StoryVerdict") -> str:
    if found.number is None:
        return f"found by walk {found.walk} of the swarm"
    return f"found by schedule {found.number:,}, in {found.schedules:,} of {of.schedules:,}"
