"""What the merchant does that nobody can simulate is found, and said: threads, real sockets, other processes.

It is raised where it is done, and remembered: a merchant that swallows the exception does not make the run silently wrong.
"""

import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

_GATECRASH = str(Path(__file__).parents[3])
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
REAL_WORLD = "let this merchant be proved by processes: --world real"


class CannotSimulate(Exception):
    """What was done, where in the merchant's code, and what to do about it. One line."""

    def __init__(self, what: str, where: str, advice: str) -> None:
        super().__init__(f"{what}, at {where}, cannot be simulated: {advice}")
        self.what = what
        self.where = where
        self.advice = advice


found: list[CannotSimulate] = []  # since `forget`, in the order it was met


def cannot_simulate(what: str, advice: str = REAL_WORLD) -> CannotSimulate:
    """The exception to raise, placed where the merchant's own code is running now, and remembered."""
    error = CannotSimulate(what, _where(), advice)
    found.append(error)
    return error


def forget() -> None:
    """Begin a new world."""
    found.clear()


def _where() -> str:
    """`file:line in function` of the innermost frame that is no library's; failing that, of the innermost that is not ours."""
    nearest = None
    for frame in _frames(sys._getframe(1)):
        file = frame.f_code.co_filename
        if file.startswith((_GATECRASH, "<")):
            continue
        if not file.startswith(_LIBRARIES):
            return _place(frame)
        nearest = nearest or frame
    return "an unknown place" if nearest is None else _place(nearest)


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _place(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
