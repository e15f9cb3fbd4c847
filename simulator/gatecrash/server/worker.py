"""The worker: the process that is the gateway. The supervisor forks it, and forks another when it dies."""

import asyncio
import gc
import os
import signal
from collections.abc import Callable

import msgspec

from gatecrash.server import descriptors
from gatecrash.server.serving import Settings, SetupError, loop_factory, serving
from gatecrash.store.errors import StoreUnusable
from gatecrash.store.sqlite import Identity


class Report(msgspec.Struct, omit_defaults=True):
    """What a worker tells its supervisor, one JSON line each. `ready`: its ports. `database`: the one that it has open.

    `error`: why it cannot serve; `passing`, if later it may.
    """

    ready: dict[str, int] | None = None
    database: Identity | None = None
    down_s: float | None = None
    error: str | None = None
    passing: bool = False


def run(settings: Settings, report: Callable[[Report], None], parent: int, *, rebinding: bool) -> int:
    """Serve until told to stop; the process's exit status. `parent` is a pipe that ends when the supervisor does."""
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_serve(settings, report, parent, rebinding))
    except (SetupError, StoreUnusable) as error:
        report(Report(error=str(error), passing=error.passing))
        return 2
    return 0


async def _serve(settings: Settings, report: Callable[[Report], None], parent: int, rebinding: bool) -> None:
    def crash(down_s: float) -> None:
        report(Report(down_s=down_s))
        os.kill(os.getpid(), signal.SIGKILL)

    descriptors.raise_limit()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(descriptors.Complaints())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # a supervisor that was killed cannot say so; its end of the pipe does
    loop.add_reader(parent, os._exit, 1)
    if settings.lifeline is not None:
        loop.add_reader(settings.lifeline, _look, settings.lifeline)
    async with serving(settings, crash, rebinding=rebinding) as served:
        # what lives now lives for ever: no collection need look at it again
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        report(Report(ready=served.ports, database=served.database))
        await stop.wait()


def _look(lifeline: int) -> None:
    """Whoever started us says nothing on this pipe: it ends when they do, and then the supervisor stops, and we with it."""
    if ended(lifeline):
        asyncio.get_running_loop().remove_reader(lifeline)
        os.kill(os.getppid(), signal.SIGTERM)


def ended(lifeline: int) -> bool:
    """Whether a pipe that has something to read has only its end. What else is on it is thrown away."""
    return not os.read(lifeline, 65536)
