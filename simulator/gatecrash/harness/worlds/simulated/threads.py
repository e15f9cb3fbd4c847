"""Libraries that do their work in threads do it on the loop: anyio's worker threads, and aiosqlite.

A thread has its turn between those of the loop; so has what is run inline, one turn later than it was asked for. While it runs no
loop can be seen, as in a thread.
"""

import asyncio
import importlib
import sqlite3
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

from gatecrash.harness.worlds.simulated.guard import cannot_simulate
from gatecrash.harness.worlds.simulated.hosts import Crashed
from gatecrash.harness.worlds.simulated.rebinding import Replacements

# how long SQLite waits before it tries a lock again
_AGAIN_AFTER_S = (0.001, 0.002, 0.005, 0.010, 0.015, 0.020, 0.025, 0.025, 0.025, 0.050, 0.050, 0.100)
_replaced, _aiosqlite = Replacements(), Replacements()
_hidden: list[asyncio.AbstractEventLoop] = []


@contextmanager
def off_loop() -> Iterator[None]:
    """No loop is running here, as far as can be seen."""
    loop = asyncio._get_running_loop()
    if loop is None:
        yield
        return
    _hidden.append(loop)
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(_hidden.pop())


@contextmanager
def on_loop() -> Iterator[None]:
    """The harness is called by what runs off its loop, and sees it again."""
    if not _hidden or asyncio._get_running_loop() is not None:
        yield
        return
    asyncio._set_running_loop(_hidden[-1])
    try:
        yield
    finally:
        asyncio._set_running_loop(None)


def inline_anyio() -> None:
    """Have `anyio.to_thread.run_sync`, and with it the plain functions of Starlette and FastAPI, run inline."""
    module: Any = sys.modules.get("anyio.to_thread")
    if module is None or module.run_sync is _run_sync:
        return
    _replaced.replace(module, "run_sync", _run_sync)
    for name in ("run", "run_sync"):
        _replaced.replace(importlib.import_module("anyio.from_thread"), name, _from_thread(name))
    _replaced.spread()


def uninstall() -> None:
    """Let them have their threads again."""
    _replaced.undo()
    _aiosqlite.undo()


async def _run_sync(
    func: Callable[..., Any], *args: Any, abandon_on_cancel: bool = False, cancellable: bool | None = None, limiter: Any = None
) -> Any:
    context = copy_context()
    return await asyncio.get_running_loop().run_in_executor(None, lambda: context.run(func, *args))


def _from_thread(name: str) -> Callable[..., Any]:
    def back(*_: Any, **__: Any) -> Any:
        raise cannot_simulate(f"anyio.from_thread.{name} waits for the loop in a function that runs on it")

    return back


def inline_aiosqlite() -> None:
    """Have the connections of aiosqlite, if it is there, run what they are asked on the loop. Of 0.22 and of those before."""
    if find_spec("aiosqlite") is None:
        return
    kind: Any = importlib.import_module("aiosqlite.core").Connection
    if _aiosqlite.active:
        return
    real = kind.__init__

    def begin(self: Any, *arguments: Any, **options: Any) -> None:
        real(self, *arguments, **options)
        self._tx = _Turns(self)
        if "_thread" in vars(self):
            self._thread = SimpleNamespace(start=_nothing, daemon=True)

    _aiosqlite.replace(kind, "__init__", begin, spread=False)
    for name in ("start", "__del__"):  # of a thread; and a complaint that reaches nobody
        _aiosqlite.replace(kind, name, _nothing, spread=False)


def _nothing(*_: object) -> None:
    pass


class _Turns:
    """In place of the queue that aiosqlite's thread reads: one function a turn of the loop, in the order they came."""

    def __init__(self, owner: Any) -> None:
        self._owner = owner
        self._waiting: deque[tuple[asyncio.Future[Any] | None, Callable[[], Any]]] = deque()

    def put_nowait(self, asked: tuple[asyncio.Future[Any] | None, Callable[[], Any]]) -> None:
        self._waiting.append(asked)
        if len(self._waiting) == 1:
            self._go_on()

    def _go_on(self, again: int = 0, waited_s: float = 0.0) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # closed by the garbage collector
            self._run(again, waited_s)
            return
        if again:
            pause_s = _AGAIN_AFTER_S[min(again, len(_AGAIN_AFTER_S)) - 1]
            loop.call_later(pause_s, self._run, again, waited_s + pause_s)
        else:
            loop.call_soon(self._run, again, waited_s)

    def _run(self, again: int, waited_s: float) -> None:
        future, function = self._waiting[0]
        result, error = None, None
        try:
            with off_loop():
                result = function()
        except Crashed:
            self._waiting.clear()
            return
        except BaseException as raised:
            patience_s = getattr(self._owner._connection, "patience_s", 0.0)
            if isinstance(raised, sqlite3.OperationalError) and "locked" in str(raised) and waited_s < patience_s:
                self._go_on(again + 1, waited_s)  # its thread would wait, and keep those behind it waiting
                return
            error = raised
        self._waiting.popleft()
        if future is not None and not future.done():
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)
        if self._waiting:
            self._go_on()
