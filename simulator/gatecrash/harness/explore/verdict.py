"""What an exploration proved, and what it did not: never more than was played, with the bound in words."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gatecrash.counted import counted
from gatecrash.harness.blind_spots import BlindSpot
from gatecrash.harness.explore.bound import Bound
from gatecrash.harness.explore.explorer import Exploration
from gatecrash.harness.explore.fault import Failure, Schedule, in_words
from gatecrash.harness.explore.search import Search
from gatecrash.harness.explore.shrink import Shrunk

PROVED, HELD, VIOLATED, UNFINISHED = "proved", "held", "violated", "unfinished"
#: Why a proof is incomplete.
INTERRUPTED, CRASHED = "interrupted", "Gatecrash itself failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterexample:
    """What an oracle objected to: the smallest schedule that was found of it, and the one that it was found with.

    `number` says the how-manieth schedule of its story that was; None when the swarm found it, in walk `walk`. `schedules` counts
    those that the oracle objected to, `plays` what shrinking took.
    """

    oracle: str
    message: str
    schedule: Schedule
    found_with: Schedule
    number: int | None
    walk: int | None
    schedules: int
    plays: int

    def as_json(self) -> dict[str, Any]:
        return {
            "oracle": self.oracle,
            "message": self.message,
            "schedule": list(map(str, self.schedule)),
            "found_with": list(map(str, self.found_with)),
            "number": self.number,
            "walk": self.walk,
            "schedules": self.schedules,
            "shrinking_plays": self.plays,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryVerdict:
    """`doubts` are the reasons why nothing is proved although nothing was violated. `clashes`: how often a state looked like one
    before and went on otherwise. `unplayable`: why not even the run without a fault could be played, where it could not.
    """

    name: str
    bound: Bound
    schedules: int
    states: int
    pruned: int
    kinds_fired: Mapping[str, int]
    never_fired: Sequence[str]
    diverged: int
    unplayed: int
    left: int
    seconds: float
    violations: tuple[Counterexample, ...]
    doubts: tuple[str, ...]
    clashes: int
    unplayable: Failure | None

    @property
    def verdict(self) -> str:
        if self.violations:
            return VIOLATED
        if self.doubts:
            return UNFINISHED
        return PROVED if self.bound.shard.of == 1 else HELD

    def in_words(self) -> str:
        """`proved: happy-path, kinds crash, lost, up to 2 faults, 203 schedules, 131 states`."""
        kinds = f"kinds {', '.join(self.kinds_fired)}" if self.kinds_fired else "no faults"
        faults = counted(self.bound.faults, "fault")
        size = f"{counted(self.schedules, 'schedule')}, {counted(self.states, 'state')}"
        shard = f", shard {self.bound.shard}" if self.bound.shard.of > 1 else ""
        said = "not proved" if self.verdict == UNFINISHED else self.verdict
        return f"{said}: {self.name}, {kinds}, up to {faults}, {size}{shard}" + "".join(f"; {doubt}" for doubt in self.doubts)

    def briefly(self) -> str:
        """The same in a line of a list, whose last lines tell the rest of the bound: `happy-path  203 schedules  131 states`."""
        columns = f"{self.name:<32} {_column(self.schedules, 'schedule')} {_column(self.states, 'state')}".rstrip()
        return columns + "".join(f"; {doubt}" for doubt in self.doubts)

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "verdict": self.verdict,
            "bound": self.in_words(),
            "schedules": self.schedules,
            "states": self.states,
            "max_faults": self.bound.faults,
            "kinds_fired": dict(self.kinds_fired),
            "never_fired": list(self.never_fired),
            "faults_fired": sum(self.kinds_fired.values()),
            "pruned": self.pruned,
            "diverged": self.diverged,
            "unplayed": self.unplayed,
            "left": self.left,
            "seconds": round(self.seconds, 3),
            "violations": [each.as_json() for each in self.violations],
            "doubts": list(self.doubts),
            "clashes": self.clashes,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Of all stories. `left_out` are stories that were not explored, with the reason. `never_fired` are kinds that were asked
    for, or offered somewhere, and struck in no story. `not_judged` is what no story can show of this merchant.
    """

    merchant: str
    bound: Bound
    seed: int
    stories: tuple[StoryVerdict, ...]
    left_out: tuple[tuple[str, str], ...]
    not_judged: tuple[BlindSpot, ...] = ()
    never_fired: tuple[str, ...]
    swarm: Mapping[str, Any] | None
    interrupted: bool
    seconds: float
    crash: str = ""  #: the traceback, where Gatecrash itself failed on the way

    @property
    def incomplete(self) -> str:
        """Why it is not the whole proof; nothing where it is."""
        return INTERRUPTED if self.interrupted else CRASHED if self.crash else ""

    @property
    def verdict(self) -> str:
        verdicts = {story.verdict for story in self.stories}
        if VIOLATED in verdicts:
            return VIOLATED
        if not self.stories or UNFINISHED in verdicts or self.crash:
            return UNFINISHED
        return HELD if HELD in verdicts else PROVED

    @property
    def finished(self) -> bool:
        """Whether it comes to something: held, proved, violated."""
        return self.verdict != UNFINISHED

    @property
    def totals(self) -> dict[str, Any]:
        fired: Counter[str] = Counter()
        for story in self.stories:
            fired.update(story.kinds_fired)
        return {
            "stories": len(self.stories),
            "schedules": sum(story.schedules for story in self.stories),
            "states": sum(story.states for story in self.stories),
            "max_faults": self.bound.faults,
            "kinds_fired": dict(sorted(fired.items())),
            "never_fired": list(self.never_fired),
            "pruned": sum(story.pruned for story in self.stories),
            "diverged": sum(story.diverged for story in self.stories),
            "unplayed": sum(story.unplayed for story in self.stories),
            "left": sum(story.left for story in self.stories),
            "seconds": round(self.seconds, 3),
            "violations": sum(len(story.violations) for story in self.stories),
        }

    def as_json(self) -> dict[str, Any]:
        return {
            "merchant": self.merchant,
            "world": "simulated",
            "seed": self.seed,
            "bound": dict(self.bound.as_json()),
            "stories": [
                *(story.as_json() for story in self.stories),
                *({"name": name, "verdict": "left out", "violations": [], "reason": reason} for name, reason in self.left_out),
            ],
            **(
                {"not_judged": [{"oracle": code, "reason": each.reason} for each in self.not_judged for code in each.oracles]}
                if self.not_judged
                else {}
            ),
            "totals": self.totals,
            "swarm": self.swarm,
            "interrupted": self.interrupted,
            **({"incomplete": self.incomplete} if self.incomplete else {}),
            "seconds": round(self.seconds, 3),
            "verdict": self.verdict,
        }

    def in_words(self) -> list[str]:
        """The last lines: what it comes to, and what it does not."""
        totals, stories = self.totals, counted(len(self.stories), "story", "stories")
        wrong = sum(story.verdict == VIOLATED for story in self.stories)
        proved = sum(story.verdict in (PROVED, HELD) for story in self.stories)
        said = {
            VIOLATED: f"violated in {wrong} of {stories}",
            UNFINISHED: f"not proved in {len(self.stories) - proved} of {stories}",
            HELD: f"held in {proved} of {stories}, in shard {self.bound.shard}: proved once every shard has held",
            PROVED: f"proved in {proved} of {stories}",
        }[self.verdict]
        left_out = f"; {len(self.left_out)} left out" if self.left_out else ""
        codes = [code for each in self.not_judged for code in each.oracles]
        blind = f"; not judged: {', '.join(codes)}" if codes else ""
        incomplete = f"INCOMPLETE, {self.incomplete}: " if self.incomplete else ""
        lines = [f"{incomplete}{self.merchant}: {said}, {self.size_in_words()}, {self.seconds:.0f} s{left_out}{blind}."]
        if totals["kinds_fired"]:
            lines.append("Struck: " + ", ".join(f"{kind} {count:,}×" for kind, count in totals["kinds_fired"].items()) + ".")
        lines += self.not_judged_in_words()
        if self.never_fired:
            where = "" if self.bound.shard.of == 1 else " in this shard"
            lines.append(f"Never struck{where}, so nothing is proved about it: {', '.join(self.never_fired)}.")
        if pruned := totals["pruned"]:
            clashes = sum(story.clashes for story in self.stories)
            but = f"; {counted(clashes, 'time')} a state only looked like one before, and was explored, too" if clashes else ""
            lines.append(f"{counted(pruned, 'run')} came into a state that was explored already, and ended there{but}.")
        if self.swarm is not None:
            lines.append(
                f"Beyond that, {counted(self.swarm['schedules'], 'random schedule')} of up to "
                f"{counted(self.swarm['max_faults'], 'fault')} in {self.swarm['seconds']:.0f} s, seed {self.swarm['seed']}."
            )
        return lines

    def not_judged_in_words(self) -> list[str]:
        """A line for each reason why oracles are blind."""
        return [f"Not judged: {', '.join(each.oracles)}: {each.reason}." for each in self.not_judged]

    def size_in_words(self, of: str = "") -> str:
        """`up to 2 faults of 19 kinds, 203 schedules, 131 states`; `of` stands behind the kinds."""
        totals = self.totals
        faults, kinds = counted(self.bound.faults, "fault"), counted(len(totals["kinds_fired"]), "kind")
        played = f"{counted(totals['schedules'], 'schedule')}, {counted(totals['states'], 'state')}"
        return f"up to {faults} of {kinds}{of}, {played}"


