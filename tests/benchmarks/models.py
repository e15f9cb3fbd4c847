"""`python -m tests.benchmarks.models [--whole] [--taught] [MUTANT …]`: mutants under the fault models of others, as Markdown.

Each model is played the same stories with every set of channels, fewer faults first, until an oracle objects that the mutant's
row names, or a stronger one: the two stories that every mutant is played; then, with `--taught` and where these show nothing,
those that teach the mutant, without their own faults. The reference merchant is played all of them: whatever objects to it is a
false alarm. What one model has played is not played again for the next, but counts for it.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

from gatecrash.harness.channels import CHANNELS
from gatecrash.harness.explore.pool import PlayerSpec, Pool
from gatecrash.harness.explore.search import Search
from gatecrash.harness.merchant_profile import reference
from gatecrash.harness.mutants import Mutant, counts, known
from gatecrash.harness.prove import sort_out
from gatecrash.harness.smallest import PLAYER, WORKLOADS, Plays, hunt, player_of, workloads
from gatecrash.harness.story import Story, load_all
from gatecrash.resources import reference_merchant
from tests.benchmarks.fault_models import MODELS, Model
from tests.benchmarks.remembered import Remembered

#: Who is played where nobody asks for more, and with up to how many faults.
FEW = ("no_key", "new_key_timeout", "key_in_memory", "charge_first", "no_dedupe", "key_after_decline")
FEW_FAULTS = 1


class Tally(NamedTuple):
    """What a model came to on some stories: the oracle that counts, and its story, empty when there was none. `seconds` are of
    playing, `fired` are kinds, and `unplayed` the schedules that came to nothing.
    """

    oracle: str
    story: str
    schedules: int
    seconds: float
    fired: frozenset[str]
    unplayed: int


class Result(NamedTuple):
    """Of a model and a merchant. `taught` is None when the common stories already showed the bug, or were all that was played."""

    model: Model
    common: Tally
    taught: Tally | None

    @property
    def caught(self) -> bool:
        return any(each.oracle for each in self.tallies)

    @property
    def tallies(self) -> tuple[Tally, ...]:
        return (self.common,) if self.taught is None else (self.common, self.taught)


def compare(mutant: Mutant, stories: Sequence[Story], models: Sequence[Model], *, taught: bool) -> list[Result]:
    """A mutant under each model, on the common stories, and if `taught` also on those that teach it."""
    plain, _ = workloads(mutant, stories)
    common = [story.name for story in plain if _is_common(story)]
    teaching = [story.name for story in plain if not _is_common(story)] if taught else []
    found = []
    with Pool(player_of(mutant, plain)) as pool:
        plays = Remembered(pool, max(model.faults for model in models))
        for model in models:
            played = partial(tally, plays, model, objects=lambda oracle: counts(oracle, mutant.violates))
            first = played(common)
            found.append(Result(model, first, played(teaching) if teaching and not first.oracle else None))
    return found


def alarms(stories: Sequence[Story], models: Sequence[Model]) -> Iterator[tuple[Model, Tally]]:
    """The reference merchant under each model, a story after the other: here any oracle counts, and is a false alarm."""
    kwargs = {"profile_path": str(reference_merchant() / "merchant.toml")}
    with Pool(PlayerSpec(PLAYER, {**kwargs, "stories": {story.name: story.document for story in stories}})) as pool:
        for story in stories:
            plays = Remembered(pool, max(model.faults for model in models))
            for model in models:
                yield model, tally(plays, model, [story.name], objects=bool)


def tally(plays: Plays, model: Model, stories: Sequence[str], *, objects: Callable[[str], bool]) -> Tally:
    searches = [Search(story, model.bound) for story in stories]
    hit = hunt(plays, searches, model.faults, objects)
    return Tally(
        oracle="" if hit is None else hit[1].oracle,
        story="" if hit is None else hit[0].story,
        schedules=sum(search.schedules for search in searches),
        seconds=sum(search.seconds for search in searches),
        fired=frozenset().union(*(search.kinds_fired for search in searches)),
        unplayed=sum(len(search.unplayed) for search in searches),
    )


def _is_common(story: Story) -> bool:
    return story.name.partition("@")[0] in WORKLOADS


def told_to_any(mutants: Sequence[Mutant], stories: Sequence[Story], *, taught: bool) -> list[Story]:
    """All that any of these mutants is played."""
    wanted = {story.name: story for mutant in mutants for story in workloads(mutant, stories)[0]}
    return [story for story in wanted.values() if taught or _is_common(story)]


def table(
    models: Sequence[Model], results: Sequence[Sequence[Result]], false: Mapping[str, Sequence[Tally]], *, taught: bool
) -> Iterator[str]:
    """In Markdown, a row a model; `results` are by mutant, and in the models' order."""
    columns = ["fault model", "caught", "schedules", "seconds", "to a catch"]
    columns += ["with what teaches", "schedules", "seconds"] if taught else []
    yield f"| {' | '.join([*columns, 'false alarms'])} |"
    yield "|---" * (len(columns) + 1) + "|"
    for number, model in enumerate(models):
        found = [each[number] for each in results]
        caught = [each.common.schedules for each in found if each.common.oracle]
        cells = [model.name, f"{len(caught)} of {len(found)}", *_effort(each.common for each in found)]
        cells.append(f"{statistics.median(caught):,.0f}" if caught else "—")
        if taught:
            cells.append(f"{sum(each.caught for each in found)} of {len(found)}")
            cells += _effort(part for each in found for part in each.tallies)
        objected = [f"{each.oracle} in {each.story}" for each in false[model.name] if each.oracle]
        cells.append("; ".join(objected) or f"none in {_effort(false[model.name])[0]}")
        yield f"| {' | '.join(cells)} |"


