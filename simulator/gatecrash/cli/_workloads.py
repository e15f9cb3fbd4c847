"""`gatecrash prove --world simulated --workloads N`: stories that are made up, each explored like one that somebody has told."""

import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import click

from gatecrash.cli import _simulated
from gatecrash.cli._failed import WrongUse
from gatecrash.cli._output import document
from gatecrash.cli._worlds import look_closer, not_simulated

if TYPE_CHECKING:
    from gatecrash.harness.explore.pool import PlayerSpec
    from gatecrash.harness.explore.verdict import StoryVerdict
    from gatecrash.harness.merchant_profile import MerchantProfile
    from gatecrash.harness.workloads.verdict import Sampled

#: The options that mean for workloads what they mean for stories, besides those of every proof.
NAMES = ("faults", "channels", "kinds", "seed", "no_prune", "workloads")
_MADE_UP = "they are made up, and no story that is told is played"
_AGAIN = "the same --seed makes up the same ones again, and another one others"
#: Those that do not, as they are spelt, and why.
ASTRAY: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "names": ("--story", _MADE_UP),
        "folders": ("--stories", _MADE_UP),
        "only_mine": ("--only-mine", _MADE_UP),
        "groups": ("--group", _MADE_UP),
        "without": ("--except", _MADE_UP),
        "shard": ("--shard", "give each machine another --seed"),
        "checkpoint": ("--checkpoint", _AGAIN),
        "resume": ("--resume", _AGAIN),
        "seconds": ("--seconds", "more of them take longer"),
    }
)


def prove(
    asked: "_simulated.Asked", jobs: int, *, faults: int, channels: tuple[str, ...], kinds: tuple[str, ...], seed: int,
    no_prune: bool, workloads: int,
) -> None:  # fmt: skip
    from gatecrash.cli._progress import drawn as progress_drawn
    from gatecrash.harness.blind_spots import blind_spots
    from gatecrash.harness.explore.bound import Bound
    from gatecrash.harness.explore.pool import PlayerFailed, PlayerSpec, Pool
    from gatecrash.harness.merchant_profile import load
    from gatecrash.harness.variants import check_channels
    from gatecrash.harness.workloads import campaign
    from gatecrash.harness.workloads.scope import Scope
    from gatecrash.harness.workloads.trials import Trials
    from gatecrash.harness.workloads.verdict import sampled
    from gatecrash.harness.world import SetupFailed

    merchant, wanted, sets = load(asked.profile), _simulated.wanted_kinds(kinds), _simulated.listed("--channels", channels)
    merchant.application()
    check_channels(sets)
    bound = Bound(faults=faults, kinds=wanted, prune=not no_prune, first_only=True)
    kwargs = {
        "profile_path": str(asked.profile), "stories": {}, "seed": seed,
        "kinds": None if wanted is None else sorted(wanted),
    }  # fmt: skip
    spec = PlayerSpec(_simulated.FACTORY, kwargs)
    began = time.monotonic()
    try:
        campaign.require()
        with _simulated.stoppable() as stop, progress_drawn() as tell, Pool(spec, jobs) as pool:
            trials = Trials(
                pool, bound, wanted=workloads, merchant=merchant.name, seed=seed, channels=sets, alphabet=_simulated.alphabet(),
                tell=tell, stop=stop,
            )  # fmt: skip
            campaign.run(trials, Scope.of(merchant))
    except campaign.NoHypothesis as error:
        raise WrongUse(f"{error}") from error
    except PlayerFailed as error:
        raise not_simulated(error, asked.profile) from error
    except SetupFailed as error:
        raise WrongUse(f"{error}{look_closer(asked.profile)}") from error
    said = sampled(trials, time.monotonic() - began, blind_spots(merchant))
    _simulated.require_played(said.of, asked.profile)
    _told(
        said, spec._replace(kwargs={**kwargs, "stories": {story.name: story.document for story in said.stories}}), merchant, asked
    )
    _simulated.end(said.of, said.verdict, "what is told above is what was found so far")


def _told(said: "Sampled", spec: "PlayerSpec", merchant: "MerchantProfile", asked: "_simulated.Asked") -> None:
    """Saves and tells what was found, and writes the reports."""
    saved = _simulated.save(said.of, merchant, list(said.stories), asked.failures)
    quick = asked.as_json and not asked.report and not asked.junit
    drawn = {} if quick else _simulated.drawn_runs(spec, said.of)
    failed = [story for story in said.of.stories if story.violations]
    if asked.as_json:
        document(said.as_json())
    else:
        for story in failed:
            _simulated.tell_story(story, saved, drawn)
            _tell_workload(story, said, merchant)
        if failed:
            click.echo()
        for line in said.in_words():
            click.echo(line)
    _simulated.annotate(said.of, merchant)
    if asked.junit or asked.report:
        _simulated.write(spec, said.of, said.stories, [], drawn, saved, asked, " ".join(said.in_words()))


def _tell_workload(story: "StoryVerdict", said: "Sampled", merchant: "MerchantProfile") -> None:
    """What was made up, as a story to copy, with the faults of the worst that was found in it."""
    from gatecrash.harness.workloads.printed import as_story
    from gatecrash.harness.workloads.trials import worst

    told = next(each.document for each in said.stories if each.name == story.name)
    assert told is not None, "it was made of one"
    click.echo(f"\n# {story.name}.yaml")
    click.echo(as_story(told, worst(story.violations).schedule, merchant.patience_s), nl=False)
