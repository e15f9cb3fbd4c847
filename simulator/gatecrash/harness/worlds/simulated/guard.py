"""What the merchant does that nobody can simulate is found, and said: threads, real sockets, other processes.

It is raised where it is done, and remembered: a merchant that swallows the exception does not make the run silently wrong.
"""

import _thread
import sys
import sysconfig
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from gatecrash.harness.worlds.simulated.hosts import current

REAL_WORLD = "let this merchant be proved by processes: --world real"
_ON_THE_LOOP = f"use a library of asyncio, such as aiohttp's client or httpx.AsyncClient; or {REAL_WORLD}"
_INLINE = f"use asyncio.to_thread, which runs inline here; or {REAL_WORLD}"
# audit events of the interpreter: what happens, and what to do about it
_FORBIDDEN = {
    "_thread.start_new_thread": ("starting a thread", _INLINE),
    "_thread.start_joinable_thread": ("starting a thread", _INLINE),
    "socket.connect": ("connecting a socket of the operating system", _ON_THE_LOOP),
    "socket.bind": ("binding a socket of the operating system", _ON_THE_LOOP),
    "socket.sendto": ("sending through a socket of the operating system", _ON_THE_LOOP),
    "subprocess.Popen": ("starting a process", REAL_WORLD),
    "os.system": ("starting a process", REAL_WORLD),
    "os.posix_spawn": ("starting a process", REAL_WORLD),
    "os.exec": ("becoming another program", REAL_WORLD),
    "os.fork": ("forking", REAL_WORLD),
    "os.forkpty": ("forking", REAL_WORLD),
    "sqlite3.connect": ("opening a database past sqlite3.connect", "call sqlite3.connect, which is looked after"),
}
_MERCHANT = "merchant"
_installed = False
_GATECRASH = str(Path(__file__).parents[3])
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


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


def install() -> None:
    """Look out for it from now on, since an audit hook stays. It minds what a host named merchant does, and nobody else."""
    global _installed
    if not _installed:
        sys.addaudithook(_audit)
        if sys.version_info < (3, 12):  # it tells nobody of threads
            vars(threading)["_start_new_thread"] = vars(_thread)["start_new_thread"] = _start_new_thread
        _installed = True


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _FORBIDDEN:
        return
    host = current()
    if host is None or host.name != _MERCHANT:
        return
    if event == "sqlite3.connect" and (arguments[0] == ":memory:" or sys._getframe(1).f_code.co_filename.startswith(_GATECRASH)):
        return
    raise cannot_simulate(*_FORBIDDEN[event])


_real_start_new_thread = _thread.start_new_thread


def _start_new_thread(*arguments: Any) -> int:
    _audit("_thread.start_new_thread", arguments)
    return _real_start_new_thread(*arguments)


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