def verdict(
    found: Exploration,
    *,
    merchant: str,
    seed: int = 0,
    left_out: Sequence[tuple[str, str]] = (),
    not_judged: Sequence[BlindSpot] = (),
    alphabet: Iterable[str] = (),
) -> Verdict:
    """`alphabet` are the kinds that there are, also those that no point has offered."""
    searches = found.searches.values()
    asked = found.bound.kinds
    fired = {kind for search in searches for kind in search.kinds_fired}
    offered = {*alphabet, *(kind for search in searches for kind in search.kinds_offered)} if asked is None else asked
    return Verdict(
        merchant=merchant,
        bound=found.bound,
        seed=seed,
        stories=tuple(_story(search, found) for search in searches),
        left_out=tuple(left_out),
        not_judged=tuple(not_judged),
        never_fired=tuple(sorted(offered - fired)) if found.bound.faults else (),
        swarm=_swarm(found),
        interrupted=found.interrupted,
        crash=found.crash,
        seconds=found.seconds,
    )


def _story(search: Search, found: Exploration) -> StoryVerdict:
    fired = search.kinds_fired
    return StoryVerdict(
        name=search.story,
        bound=found.bound,
        schedules=search.schedules,
        states=search.states,
        pruned=search.pruned,
        kinds_fired=dict(sorted(fired.items())),
        never_fired=sorted(kind for kind in search.kinds_offered if found.bound.allows(kind) and kind not in fired),
        diverged=search.diverged,
        unplayed=len(search.unplayed),
        left=round(search.estimate()),
        seconds=search.seconds,
        violations=_counterexamples(search, found),
        doubts=tuple(_doubts(search)),
        clashes=search.clashes,
        unplayable=search.unplayable,
    )


