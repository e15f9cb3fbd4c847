"""Drives an exploration: all stories in turn, over all processes, exhaustively and then at random; and shrinks what it found."""

import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from gatecrash.harness.explore.bound import Bound
from gatecrash.harness.explore.checkpoint import Checkpoint, Restored
from gatecrash.harness.explore.fault import Failure, Play, Point, Schedule
from gatecrash.harness.explore.pool import PlayerFailed, Pool
from gatecrash.harness.explore.progress import Progress, Rate
from gatecrash.harness.explore.search import Search
from gatecrash.harness.explore.shrink import Shrunk, shrink
from gatecrash.harness.explore.swarm import Swarm, swarm

#: How often is told how far it has come, and how often that is kept. Keeping takes its time: no more than a part of the whole.
_TELL_S = 0.25
_KEEP_S = 5.0
_KEEPING_PART = 0.05


class Interrupted(Exception):
    """Somebody asked to stop."""


@dataclass(slots=True, kw_only=True)
class Exploration:
    """What it came to, as it grows, whatever ends it.

    `shrunk` is by story and oracle; `seconds` of real time, with those before a resume.
    """

    bound: Bound
    searches: dict[str, Search]
    shrunk: dict[tuple[str, str], Shrunk]
    swarm: Swarm | None = None
    interrupted: bool = False
    crash: str = ""  #: the traceback, where Gatecrash itself failed on the way
    seconds: float = 0.0


class Explorer:
    """`tell` hears how far it has come, a few times a second; `stop` is asked as often whether to go on."""

    def __init__(
        self,
        pool: Pool,
        bound: Bound,
        *,
        checkpoint: Checkpoint | None = None,
        tell: Callable[[Progress], None] = lambda progress: None,
        stop: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
        told_every_s: float = _TELL_S,
    ) -> None:
        self._pool, self._bound, self._checkpoint = pool, bound, checkpoint
        self._tell, self._stop, self._clock = tell, stop, clock
        self._rate = Rate(clock)
        self._told_every_s = told_every_s
        self._told = self._kept = float("-inf")
        self._keeping = 0.0  # how long it took the last time

    def explore(
        self, stories: Sequence[str], *, resumed: Restored | None = None, swarm_s: float = 0.0, seed: int = 0
    ) -> Exploration:
        """All of it, or what is there when it is interrupted or fails; kept in the checkpoint as well. Raises PlayerFailed where
        nothing was played yet.
        """
        searches = {name: Search(name, self._bound) for name in stories}
        found = Exploration(bound=self._bound, searches=searches | (resumed.searches if resumed else {}), shrunk={})
        before = resumed.seconds if resumed else 0.0
        self._kept = began = self._clock()
        try:
            self._exhaust(found, lambda: before + self._clock() - began)
            if swarm_s > 0:
                self._swarm(found, swarm_s, seed)
            self._shrink(found)
        except Interrupted:
            found.interrupted = True
        except Exception as error:
            if isinstance(error, PlayerFailed) and not any(search.schedules for search in searches.values()):
                raise
            found.crash = traceback.format_exc()
        found.seconds = before + self._clock() - began
        if self._checkpoint is not None:
            self._checkpoint.save(found.searches, self._bound, found.seconds)
        return found

    def _exhaust(self, found: Exploration, seconds: Callable[[], float]) -> None:
        turns = deque(search for search in found.searches.values() if not search.done)
        while turns:
            self._fill(turns)
            for (search, number), play in self._pool.results(_TELL_S):
                search.give(number, play)
            turns = deque(search for search in turns if not search.done)
            self._report("exploring", found)
            self._keep(found, seconds)
        while self._pool.busy:  # what was given out of stories that have ended since
            self._pool.results(_TELL_S)
            self._report("exploring", found)

    def _fill(self, turns: "deque[Search]") -> None:
        """Gives every process enough to play, from each story in turn."""
        idle = 0
        while idle < len(turns) and self._pool.room:
            search = turns[0]
            turns.rotate(-1)
            taken = search.take()
            idle = idle + 1 if taken is None else 0
            if taken is not None:
                number, schedule = taken
                self._pool.submit((search, number), search.story, schedule, looks=search.looks(schedule))

    def _swarm(self, found: Exploration, seconds: float, seed: int) -> None:
        began = self._clock()
        roots: dict[str, Sequence[Point]] = {}
        for name, search in found.searches.items():
            play = self._play(name, ()) if search.schedules else None
            if isinstance(play, Play):
                roots[name] = play.reached

        def go_on(so_far: Swarm) -> bool:
            found.swarm = so_far
            so_far.seconds = self._clock() - began
            self._report("swarming", found, left_s=seconds - so_far.seconds)
            return so_far.seconds < seconds

        found.swarm = swarm(self._pool, roots, self._bound, seed=seed, go_on=go_on)

    def _shrink(self, found: Exploration) -> None:
        """What each oracle objected to first in each story: found by exhausting if it was, else in the swarm."""
        wanted = {(name, each.oracle): each.schedule for name, search in found.searches.items() for each in search.found.values()}
        if found.swarm is not None:
            wanted = {key: met.schedule for key, met in found.swarm.met.items()} | wanted
        for (story, oracle), schedule in wanted.items():
            found.shrunk[story, oracle] = shrink(schedule, oracle, partial(self._play, story))
            self._report("shrinking", found)

    def _play(self, story: str, schedule: Schedule) -> Play | Failure:
        if self._stop():
            raise Interrupted
        return self._pool.play(story, schedule)

    def _report(self, doing: str, found: Exploration, left_s: float | None = None) -> None:
        """Raises Interrupted."""
        if self._stop():
            raise Interrupted
        now = self._clock()
        if now - self._told < self._told_every_s:
            return
        self._told = now
        searches = found.searches.values()
        done = sum(search.schedules for search in searches) + (found.swarm.schedules if found.swarm else 0)
        left, rate = sum(search.estimate() for search in searches), self._rate(done)
        violations = {(search.story, oracle) for search in searches for oracle in search.found}
        violations |= set(found.swarm.met) if found.swarm else set()
        eta_s = left_s if left_s is not None else left / rate if rate else None
        stories_done = sum(search.done for search in searches)
        self._tell(Progress(doing, done, left, rate, eta_s, stories_done, len(searches), len(violations)))

    def _keep(self, found: Exploration, seconds: Callable[[], float]) -> None:
        now = self._clock()
        if self._checkpoint is None or now - self._kept < max(_KEEP_S, self._keeping / _KEEPING_PART):
            return
        self._checkpoint.save(found.searches, self._bound, seconds())
        self._kept, self._keeping = self._clock(), self._clock() - now
