"""The words of exploring: a fault, a schedule of them, a point where one could strike, a play."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from gatecrash.harness.run import Outcome

_TEXT = re.compile(r"(?P<label>.+) #(?P<occurrence>[1-9][0-9]*): (?P<kind>.+)")


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """Where, which time, and how: `charges.create #2: lost answer`.

    `occurrence` counts from 1 how often the label is reached in a run, so that a fault means the same in every run that gets
    there, whatever else struck before.
    """

    label: str
    occurrence: int
    kind: str

    def __str__(self) -> str:
        return f"{self.label} #{self.occurrence}: {self.kind}"

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """The reverse of `str`. Raises ValueError."""
        found = _TEXT.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"{text!r} is no fault; expected LABEL #OCCURRENCE: KIND, such as 'charges.create #2: lost answer'")
        return cls(found["label"], int(found["occurrence"]), found["kind"])


#: In the order in which they strike.
Schedule = tuple[Fault, ...]


def in_words(schedule: Schedule) -> str:
    return "; ".join(map(str, schedule)) or "no fault"


class Point(NamedTuple):
    """Somewhere a fault could have struck in a run; `kinds` begin with what is simplest."""

    label: str
    occurrence: int
    kinds: tuple[str, ...]


class Play(NamedTuple):
    """One run, as far as exploring cares.

    `reached` is in the order the run came by; `last` is the index in it of the point where the last fault struck, -1 when none
    did. `states` has as many: at each point after that fault a digest of everything that the future and the oracles can see,
    empty where nobody looked. `violations` are (oracle, message); `seconds` are of real time; `trace` is a digest of all that
    happened. `outcome` is there when the player was made to tell it.
    """

    reached: tuple[Point, ...]
    fired: Schedule
    last: int
    states: tuple[str, ...]
    violations: tuple[tuple[str, str], ...]
    seconds: float
    trace: str
    outcome: "Outcome | None" = None


class Failure(NamedTuple):
    """A schedule that could not be played: why, in a line, and what its process had to say."""

    why: str
    detail: str

    def in_full(self) -> str:
        return f"{self.why}\n{self.detail}".strip()


#: What is to be played: a story by its name, or the document of one that came after the player was made.
Told = str | Mapping[str, Any]


class Player(Protocol):
    """Plays stories; lives in a process of its own."""

    def play(self, told: Told, schedule: Schedule, looks: bool = False) -> Play:
        """`looks`: whether the play is to say what states it came through, which takes time."""
