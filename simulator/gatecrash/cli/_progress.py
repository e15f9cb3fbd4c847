"""How far a long verb has come: one line that moves on a terminal, a line now and then elsewhere. On stderr."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gatecrash.cli._output import note
from gatecrash.cli._values import in_words
from gatecrash.counted import counted

if TYPE_CHECKING:
    from gatecrash.harness.explore.progress import Progress

#: Where nothing can move, it is told so often.
_LINE_EVERY_S = 10.0


Show = Callable[[str], None]


@contextmanager
def shown(first: str = "starting") -> Iterator[Show]:
    """What shows a line in place of the one before, until it is left; where nothing can move, a line now and then."""
    if not _moves():
        yield _now_and_then()
        return
    from rich.console import Console
    from rich.status import Status

    with Status(first, console=Console(stderr=True, highlight=False)) as status:
        yield status.update


@contextmanager
def drawn() -> "Iterator[Callable[[Progress], None]]":
    """What draws an exploration, until it is left."""
    with shown() as show:
        yield lambda progress: show(line(progress))


def _moves() -> bool:
    """Whether stderr is a terminal on which a line may be drawn over."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb" and "NO_COLOR" not in os.environ


def _now_and_then() -> Show:
    last = time.monotonic()

    def tell(said: str) -> None:
        nonlocal last
        if time.monotonic() - last >= _LINE_EVERY_S:
            last = time.monotonic()
            note(said)

    return tell


class Countdown:
    """How long a number of works will take still, by how long those that are done took."""

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.total, self._clock, self._began = total, clock, clock()

    def __call__(self, done: int) -> str:
        """`, 2m to go`; nothing before the first is done, in the last second, and at the end."""
        left_s = (self._clock() - self._began) / done * (self.total - done) if done else 0.0
        return f", {in_words(round(left_s))} to go" if left_s >= 1 else ""


def line(progress: "Progress") -> str:
    """`exploring: 1,234 schedules, about 5,600 left, 612/s, 9s to go, 3 of 40 stories, 1 violation`"""
    parts = [counted(progress.done, "schedule")]
    if progress.left >= 1:
        parts.append(f"about {_about(progress.left):,} left")
    parts.append(f"{progress.rate:,.0f}/s")
    if progress.eta_s is not None and progress.eta_s >= 1:
        parts.append(f"{in_words(round(progress.eta_s))} to go")
    parts.append(f"{progress.stories_done:,} of {counted(progress.stories, *progress.things)}")
    if progress.violations:
        parts.append(counted(progress.violations, "violation"))
    return f"{progress.doing}: {', '.join(parts)}"


def _about(number: float) -> int:
    """Two digits of an estimate are all that it is good for."""
    whole = round(number)
    return round(whole, 2 - len(str(whole)))
