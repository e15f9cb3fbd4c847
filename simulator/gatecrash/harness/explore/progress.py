"""How far an exploration has come, for whoever draws it."""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

#: The rate is that of the last so many seconds.
_WINDOW_S = 10.0


class Progress(NamedTuple):
    """`doing` is exploring, shrinking or swarming. `done` schedules, about `left` more, `rate` of them a second; `eta_s` is
    None where nothing can be said. `violations` counts (story, oracle) pairs; `things`: what a story is called here, and several.
    """

    doing: str
    done: int
    left: float
    rate: float
    eta_s: float | None
    stories_done: int
    stories: int
    violations: int
    things: tuple[str, str] = ("story", "stories")


class Rate:
    """Schedules a second, lately."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._samples: deque[tuple[float, int]] = deque()

    def __call__(self, done: int) -> float:
        now = self._clock()
        self._samples.append((now, done))
        while len(self._samples) > 2 and now - self._samples[1][0] >= _WINDOW_S:
            self._samples.popleft()
        then, before = self._samples[0]
        return (done - before) / (now - then) if now > then else 0.0
