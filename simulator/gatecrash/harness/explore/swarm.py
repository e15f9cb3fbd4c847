"""Beyond the bound: walks of random faults, as long as time allows. A walk follows from its seed and number alone.

A walk begins with one fault more than the bound, at points of the fault-free run; then each play says what can be reached from
there, and the next adds a fault to it.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from gatecrash.harness.explore.bound import Bound
from gatecrash.harness.explore.fault import Failure, Fault, Play, Point, Schedule
from gatecrash.harness.explore.pool import Pool

#: A walk ends at most so many faults beyond the bound.
BEYOND_MAX = 4


@dataclass(frozen=True, slots=True)
class Met:
    """What a walk met first that an oracle objected to."""

    walk: int
    story: str
    oracle: str
    message: str
    schedule: Schedule


@dataclass(slots=True, kw_only=True)
class Swarm:
    """What the walks came to. `met` is by story and oracle; of several walks, the one of the lowest number."""

    seed: int
    walks: int = 0
    schedules: int = 0
    seconds: float = 0.0
    max_faults: int = 0
    kinds_fired: Counter[str] = field(default_factory=Counter)
    unplayed: int = 0
    met: dict[tuple[str, str], Met] = field(default_factory=dict)

    def count(self, walk: "Walk", play: Play) -> None:
        self.schedules += 1
        self.max_faults = max(self.max_faults, len(play.fired))
        self.kinds_fired.update(fault.kind for fault in play.fired)
        for oracle, message in play.violations:
            known = self.met.get((walk.story, oracle))
            if known is None or walk.number < known.walk:
                self.met[walk.story, oracle] = Met(walk.number, walk.story, oracle, message, play.fired)


class Walk:
    """`schedule` is what to play next; `go_on` says whether there is a next one."""

    def __init__(self, seed: int, number: int, story: str, bound: Bound, reached: Sequence[Point]) -> None:
        self.number, self.story, self._bound = number, story, bound
        self._random = Random(f"{seed}/{number}/{story}")  # noqa: S311 - not for secrets
        self._most = bound.faults + self._random.randint(1, BEYOND_MAX)
        points = [point for point in reached if any(map(bound.allows, point.kinds))]
        chosen = sorted(self._random.sample(range(len(points)), min(bound.faults + 1, len(points))))
        self.schedule: Schedule = tuple(self._fault(points[index]) for index in chosen)

    def go_on(self, play: Play) -> bool:
        ahead = [point for point in play.reached[play.last + 1 :] if any(map(self._bound.allows, point.kinds))]
        if len(play.fired) >= self._most or not ahead:
            return False
        self.schedule = (*play.fired, self._fault(self._random.choice(ahead)))
        return True

    def _fault(self, point: Point) -> Fault:
        kinds = [kind for kind in point.kinds if self._bound.allows(kind)]
        return Fault(point.label, point.occurrence, self._random.choice(kinds))


def swarm(
    pool: Pool,
    roots: Mapping[str, Sequence[Point]],
    bound: Bound,
    *,
    seed: int,
    go_on: Callable[[Swarm], bool],
) -> Swarm:
    """Walks through the stories in turn, until `go_on` says no; `roots` has what the fault-free run of each reached."""
    found = Swarm(seed=seed)
    stories = [name for name, reached in roots.items() if any(bound.allows(kind) for point in reached for kind in point.kinds)]
    number = bound.shard.number - 1
    going = bool(stories)
    while (going := going and go_on(found)) or pool.busy:
        while going and pool.room:
            story = stories[number // bound.shard.of % len(stories)]
            walk = Walk(seed, number, story, bound, roots[story])
            pool.submit(walk, story, walk.schedule)
            number += bound.shard.of
            found.walks += 1
        for walk, play in pool.results(0.1):
            if isinstance(play, Failure):
                found.unplayed += 1
                continue
            found.count(walk, play)
            if walk.go_on(play):
                pool.submit(walk, walk.story, walk.schedule)
    return found