def _effort(tallies: Iterable[Tally]) -> tuple[str, str]:
    every = list(tallies)
    return f"{sum(each.schedules for each in every):,}", f"{sum(each.seconds for each in every):,.0f}"


def missed(models: Sequence[Model], mutants: Sequence[Mutant], results: Sequence[Sequence[Result]]) -> Iterator[str]:
    """What each model has not caught, and what could not be played to the end."""
    rows = list(zip(mutants, results, strict=True))
    for number, model in enumerate(models):
        yield f"- {model.name}: {_named([mutant for mutant, found in rows if not found[number].caught]) or 'none'}"
    if unplayed := [mutant for mutant, found in rows if any(part.unplayed for each in found for part in each.tallies)]:
        yield f"- not all schedules could be played to {_named(unplayed)}"


def _named(mutants: Iterable[Mutant]) -> str:
    return ", ".join(f"`{mutant.name}`" for mutant in mutants)


def measure(
    mutants: Sequence[Mutant], stories: Sequence[Story], models: Sequence[Model], *, taught: bool, jobs: int
) -> tuple[list[list[Result]], dict[str, list[Tally]]]:
    """All results, by mutant; and by model what was said of the reference merchant."""
    results: list[list[Result]] = []
    false: dict[str, list[Tally]] = {model.name: [] for model in models}
    with ThreadPoolExecutor(jobs) as threads:
        compared = partial(compare, stories=stories, models=models, taught=taught)
        for mutant, found in zip(mutants, threads.map(compared, mutants), strict=True):
            results.append(found)
            caught = [each.model.name for each in found if each.caught]
            print(f"{mutant.name}: {'; '.join(caught) or 'not caught'}", file=sys.stderr, flush=True)
        involved = told_to_any(mutants, stories, taught=taught)
        parts = [involved[start::jobs] for start in range(min(jobs, len(involved)))]
        for part in threads.map(lambda some: list(alarms(some, models)), parts):
            for model, one in part:
                false[model.name].append(one)
    return results, false


def main() -> int:
    said = argparse.ArgumentParser(prog="python -m tests.benchmarks.models", description="Mutants under several fault models.")
    said.add_argument("mutants", nargs="*", metavar="MUTANT", help="only these")
    said.add_argument("--whole", action="store_true", help="every mutant and model: takes a while")
    said.add_argument("--taught", action="store_true", help="also what teaches each mutant: takes hours")
    said.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="mutants at once; a core each by default")
    asked = said.parse_args()
    every = known()
    if unknown := sorted(set(asked.mutants) - every.keys()):
        said.error(f"no mutant called {', '.join(unknown)}; there are: {', '.join(every)}")
    mutants = [every[name] for name in asked.mutants or (every if asked.whole else FEW)]
    models = [model for model in MODELS if asked.whole or model.faults <= FEW_FAULTS]
    stories, _ = sort_out(load_all(), reference())
    began = time.perf_counter()
    results, false = measure(mutants, stories, models, taught=asked.taught, jobs=asked.jobs)
    print(f"{len(mutants)} mutants, with {len(CHANNELS)} sets of channels, {asked.jobs} at once\n")
    print(*table(models, results, false, taught=asked.taught), "\nMissed:\n", sep="\n")
    print(*missed(models, mutants, results), sep="\n")
    print(f"\n{time.perf_counter() - began:,.0f} s")
    return 1 if any(one.oracle for of_model in false.values() for one in of_model) else 0


if __name__ == "__main__":
    sys.exit(main())
