"""A player of stories that it is brought: each press of the pay button is a place where something can go wrong."""

import os
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

from gatecrash.harness.explore.fault import Fault, Play, Point, Schedule, Told
from gatecrash.harness.workloads.script import verb

KINDS = ("lost request", "lost answer")
PRESSES = {"pay", "begin_pay", "double_click", "retry_while_unpaid"}


class Toy:
    """`bug`: "two clicks" objects to a double click (S1) where all channels are open, "lost refund" to a refund after a lost
    request (P1) and after a lost answer (S8). After a while it touches the file `gate`. `how`: it raises where an order is
    cancelled, or sells for dollars alone, or not at all.
    """

    def __init__(self, bug: str = "", how: str = "", gate: str = "", stories: Mapping[str, Any] | None = None) -> None:
        self.bug, self.how, self.gate, self.stories = bug, how, gate, stories
        self.plays = 0

    def play(self, told: Told, schedule: Schedule, looks: bool = False) -> Play:
        if isinstance(told, str):
            assert self.stories is not None, "it was made with no stories"
            told = self.stories[told]
        self.plays += 1
        if self.gate and self.plays == 20:
            Path(self.gate).touch()
        verbs = list(map(verb, told["steps"]))
        if "cancel" in verbs and self.how == "raise":
            raise ValueError("cannot play this")
        if self.how == "no sale" or (self.how == "dollars" and told["order"]["currency"] != "usd"):
            raise ValueError("place_order was answered 422")
        wanted = {(fault.occurrence, fault.kind) for fault in schedule}
        reached, fired, last = [], [], -1
        for number in range(1, sum(each in PRESSES for each in verbs) + 1):
            reached.append(Point("charges.create", number, KINDS))
            for kind in KINDS:
                if (number, kind) in wanted:
                    fired.append(Fault("charges.create", number, kind))
                    last = number - 1
        violated = self._violated(told, verbs, {fault.kind for fault in fired})
        trace = blake2b(repr((verbs, fired)).encode(), digest_size=8).hexdigest()
        states = tuple(f"{trace} {number}" for number in range(len(reached)))
        outcome = whole(told, violated) if self.stories else None
        return Play(tuple(reached), tuple(fired), last, states, violated, 0.001, trace, outcome)

    def _violated(self, told: Any, verbs: list[str], kinds: set[str]) -> tuple[tuple[str, str], ...]:
        if self.bug == "two clicks" and "double_click" in verbs and told.get("channels", "all") == "all":
            return (("S1", "charged 2 times"),)
        if self.bug == "lost refund" and "refund" in verbs:
            if "lost request" in kinds:
                return (("P1", "no key"),)
            if "lost answer" in kinds:
                return (("S8", "given back twice"), ("P1", "no key"))
        return ()


def whole(told: Mapping[str, Any], violated: tuple[tuple[str, str], ...]) -> Any:
    """What a run would have left behind, as far as a report of it goes."""
    # heavy, and few processes that play toys are asked to tell
    from gatecrash.harness.history import History, Note
    from gatecrash.harness.oracles import Violation
    from gatecrash.harness.run import Outcome
    from gatecrash.harness.story import parse_document

    history = History(story=told["name"], merchant="toy", orders=(), notes=(Note(0, "shop", "shop", "all is said"),))
    story = parse_document(told, Path("toy.yaml"))
    found = tuple(Violation(*each) for each in violated)
    return Outcome(story=story, merchant="toy", history=history, violations=found, seconds=0.001)


def make(bug: str = "", how: str = "", gate: str = "") -> Toy:
    return Toy(bug, how, gate)


def make_for(
    profile_path: str, stories: dict[str, Any], seed: int = 0, kinds: list[str] | None = None, tells: bool = False
) -> Toy:
    """With the arguments of a real player; what it is like stands in the environment."""
    return Toy(os.environ.get("TOY_BUG", ""), gate=os.environ.get("TOY_GATE", ""), stories=stories if tells else None)
