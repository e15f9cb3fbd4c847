"""A payment small enough to know the whole truth about: a shop, a gateway, one state, no clock.

`truth` tries everything without any of what is tested here: it follows the state itself down every branch.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from gatecrash.harness.explore.fault import Fault, Play, Point, Schedule

TRIES_MAX = 4

#: where → what can go wrong there, simplest first
KINDS = {
    "merchant commit": ("crash",),
    "charges.create": ("lost request", "lost answer"),
    "webhook charge.succeeded": ("lost", "twice"),
}
STORIES = ("once", "twice")


@dataclass(frozen=True)
class State:
    """`at` is the label of the next point; empty at the end. `keys` are charged at the gateway."""

    at: str = "merchant commit"
    orders: int = 1
    key: int = 0
    tries: int = 0
    keys: tuple[int, ...] = ()
    hooks: int = 0
    paid: int = 0
    crashed: bool = False
    past: tuple[tuple[str, str], ...] = ()  # what was wrong with the orders before


def after(state: State, kind: str | None, bug: str) -> State:
    """What follows when this kind of fault strikes at the point, or none."""
    if state.at == "merchant commit":
        if kind == "crash":
            return replace(state, crashed=True)
        key = state.key + 1 if bug == "new key after a crash" and state.crashed and state.keys else state.key
        return replace(state, at="charges.create", key=key)
    if state.at == "charges.create":
        tries, key = state.tries + 1, state.key
        keys = state.keys if kind == "lost request" or key in state.keys else (*state.keys, key)
        if kind is None or tries == TRIES_MAX:
            return replace(state, at="webhook charge.succeeded", keys=keys, tries=tries)
        if bug in ("new key when the answer is lost", "a parcel for each charge") or (
            bug == "new key at the third try" and tries == 2
        ):
            key += 1
        return replace(state, at="merchant commit", keys=keys, tries=tries, key=key)
    hooks = {"lost": 0, "twice": 2}.get(kind or "", 2 if bug == "always twice" else 1)
    paid = state.paid + (hooks if bug in ("no dedupe", "always twice") else min(hooks, 1))
    paid = max(paid, 0 if bug == "webhook alone" else 1)
    if bug == "a parcel for each charge":
        paid = max(paid, len(state.keys))
    state = replace(state, at="", hooks=hooks, paid=paid)
    return State(orders=state.orders - 1, past=violations(state)) if state.orders > 1 else state


def violations(state: State) -> tuple[tuple[str, str], ...]:
    found = list(state.past)
    if len(state.keys) > 1:
        found.append(("S1", f"charged {len(state.keys)} times"))
    if state.paid > 1:
        found.append(("S4", f"fulfilled {state.paid} times"))
    if state.keys and not state.paid:
        found.append(("L1", "charged, never paid"))
    return tuple(found)


def digest(*parts: object) -> str:
    return blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def begin(story: str) -> State:
    return State(orders=2 if story == "twice" else 1)


class Toy:
    """`lame` is the text of a schedule at which it fails, and `how`: hang, die or raise. At one of three faults it touches `gate`
    and goes no further. A `forgetful` one is never the same.
    """

    def __init__(
        self, bug: str = "", lame: str = "", how: str = "", forgetful: bool = False, gate: str = "", tells: bool = False
    ) -> None:
        self.bug, self.lame, self.how, self.forgetful = bug, lame, how, forgetful
        self.gate, self.tells = gate, tells
        self.plays = 0

    def play(self, story: str, schedule: Schedule, looks: bool = False) -> Play:
        self.plays += 1
        if self.gate and len(schedule) == 3:
            Path(self.gate).touch()
            self._fail("hang")
        if self.lame == "; ".join(map(str, schedule)) and self.how:
            self._fail(self.how)
        state = begin(story)
        counts: Counter[str] = Counter()
        reached: list[Point] = []
        fired: list[Fault] = []
        states: list[str] = []
        last = -1
        while state.at:
            label = state.at
            counts[label] += 1
            point = Point(label, counts[label], KINDS[label])
            kind = next((each.kind for each in schedule if (each.label, each.occurrence) == point[:2]), None)
            states.append(digest(state) if looks and len(fired) == len(schedule) else "")
            state = after(state, kind, self.bug)
            if kind is not None:
                fired.append(Fault(label, counts[label], kind))
                last = len(reached)
            reached.append(point)
        trace = digest(reached, fired, state, self.plays if self.forgetful else 0)
        outcome = told(story, fired, violations(state)) if self.tells else None
        return Play(tuple(reached), tuple(fired), last, tuple(states), violations(state), 0.001, trace, outcome)

    def _fail(self, how: str) -> None:
        if how == "hang":
            while True:
                time.sleep(3600)
        if how == "die":
            print("my last words", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        raise ValueError("cannot play this")


def told(story: str, fired: list[Fault], violated: tuple[tuple[str, str], ...]) -> Any:
    """What a whole run would have left behind, as far as a report of it goes."""
    # heavy, and few processes that play toys are asked to tell
    from gatecrash import resources
    from gatecrash.harness.history import History, Note
    from gatecrash.harness.oracles import Violation
    from gatecrash.harness.run import Outcome
    from gatecrash.harness.story import load

    notes = tuple(Note(number, "shop", "shop", str(fault)) for number, fault in enumerate(fired))
    history = History(story=story, merchant="toy", orders=(), notes=notes)
    found = tuple(Violation(*each) for each in violated)
    whole = load(resources.scenarios() / f"{story.partition('@')[0]}.yaml")
    return Outcome(story=whole, merchant="toy", history=history, violations=found, seconds=0.001)


def make(**options: object) -> Toy:
    return Toy(**options)  # type: ignore[arg-type]


def make_for(profile_path: str, stories: dict[str, object], seed: int, kinds: list[str] | None, tells: bool = False) -> Toy:
    """As the player of the simulated world is made; the bug is in the environment."""
    return Toy(os.environ.get("TOY_BUG", ""), gate=os.environ.get("TOY_GATE", ""), tells=tells)


def make_nothing() -> Toy:
    raise RuntimeError("no such merchant")


def truth(story: str, bug: str, faults: int) -> Iterator[tuple[Schedule, tuple[tuple[str, str], ...]]]:
    """Every schedule of up to so many faults, with what it violates: by following the state down every branch."""

    def follow(state: State, counts: Counter[str], schedule: Schedule) -> Iterator[tuple[Schedule, tuple[tuple[str, str], ...]]]:
        if not state.at:
            yield schedule, violations(state)
            return
        counts = counts + Counter({state.at: 1})
        yield from follow(after(state, None, bug), counts, schedule)
        if len(schedule) < faults:
            for kind in KINDS[state.at]:
                yield from follow(after(state, kind, bug), counts, (*schedule, Fault(state.at, counts[state.at], kind)))

    yield from follow(begin(story), Counter(), ())
