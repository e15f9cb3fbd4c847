"""Hosts: to whose life a callback belongs, and that the dead do nothing.

A host is a program that could run on a machine of its own; an `Incarnation` is one life of it, from its start to its crash. What
belongs to a life is told by its context: `HOST` is inherited by every task and every callback, so the loop can drop those of the
dead, the network their bytes, the databases their commits.
"""

import asyncio
import contextlib
import contextvars
import io
import logging
import os
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from contextvars import Context, ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from gatecrash.harness.worlds.simulated.loop import VirtualLoop

_T = TypeVar("_T")

HARNESS = "harness"
"""The name of whoever belongs to no host."""

# how often a coroutine is told to end whose `finally` waits for something
_STUBBORN = 100
# whose own frames say little about who waits
_ASYNCIO = os.path.dirname(asyncio.__file__)


class Crashed(BaseException):
    """Unwinds the stack of the incarnation that has just died."""


HOST: ContextVar["Incarnation | None"] = ContextVar("HOST", default=None)
"""Whose callback is running; None is the harness itself."""


def current() -> "Incarnation | None":
    return HOST.get()


class Incarnation:
    """One life of a host. `on_death` is run by `kill`, first come, first served: databases roll back there, and so on."""

    def __init__(self, loop: "VirtualLoop", name: str, number: int = 1) -> None:
        self.name, self.number, self.alive = name, number, True
        self.context = contextvars.copy_context()
        self.context.run(HOST.set, self)
        self.on_death: list[Callable[[], None]] = []
        self.exit_code: object = None  # of a host that ended itself
        self._loop = loop
        loop.incarnations.append(self)

    def __repr__(self) -> str:
        return f"<{self.name} #{self.number}{'' if self.alive else ', dead'}>"

    def spawn(self, coroutine: Coroutine[Any, Any, _T], *, name: str | None = None) -> asyncio.Task[_T]:
        """A task of this life."""
        if not self.alive:
            coroutine.close()
        self.check()
        return self._loop.create_task(coroutine, name=name, context=self.context.copy())

    def run(self, function: Callable[..., _T], *args: Any) -> _T:
        """Call it as this host."""
        self.check()
        return self.context.copy().run(function, *args)

    def check(self) -> None:
        """Raise Crashed where the dead would go on."""
        if not self.alive:
            raise Crashed(f"{self.name} has crashed")

    def kill(self) -> None:
        """Dead at once: its callbacks are dropped, its peers read resets, its ports refuse; nothing it still does has an effect.

        Where this is called from its own stack, the caller raises Crashed itself.
        """
        if not self.alive:
            return
        self.alive = False
        self._loop.network.sever(self)
        for each in self.on_death:
            each()
        self.on_death.clear()

    def bury(self) -> None:
        """Close what it has left, so that nothing of it runs later; to be called from outside of its stack."""
        self.kill()
        self._loop.bury(self)


def end_quietly(tasks: Sequence["asyncio.Task[Any]"], generators: Sequence[AsyncGenerator[Any, Any]], context: Context) -> None:
    """Close coroutines where they stand. Their `finally` blocks run, as in `context`, unheard."""
    if not (tasks or generators):
        return
    with _hushed():
        for task in tasks:
            if task.done():
                if not task.cancelled():
                    task.exception()  # is not to be complained of
                continue
            coroutine = task.get_coro()
            if coroutine is not None:
                context.run(_close, coroutine.close)
            # a task's own `cancel` would ask its coroutine; this says that it is over, so that nobody misses it
            context.run(asyncio.Future.cancel, task)
        for generator in generators:
            context.run(_close, generator.aclose().__await__().__next__)


def _close(close: Callable[[], object]) -> None:
    for _ in range(_STUBBORN):
        try:
            close()
        except KeyboardInterrupt:
            raise
        except (StopIteration, StopAsyncIteration):
            return
        except BaseException:  # noqa: S112 — from a `finally` block; when it awaited, it is not over yet
            continue
        else:
            return


def _unheard(self: logging.Logger, record: logging.LogRecord) -> None:
    """In the place of `Logger.callHandlers`; `logging.disable` would have every logger forget what it is enabled for."""


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    before = logging.Logger.callHandlers
    logging.Logger.callHandlers = _unheard  # type: ignore[method-assign]
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.Logger.callHandlers = before  # type: ignore[method-assign]


def told(task: "asyncio.Task[Any]", host: Incarnation | None) -> str:
    """`merchant: Task-3 (pay) waits at shop.py:12`."""
    coroutine: Any = task.get_coro()
    name = getattr(coroutine, "__qualname__", repr(coroutine))
    where = ""
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is not None and not (where and frame.f_code.co_filename.startswith(_ASYNCIO)):
            where = f" waits at {frame.f_code.co_filename}:{frame.f_lineno}"
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    return f"{HARNESS if host is None else host.name}: {task.get_name()} ({name}){where}"


# from 3.12 on a task may be born outside of its loop's create_task (eager ones), and tells its context
TASKS_TELL = sys.version_info >= (3, 12)
