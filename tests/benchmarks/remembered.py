"""A pool that plays nothing twice, for searches that ask for much the same: each learns what it would have learned alone."""

from collections import deque
from typing import Any

from gatecrash.harness.explore.fault import Failure, Play, Point, Schedule
from gatecrash.harness.smallest import Plays


class Remembered:
    """Over a pool of one merchant. Answers come in the order in which they were asked for, so that no search counts beyond its
    catch; each tells the seconds that it took when it was played. `faults`: the most that anybody asks for, so that a play of
    fewer looks at its states whoever asks for it first.
    """

    def __init__(self, pool: Plays, faults: int) -> None:
        self._pool, self._faults = pool, faults
        self._plays: dict[tuple[str, Schedule], Play | Failure | None] = {}  # None: under way
        self._points: dict[Point, Point] = {}
        self._asked: deque[tuple[Any, tuple[str, Schedule]]] = deque()

    @property
    def room(self) -> bool:
        return self._pool.room

    @property
    def busy(self) -> bool:
        return bool(self._asked)

    def submit(self, token: Any, story: str, schedule: Schedule, *, looks: bool = False) -> None:
        key = story, schedule
        self._asked.append((token, key))
        if key not in self._plays:
            self._plays[key] = None
            self._pool.submit(key, story, schedule, looks=looks or len(schedule) < self._faults)

    def results(self, timeout_s: float) -> list[tuple[Any, Play | Failure]]:
        if self._pool.busy:
            known = self._plays[self._asked[0][1]] is not None
            self._plays.update((key, self._slim(play)) for key, play in self._pool.results(0.0 if known else timeout_s))
        came = []
        while self._asked and (play := self._plays[self._asked[0][1]]) is not None:
            came.append((self._asked.popleft()[0], play))
        return came

    def _slim(self, play: Play | Failure) -> Play | Failure:
        """Runs come by the same points, again and again."""
        if isinstance(play, Failure):
            return play
        return play._replace(reached=tuple(self._points.setdefault(point, point) for point in play.reached))
