"""At how few faults each mutant of the reference merchant is caught in the simulated world: the table of the smallest k.

A mutant is looked for in what customers and staff do, nothing being broken but by the explorer, with every set of channels: two
stories that everybody plays, and those that teach the mutant, without their faults. Only then are those played whole, for
bugs that no fault of the explorer's brings out: an old webhook replayed, a key that has expired. For such a bug the search
before is kept short.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from gatecrash.harness.channels import CHANNELS
from gatecrash.harness.explore.bound import Bound
from gatecrash.harness.explore.explorer import Interrupted
from gatecrash.harness.explore.fault import Failure, Play, Schedule
from gatecrash.harness.explore.pool import PlayerSpec, Pool
from gatecrash.harness.explore.search import Found, Search
from gatecrash.harness.explore.shrink import shrink
from gatecrash.harness.mutants import Mutant, counts
from gatecrash.harness.story import Story
from gatecrash.harness.variants import in_channels, unbroken
from gatecrash.harness.worlds.simulated.alphabet import LETTERS

#: What every mutant is played, in this order, before anything that is made for it.
WORKLOADS = ("happy-path", "decline-then-other-card")
#: How many faults are tried on a mutant whose stories all do what the explorer cannot.
_SHORT = 1
PLAYER = "gatecrash.harness.worlds.simulated.player:make"


class Plays(Protocol):
    """What hunting asks of a pool."""

    @property
    def room(self) -> bool: ...

    @property
    def busy(self) -> bool: ...

    def submit(self, token: Any, story: str, schedule: Schedule, *, looks: bool = False) -> None: ...

    def results(self, timeout_s: float) -> list[tuple[Any, Play | Failure]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A mutant, and the first run of those with the fewest faults that caught it: `oracle` is empty when none did.

    `schedules` and `seconds` are those until then, in all stories. `whole`: the faults are beside those that the story tells of.
    `unplayed`: stories that could not be played to the mutant, with the reason.
    """

    mutant: Mutant
    story: str = ""
    oracle: str = ""
    message: str = ""
    schedule: tuple[str, ...] = ()
    whole: bool = False
    schedules: int
    seconds: float
    unplayed: tuple[tuple[str, str], ...] = ()

    @property
    def caught(self) -> bool:
        return bool(self.oracle)

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.mutant.name, "bug": self.mutant.bug, "violates": list(self.mutant.violates), "caught": self.caught,
            "schedules": self.schedules, "seconds": round(self.seconds, 3),
            **(
                {
                    "story": self.story, "own_faults": self.whole, "oracle": self.oracle, "message": self.message,
                    "faults": len(self.schedule), "schedule": list(self.schedule),
                }
                if self.caught
                else {"unplayed": [{"story": story, "reason": reason} for story, reason in self.unplayed]}
            ),
        }  # fmt: skip


def workloads(mutant: Mutant, stories: Sequence[Story]) -> tuple[list[Story], list[Story]]:
    """What a mutant is played: first without faults of the story's own, in all channels, then the stories that teach it."""
    teaching = [story for story in stories if mutant.name in story.catches]
    common = [story for name in WORKLOADS for story in stories if story.name == name]
    plain = {story.name: story for story in (*common, *map(unbroken, teaching))}
    return in_channels(plain.values(), CHANNELS), [story for story in teaching if story.name not in plain]


def smallest(
    mutants: Sequence[Mutant], stories: Sequence[Story], *, faults: int, jobs: int = 1,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Row]:  # fmt: skip
    """A row per mutant, in order, with up to so many faults; `jobs` mutants at once, each in a process of its own. Raises
    PlayerFailed, and Interrupted once `stop` says so.
    """
    with ThreadPoolExecutor(jobs) as threads:
        yield from threads.map(partial(_row, stories=stories, faults=faults, stop=stop), mutants)


def _row(mutant: Mutant, stories: Sequence[Story], faults: int, stop: Callable[[], bool]) -> Row:
    if stop():
        raise Interrupted
    plain, whole = workloads(mutant, stories)
    began = time.monotonic()
    with Pool(player_of(mutant, [*plain, *whole])) as pool:
        searches = []
        depth = min(faults, _SHORT) if whole and all(map(_beyond_exploring, whole)) else faults
        for group in (plain, whole):
            fresh = [Search(story.name, Bound(faults=faults)) for story in group]
            searches += fresh
            caught = hunt(pool, fresh, depth, lambda oracle: counts(oracle, mutant.violates), stop)
            if caught is not None:
                break
        seconds = time.monotonic() - began
        schedules = sum(search.schedules for search in searches)
        if caught is None:
            unplayed = tuple((search.story, each.failure.why) for search in searches for each in search.unplayed)
            return Row(mutant=mutant, schedules=schedules, seconds=seconds, unplayed=unplayed)
        search, found = caught
        small = shrink(found.schedule, found.oracle, partial(pool.play, search.story))
    return Row(
        mutant=mutant, story=search.story, oracle=found.oracle, message=small.message or found.message,
        schedule=tuple(map(str, small.schedule)), whole=group is whole, schedules=schedules, seconds=seconds,
    )  # fmt: skip


def _beyond_exploring(story: Story) -> bool:
    """Whether something happens in it that no letter of the explorer's alphabet stands for."""
    rules = [*story.faults, *(step.argument for step in story.steps if step.verb == "break")]
    known = {letter.kind for letter in LETTERS.values()} | {"hang"}  # a delay, without its end
    waits = any(step.verb == "advance" for step in story.steps)
    return waits or bool(story.shop) or any(rule["kind"] not in known for rule in rules)


def player_of(mutant: Mutant, stories: Sequence[Story]) -> PlayerSpec:
    """Who plays these stories to a mutant."""
    documents = {story.name: story.document for story in stories}
    return PlayerSpec(PLAYER, {"profile_path": "", "stories": documents, "mutant": mutant.name})


def hunt(
    pool: Plays, searches: Sequence[Search], faults: int, objects: Callable[[str], bool], stop: Callable[[], bool] = lambda: False
) -> tuple[Search, Found] | None:
    """Plays all schedules, those of fewer faults first and the searches in order, until one is objected to by an oracle that
    counts: what was found, and by which search. Raises Interrupted once `stop` says so.
    """
    hits = ((search, _hit(pool, search, size, objects, stop)) for size in range(faults + 1) for search in searches)
    return next(((search, found) for search, found in hits if found is not None), None)


def _hit(pool: Plays, search: Search, size: int, objects: Callable[[str], bool], stop: Callable[[], bool]) -> Found | None:
    """Plays on all schedules of up to so many faults, until one is objected to."""
    found: Found | None = None
    while True:
        if stop():
            raise Interrupted
        while found is None and pool.room and (taken := search.take(size)) is not None:
            pool.submit(taken[0], search.story, taken[1], looks=search.looks(taken[1]))
        if not pool.busy:
            return found
        for number, play in pool.results(1.0):
            if found is None:  # what was given out beyond it does not count
                search.give(number, play)
                found = next((each for each in search.found.values() if objects(each.oracle)), None)
