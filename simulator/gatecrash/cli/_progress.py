"""How far an exploration has come: one line that moves on a terminal, a line now and then elsewhere. On stderr."""

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


@contextmanager
def drawn() -> "Iterator[Callable[[Progress], None]]":
    """What draws it, until it is left."""
    if not sys.stderr.isatty():
        yield _now_and_then()
        return
    from rich.console import Console
    from rich.status import Status

    with Status("starting", console=Console(stderr=True, highlight=False)) as status:
        yield lambda progress: status.update(line(progress))


def _now_and_then() -> "Callable[[Progress], None]":
    last = time.monotonic()

    def tell(progress: "Progress") -> None:
        nonlocal last
        if time.monotonic() - last >= _LINE_EVERY_S:
            last = time.monotonic()
            note(line(progress))

    return tell


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
