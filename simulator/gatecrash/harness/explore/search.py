"""One story's way through its schedules: breadth first, pruned by state, the same however many play at once.

A play that comes into a state which another has come through before it, with as few faults or fewer, is pursued up to there and
no further: what could strike from there on strikes the other one as well. Two states are the same if they look the same *and*
both plays then came by the same points to the same end: a digest that leaves out something on which the run without another
fault depends costs time, and hides nothing.

What was given out comes back in any order, and counts in the order in which it was given out. So every figure, and which of two
schedules with the same state is pursued, follows from the story alone.
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

from gatecrash.harness.explore.bound import Bound
from gatecrash.harness.explore.fault import Failure, Fault, Play, Schedule

#: A story that cannot be played so many times is given up.
FAILURES_MAX = 3
#: How many schedules are told by name where many went the same wrong way.
EXAMPLES_MAX = 3
#: Children of a schedule, before any has been seen.
_CHILDREN_GUESS = 15.0

# what a search keeps as it is, and as counts
_PLAIN = ("schedules", "pruned", "seconds", "diverged", "nondeterministic", "stopped", "clashes", "_trace")
_COUNTERS = ("kinds_fired", "_left", "_played", "_children")


@dataclass(slots=True)
class Found:
    """The first schedule that an oracle objected to: what it said, the how-manieth play it was, and how many followed."""

    oracle: str
    message: str
    schedule: Schedule
    number: int
    schedules: int = 1


class Unplayed(NamedTuple):
    schedule: Schedule
    failure: Failure


class Search:
    """`take` gives out what is to be played next, `give` brings the play back."""

    def __init__(self, story: str, bound: Bound) -> None:
        self.story = story
        self.bound = bound
        self.schedules = 0
        self.pruned = 0  #: plays that came into a state known before
        self.seconds = 0.0  #: of playing, summed over all processes
        self.kinds_fired: Counter[str] = Counter()
        self.kinds_offered: set[str] = set()
        self.found: dict[str, Found] = {}  #: by oracle
        self.diverged = 0  #: plays in which not all faults struck
        self.diverged_examples: list[Schedule] = []
        self.unplayed: list[Unplayed] = []
        self.nondeterministic = False  #: the fault-free run was played twice, and differed
        self.stopped = False  #: ended before its schedules did: by `first_only`, or because it cannot be played
        self.clashes = 0  #: times that a state was called as one before and had another future
        self._trace: str | None = None  # of the fault-free run
        self._futures: dict[str, set[str]] = {}  # of each state that was come through
        self._waiting: deque[Schedule] = deque([(), ()])  # the fault-free run twice: is it the same?
        self._out: dict[int, Schedule] = {}  # given out, by number; in order
        self._back: dict[int, Play | Failure] = {}  # came back before its turn
        self._taken = self._counted = 0
        self._left = Counter({0: 2})  # not counted yet, by how many faults they have
        self._played: Counter[int] = Counter()
        self._children: Counter[int] = Counter()
        self._interned: dict[Fault, Fault] = {}

    @property
    def done(self) -> bool:
        return not self._waiting and not self._out

    @property
    def unplayable(self) -> Failure | None:
        """Why it cannot be played even when nothing strikes."""
        return self.unplayed[0].failure if self.unplayed and not self.unplayed[0].schedule else None

    @property
    def states(self) -> int:
        """How many different ones the faults struck from."""
        return len(self._futures)

    @property
    def pending(self) -> list[Schedule]:
        """What has not been counted yet, in order."""
        return [*self._out.values(), *self._waiting]

    def take(self, faults: int | None = None) -> tuple[int, Schedule] | None:
        """A number and the schedule to be played under it; None when there is nothing to play now, or nothing with at most so
        many faults.
        """
        if not self._waiting or (faults is not None and len(self._waiting[0]) > faults):
            return None
        number, schedule = self._taken, self._waiting.popleft()
        self._out[number] = schedule
        self._taken += 1
        return number, schedule

    def looks(self, schedule: Schedule) -> bool:
        """Whether the play of a schedule is to say what states it came through: those that are the last ones need not."""
        return len(schedule) < self.bound.faults

    def give(self, number: int, play: Play | Failure) -> None:
        if number not in self._out:
            return  # the story has ended meanwhile
        self._back[number] = play
        while self._counted in self._back:
            number, self._counted = self._counted, self._counted + 1
            schedule = self._out.pop(number)
            self._left[len(schedule)] -= 1
            self._count(schedule, self._back.pop(number))

    def estimate(self) -> float:
        """About how many schedules are left: those that are known, and the children they may have."""
        under = 1.0
        left = float(self._left[self.bound.faults])
        for faults in reversed(range(self.bound.faults)):
            under = 1 + self._branching(faults) * under
            left += self._left[faults] * under
        return left

    def memory(self) -> dict[str, Any]:
        """All of it as JSON; faults are told once, and numbered."""
        table: dict[Fault, int] = {}

        def numbers(schedule: Schedule) -> list[int]:
            return [table.setdefault(fault, len(table)) for fault in schedule]

        return {
            **{name: getattr(self, name) for name in _PLAIN},
            **{name: dict(getattr(self, name)) for name in _COUNTERS},
            "kinds_offered": sorted(self.kinds_offered),
            "futures": {state: sorted(futures) for state, futures in self._futures.items()},
            "found": [
                [each.oracle, each.message, numbers(each.schedule), each.number, each.schedules] for each in self.found.values()
            ],
            "diverged_examples": list(map(numbers, self.diverged_examples)),
            "unplayed": [[numbers(each.schedule), *each.failure] for each in self.unplayed],
            "pending": list(map(numbers, self.pending)),
            "faults": list(map(str, table)),
        }  # fmt: skip

    @classmethod
    def remembered(cls, story: str, bound: Bound, memory: Mapping[str, Any]) -> "Search":
        """The reverse of `memory`."""
        search = cls(story, bound)
        faults = [Fault.parse(text) for text in memory["faults"]]
        search._interned = {fault: fault for fault in faults}

        def schedule(numbers: Sequence[int]) -> Schedule:
            return tuple(faults[number] for number in numbers)

        for name in _PLAIN:
            setattr(search, name, memory[name])
        for name in _COUNTERS:
            counts = memory[name]
            setattr(search, name, Counter({int(key) if key.isdigit() else key: value for key, value in counts.items()}))
        search.kinds_offered = set(memory["kinds_offered"])
        search._futures = {state: set(futures) for state, futures in memory["futures"].items()}
        search.found = {
            oracle: Found(oracle, message, schedule(numbers), number, schedules)
            for oracle, message, numbers, number, schedules in memory["found"]
        }
        search.diverged_examples = list(map(schedule, memory["diverged_examples"]))
        search.unplayed = [Unplayed(schedule(numbers), Failure(why, detail)) for numbers, why, detail in memory["unplayed"]]
        search._waiting = deque(map(schedule, memory["pending"]))
        return search

    def _branching(self, faults: int) -> float:
        known = max((each for each in self._played if each <= faults and self._played[each]), default=None)
        return _CHILDREN_GUESS if known is None else self._children[known] / self._played[known]

    def _count(self, schedule: Schedule, play: Play | Failure) -> None:
        if isinstance(play, Failure):
            self.unplayed.append(Unplayed(schedule, play))
            if len(self.unplayed) == FAILURES_MAX or not schedule:
                self._stop()
            return
        self.seconds += play.seconds
        if not schedule:
            if self._trace is not None:
                self.nondeterministic = play.trace != self._trace
                return
            self._trace = play.trace
        self.schedules += 1
        self.kinds_fired.update(fault.kind for fault in play.fired)
        self.kinds_offered.update(*{point.kinds for point in play.reached})
        for oracle in dict.fromkeys(oracle for oracle, _ in play.violations):
            if oracle in self.found:
                self.found[oracle].schedules += 1
            else:
                message = next(message for each, message in play.violations if each == oracle)
                self.found[oracle] = Found(oracle, message, play.fired, self.schedules)
        if play.fired != schedule:
            self.diverged += 1
            self.diverged_examples = [*self.diverged_examples, schedule][:EXAMPLES_MAX]
        elif len(schedule) < self.bound.faults:
            self._expand(schedule, play)
        if self.found and self.bound.first_only:
            self._stop()

    def _expand(self, schedule: Schedule, play: Play) -> None:
        """The children: one fault more, strictly after the last that struck, and before it comes into a state that is known."""
        before = len(self._waiting)
        shard = None if schedule else self.bound.shard
        for point in play.reached[play.last + 1 : self._known_from(play)]:
            for kind in point.kinds:
                fault = Fault(point.label, point.occurrence, kind)
                if self.bound.allows(kind) and (shard is None or shard.has(self.story, fault)):
                    self._waiting.append((*schedule, self._interned.setdefault(fault, fault)))
        children = len(self._waiting) - before
        self._left[len(schedule) + 1] += children
        self._children[len(schedule)] += children
        self._played[len(schedule)] += 1

    def _known_from(self, play: Play) -> int:
        """The index of the point from which on everything is known; those before it are known from now on."""
        futures = _futures(play)
        index, fresh = play.last + 1, []
        while index < len(play.reached):
            if state := play.states[index]:
                known = self._futures.get(state, ())
                if futures[index] not in known:
                    self.clashes += bool(known)
                elif self.bound.prune:
                    self.pruned += 1
                    break
                fresh.append((state, futures[index]))
            index += 1
        for state, future in fresh:
            self._futures.setdefault(state, set()).add(future)
        return index

    def _stop(self) -> None:
        self.stopped = True
        self._waiting.clear()
        self._out.clear()
        self._back.clear()
        self._left.clear()


def _futures(play: Play) -> list[str]:
    """From each point on, what a run offers and what the oracles say of it when nothing else strikes."""
    said = ",".join(sorted({oracle for oracle, _ in play.violations}))
    futures = []
    for point in reversed(play.reached):
        said = blake2b(f"{point.label}|{','.join(point.kinds)}|{said}".encode(), digest_size=8).hexdigest()
        futures.append(said)
    return futures[::-1]