def _counterexamples(search: Search, found: Exploration) -> tuple[Counterexample, ...]:
    walks = found.swarm.met.values() if found.swarm else ()
    met = {each.oracle: each for each in walks if each.story == search.story}
    examples = []
    for oracle in (*search.found, *(oracle for oracle in met if oracle not in search.found)):
        first = search.found.get(oracle)
        origin = first or met[oracle]
        small = found.shrunk.get((search.story, oracle), Shrunk(origin.schedule, origin.message, 0, False))
        kept = small if small.confirmed else Shrunk(origin.schedule, origin.message, small.plays, False)
        examples.append(
            Counterexample(
                oracle=oracle, message=kept.message, schedule=kept.schedule, found_with=origin.schedule,
                number=first.number if first else None, walk=None if first else met[oracle].walk,
                schedules=first.schedules if first else 1, plays=kept.plays,
            )
        )  # fmt: skip
    return tuple(examples)


def _doubts(search: Search) -> list[str]:
    doubts = []
    if search.unplayable:
        return [f"it cannot be played when nothing strikes: {search.unplayable.why}"]
    if not search.done:
        doubts.append(f"about {counted(round(search.estimate()), 'schedule')} left to play")
    if search.nondeterministic:
        doubts.append("two runs without a fault were not the same: something in it is not simulated")
    if search.diverged:
        first = in_words(search.diverged_examples[0])
        doubts.append(f"in {counted(search.diverged, 'schedule')} not every fault struck, such as {first}")
    if search.unplayed:
        doubts.append(f"{counted(len(search.unplayed), 'schedule')} could not be played: {search.unplayed[0].failure.why}")
        if search.stopped:
            doubts.append("so the story was given up")
    return doubts


def _column(number: int, thing: str) -> str:
    figure, _, things = counted(number, thing).partition(" ")
    return f"{figure:>8} {things:<{len(thing) + 1}}"


def _swarm(found: Exploration) -> dict[str, Any] | None:
    if found.swarm is None:
        return None
    swarm = found.swarm
    return {
        "seed": swarm.seed,
        "walks": swarm.walks,
        "schedules": swarm.schedules,
        "max_faults": swarm.max_faults,
        "kinds_fired": dict(sorted(swarm.kinds_fired.items())),
        "unplayed": swarm.unplayed,
        "violations": len(swarm.met),
        "seconds": round(swarm.seconds, 3),
    }
