"""The process reads virtual time: `time`, `datetime`, and every name that was taken from there before.

For a worker process only; nothing else in it can read the wall clock any more, but what `rebinding` spares and `stopwatch`.
`datetime` and `date` stay the very types they are, so that whatever looks at an exact type (msgspec, SQLite's adapters,
pickle) goes on: only their methods that read the clock are replaced, inside the type.
"""

import ctypes
import datetime
import gc
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

from gatecrash.harness.worlds.simulated.guard import cannot_simulate
from gatecrash.harness.worlds.simulated.rebinding import SPARED, Replacements, is_spared

EPOCH_S = 1_767_225_600  # 2026-01-01T00:00:00Z: when every world begins
stopwatch: Callable[[], float] = time.perf_counter  # real time, for those who measure the simulation itself

_NS = 1_000_000_000
_replaced = Replacements()
_real_methods: list[tuple[type, str, Any]] = []
_real_time: ModuleType | None = None  # what `import time` gives those that are spared


def install(now: Callable[[], float], *, epoch_s: int = EPOCH_S) -> None:
    """Read `now`, seconds since the world began, as time: monotonic clocks are it, the wall clock is it after `epoch_s`."""
    if _real_methods:
        raise RuntimeError("the virtual clock is installed already; uninstall it first")
    real = {name: getattr(time, name) for name in ("gmtime", "localtime", "strftime", "ctime", "asctime")}

    def since_start_ns() -> int:
        return round(now() * _NS)

    def wall() -> float:
        return epoch_s + now()

    def wall_ns() -> int:
        return epoch_s * _NS + since_start_ns()

    def broken_down(name: str) -> Callable[[float | None], time.struct_time]:
        def broken_down_now(seconds: float | None = None) -> time.struct_time:
            parts: time.struct_time = real[name](wall() if seconds is None else seconds)
            return parts

        return broken_down_now

    def strftime(form: str, moment: Any = None) -> Any:
        return real["strftime"](form, real["localtime"](wall()) if moment is None else moment)

    def ctime(seconds: float | None = None) -> Any:
        return real["ctime"](wall() if seconds is None else seconds)

    def asctime(moment: Any = None) -> Any:
        return real["asctime"](real["localtime"](wall()) if moment is None else moment)

    def sleep(seconds: float) -> None:
        """Nobody else can live on while a thread sleeps, and so nobody can say what would have happened meanwhile."""
        if seconds > 0:
            raise cannot_simulate(f"time.sleep({seconds:g}) blocks the event loop", "await asyncio.sleep instead")

    def clock_gettime(clock: int) -> float:
        return wall() if clock == time.CLOCK_REALTIME else now()

    def clock_gettime_ns(clock: int) -> int:
        return wall_ns() if clock == time.CLOCK_REALTIME else since_start_ns()

    _spare(sys.modules)
    for name, new in {
        "time": wall, "time_ns": wall_ns,
        "monotonic": _like(now), "monotonic_ns": since_start_ns, "perf_counter": _like(now), "perf_counter_ns": since_start_ns,
        "clock_gettime": clock_gettime, "clock_gettime_ns": clock_gettime_ns,
        "gmtime": broken_down("gmtime"), "localtime": broken_down("localtime"),
        "strftime": strftime, "ctime": ctime, "asctime": asctime, "sleep": sleep,
    }.items():  # fmt: skip
        _replaced.replace(time, name, new)
    _replaced.spread()

    def datetime_now(cls: type[datetime.datetime], tz: datetime.tzinfo | None = None) -> datetime.datetime:
        return cls.fromtimestamp(wall(), tz)

    def datetime_utcnow(cls: type[datetime.datetime]) -> datetime.datetime:
        return cls.fromtimestamp(wall(), datetime.UTC).replace(tzinfo=None)

    def date_today(cls: type[datetime.date]) -> datetime.date:
        return cls.fromtimestamp(wall())

    _replace_method(datetime.datetime, "now", classmethod(datetime_now))
    _replace_method(datetime.datetime, "utcnow", classmethod(datetime_utcnow))
    _replace_method(datetime.date, "today", classmethod(date_today))  # which datetime inherits


def uninstall() -> None:
    """Read the wall clock again."""
    _replaced.undo()
    _unspare(sys.modules)
    while _real_methods:
        kind, name, method = _real_methods.pop()
        _set_in_type(kind, name, method)


def _like(now: Callable[[], float]) -> Callable[[], float]:
    """A function of its own for each name, so that undoing knows which one was there."""
    return lambda: now()


def _spare(modules: dict[str, ModuleType]) -> None:
    """Give those that are spared a `time` of their own, as it is now."""
    global _real_time
    _real_time = ModuleType("time", time.__doc__)
    vars(_real_time).update(vars(time))
    _swap_time(modules, time, _real_time)


def _unspare(modules: dict[str, ModuleType]) -> None:
    global _real_time
    if _real_time is not None:
        _swap_time(modules, _real_time, time)
        _real_time = None


def _swap_time(modules: dict[str, ModuleType], old: ModuleType, new: ModuleType) -> None:
    for name, module in list(modules.items()):
        if name.startswith(SPARED) and is_spared(name) and name != __name__ and getattr(module, "time", None) is old:
            vars(module)["time"] = new


def _replace_method(kind: type, name: str, new: Any) -> None:
    _real_methods.append((kind, name, vars(kind)[name]))
    _set_in_type(kind, name, new)


def _set_in_type(kind: type, name: str, value: Any) -> None:
    """`setattr` for a type written in C: into the dict behind its mapping proxy, after which its method cache is cleared."""
    held = next(found for found in gc.get_referents(vars(kind)) if isinstance(found, dict))
    held[name] = value
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(kind))
