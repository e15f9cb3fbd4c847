"""An event loop that never waits: when nothing is ready, time jumps to the next deadline.

Callbacks run in the order they were scheduled, deadlines in the order of time, then of scheduling, so a program does the same
thing twice. What would reach outside of the process is refused by name.
"""

import asyncio
import contextvars
import heapq
import logging
import socket
import sys
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator, Sequence
from contextvars import Context
from types import TracebackType
from typing import Any, NoReturn, TypeVar, TypeVarTuple

from gatecrash.harness.worlds.simulated.guard import REAL_WORLD, cannot_simulate
from gatecrash.harness.worlds.simulated.hosts import HARNESS, HOST, TASKS_TELL, Crashed, Incarnation, end_quietly, told
from gatecrash.harness.worlds.simulated.network import Network, simulated
from gatecrash.harness.worlds.simulated.sockets import SimulatedSocket
from gatecrash.harness.worlds.simulated.threads import off_loop

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

# rounds of callbacks at one and the same instant, after which nobody waits for time to move
_ROUNDS_AT_ONCE = 100_000
# of tasks that bury what they find and begin others
_GENERATIONS = 100
# cancelled timers that may lie about
_RUBBISH = 64

_log = logging.getLogger("asyncio")


class Deadlock(RuntimeError):
    """Everybody waits, and nothing is going to happen."""


class Livelock(RuntimeError):
    """Somebody turns in circles without ever letting time pass."""


class Handle(asyncio.TimerHandle):
    """A scheduled callback, timed or not; our own fields, since a handle is made for every step of every task."""

    __slots__ = ("args", "callback", "context", "due", "loop")

    def __init__(
        self, due: float, callback: Callable[..., object], args: tuple[Any, ...], context: Context, loop: "VirtualLoop | None"
    ) -> None:
        self.due, self.callback, self.args, self.context = due, callback, args, context
        # set while it lies among the timers
        self.loop = loop

    def cancel(self) -> None:
        self.callback, self.args = _nothing, ()
        if self.loop is not None:
            self.loop._timer_cancelled()
            self.loop = None

    def cancelled(self) -> bool:
        return self.callback is _nothing

    def counts(self) -> bool:
        """Whether it was neither cancelled nor left by a host that died."""
        if self.callback is _nothing:
            return False
        host = self.context.get(HOST)
        return host is None or host.alive

    def name(self) -> str:
        host = self.context.get(HOST)
        return f"{host.name if host else HARNESS}: {_name(self.callback)}"

    def when(self) -> float:
        return self.due

    def get_context(self) -> Context:
        return self.context

    def __repr__(self) -> str:
        return f"<Handle {self.name()} at {self.due}>"

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


def _number(self: Any) -> int:
    """In place of a hash by address: sets of futures and tasks have one order, wherever they lie in memory."""
    if self.number is None:
        self.number = self.get_loop().next_number()
    return self.number  # type: ignore[no-any-return]


class _Future(asyncio.Future[Any]):
    number: int | None = None
    __hash__ = _number


class _Task(asyncio.Task[Any]):
    number: int | None = None
    __hash__ = _number


def _nothing() -> None:
    """In place of a callback that was cancelled."""


def _name(callback: Callable[..., object]) -> str:
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        callback = owner.get_coro()  # type: ignore[assignment]
    return str(getattr(callback, "__qualname__", None) or type(callback).__name__)


def _refused(what: str, advice: str = REAL_WORLD) -> Any:
    def refuse(self: "VirtualLoop", *args: object, **options: object) -> NoReturn:
        raise cannot_simulate(what, advice)

    return refuse


_STREAMS = "use asyncio's streams, or an HTTP library over them"


class VirtualLoop(asyncio.AbstractEventLoop):
    """`seed` is that of its network's latencies. Cheap to make: a world has one of its own, and closes it."""

    def __init__(self, seed: int = 0) -> None:
        self._now = 0.0
        self._ready: deque[Handle] = deque()
        self._timers: list[tuple[float, int, Handle]] = []
        self._scheduled = 0
        self._cancelled = 0
        self._running = self._stopping = self._closed = False
        self._debug = False
        self._handler: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None = None
        self._factory: Any = None
        self._tasks: list[tuple[asyncio.Task[Any], Incarnation | None]] = []
        self._prune_at = 64
        self._born = self._numbers = 0
        # those that are not buried yet
        self.incarnations: list[Incarnation] = []
        self._buried = False
        self._generators: dict[int, tuple[weakref.ref[AsyncGenerator[Any, Any]], Incarnation | None]] = {}
        # of nobody: what the network does on its own
        self.neutral = contextvars.copy_context()
        self.neutral.run(HOST.set, None)
        self.network = Network(self, seed)

    def __repr__(self) -> str:
        return f"<VirtualLoop at {self._now} s>"

    # time and turns

    def time(self) -> float:
        return self._now

    def idle(self) -> bool:
        """Whether no callback is ready now."""
        return not any(handle.counts() for handle in self._ready)

    def pending(self) -> list[tuple[float, str]]:
        """What is scheduled, in its order, as (when, host and name of the callback)."""
        return [(when, handle.name()) for when, _, handle in sorted(self._timers) if handle.counts()]

    def call_soon(self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None) -> Handle:
        handle = Handle(self._now, callback, args, contextvars.copy_context() if context is None else context, None)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(self, delay: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None) -> Handle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None) -> Handle:
        handle = Handle(when, callback, args, contextvars.copy_context() if context is None else context, self)
        self._scheduled += 1
        heapq.heappush(self._timers, (when, self._scheduled, handle))
        return handle

    def _timer_cancelled(self) -> None:
        self._cancelled += 1
        if self._cancelled > _RUBBISH and self._cancelled * 2 > len(self._timers):
            self._sweep()

    def _sweep(self) -> None:
        """Drop the timers that do not count."""
        self._timers[:] = [timer for timer in self._timers if timer[2].counts()]
        heapq.heapify(self._timers)
        self._cancelled = 0

    def _turn(self) -> None:
        """Run callbacks until stopped; the one hot place."""
        ready, timers, pop = self._ready, self._timers, heapq.heappop
        rounds = 0
        while not self._stopping:
            if not ready:
                while timers and not timers[0][2].counts():
                    self._cancelled -= pop(timers)[2].callback is _nothing
                if not timers:
                    raise Deadlock(self._who_waits())
                if timers[0][0] > self._now:
                    self._now = timers[0][0]
                    rounds = 0
            now = self._now
            while timers and timers[0][0] <= now:
                handle = pop(timers)[2]
                if handle.callback is _nothing:
                    self._cancelled -= 1
                else:
                    handle.loop = None
                    ready.append(handle)
            rounds += 1
            if rounds > _ROUNDS_AT_ONCE:
                raise Livelock(self._who_spins())
            for _ in range(len(ready)):
                handle = ready.popleft()
                context = handle.context
                host = context.get(HOST)
                if host is not None and not host.alive:
                    continue
                try:
                    context.run(handle.callback, *handle.args)
                except KeyboardInterrupt:
                    raise
                except SystemExit as left:
                    if host is None:
                        raise
                    host.exit_code = left.code
                    host.kill()
                except BaseException as error:
                    self._failed(handle, error)

    def _failed(self, handle: Handle, error: BaseException) -> None:
        self.call_exception_handler({"message": f"Exception in callback {handle.name()}", "exception": error, "handle": handle})

    def _who_waits(self) -> str:
        waiting = [told(task, host) for task, host in self._living() if host is None or host.alive]
        return f"at {self._now} s nothing is ready and nothing is scheduled; " + ("; ".join(waiting) or "no task waits") + "."

    def _who_spins(self) -> str:
        names = ", ".join(sorted({handle.name() for handle in self._ready})[:5])
        return f"{_ROUNDS_AT_ONCE} rounds at {self._now} s and time does not move: {names}; wait with a delay above zero."

    # running

    def run_forever(self) -> None:
        if self._closed:
            raise RuntimeError("Event loop is closed")
        if self._running or asyncio._get_running_loop() is not None:
            raise RuntimeError("an event loop is running already")
        hooks = sys.get_asyncgen_hooks()
        self._running = True
        asyncio._set_running_loop(self)
        sys.set_asyncgen_hooks(firstiter=self._generator_begun, finalizer=self._generator_dropped)
        try:
            self._turn()
        finally:
            self._running = self._stopping = False
            asyncio._set_running_loop(None)
            sys.set_asyncgen_hooks(*hooks)

    def run_until_complete(self, future: Generator[Any, None, _T] | Awaitable[_T]) -> _T:
        main = asyncio.ensure_future(future, loop=self)  # type: ignore[arg-type]
        main.add_done_callback(self._done)
        try:
            self.run_forever()
        finally:
            main.remove_done_callback(self._done)
        if not main.done():
            raise RuntimeError("Event loop stopped before Future completed.")
        return main.result()

    def _done(self, future: object) -> None:
        self._stopping = True

    def stop(self) -> None:
        self._stopping = True

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """End whatever is left of everybody, without a word."""
        if self._running:
            raise RuntimeError("Cannot close a running event loop")
        if self._closed:
            return
        self.network.close()
        for host in list(self.incarnations):
            host.bury()
        self.bury(None)
        self._closed = True
        self._ready.clear()
        self._timers.clear()
        self._tasks.clear()
        self._generators.clear()
        self._handler = self._factory = None

    # futures and tasks

    def create_future(self) -> asyncio.Future[Any]:
        return _Future(loop=self)

    def next_number(self) -> int:
        self._numbers += 1
        return self._numbers

    def create_task(
        self, coro: Any, *, name: str | None = None, context: Context | None = None, **options: Any
    ) -> asyncio.Task[Any]:
        host = HOST.get() if context is None else context.get(HOST)
        self._born += 1
        named = name or f"Task-{self._born}"
        task: asyncio.Task[Any]
        if self._factory is None:
            task = _Task(coro, loop=self, name=named, context=context, **options)
        else:
            task = self._factory(self, coro) if context is None else self._factory(self, coro, context=context)
            task.set_name(named)
        self._tasks.append((task, host))
        if len(self._tasks) > self._prune_at:
            self._tasks = [each for each in self._tasks if not each[0].done()]
            self._prune_at = 64 + 2 * len(self._tasks)
        return task

    def set_task_factory(self, factory: Any) -> None:
        self._factory = factory

    def get_task_factory(self) -> Any:
        return self._factory

    def tasks(self, host: Incarnation | None) -> list[asyncio.Task[Any]]:
        """Those of one host that are not done, and some that are."""
        found = {task: None for task, owner in self._tasks if owner is host}
        if TASKS_TELL:
            others: list[Any] = [task for task in asyncio.all_tasks(self) if task not in found]
            found |= {task: None for task in sorted(others, key=asyncio.Task.get_name) if task.get_context().get(HOST) is host}
        return list(found)

    def _living(self) -> Iterator[tuple[asyncio.Task[Any], Incarnation | None]]:
        return ((task, host) for task, host in self._tasks if not task.done())

    def bury(self, host: Incarnation | None) -> None:
        """End the tasks and generators of a dead host, and forget it; None is the harness, when all is over."""
        self._buried = True
        context = self.neutral if host is None else host.context
        for _ in range(_GENERATIONS):  # a `finally` block may begin new ones
            tasks = self.tasks(host)
            generators = [reference() for reference, owner in self._generators.values() if owner is host]
            if not (tasks or generators):
                break
            self._tasks = [each for each in self._tasks if each[1] is not host]
            self._generators = {key: each for key, each in self._generators.items() if each[1] is not host}
            end_quietly(tasks, [each for each in generators if each is not None], context.copy())
        self.incarnations = [each for each in self.incarnations if each is not host]
        self._sweep()

    def _generator_begun(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._generators[id(generator)] = (weakref.ref(generator), HOST.get())

    def _generator_dropped(self, generator: AsyncGenerator[Any, Any]) -> None:
        _, host = self._generators.pop(id(generator), (None, None))
        if not self._closed and (host is None or host.alive):
            context = self.neutral if host is None else host.context
            self.create_task(generator.aclose(), context=context.copy())

    async def shutdown_asyncgens(self) -> None:
        left = [reference() for reference, _ in self._generators.values()]
        self._generators.clear()
        for generator in left:
            if generator is not None:
                await generator.aclose()

    # what threads would do is done here and now

    def run_in_executor(self, executor: object, func: Callable[[*_Ts], _T], *args: *_Ts) -> asyncio.Future[_T]:
        """Runs it at once, and as in a thread no loop is running there; the result is there a turn later: others have theirs."""
        future: asyncio.Future[_T] = self.create_future()
        try:
            with off_loop():
                result = func(*args)
        except Exception as error:
            failed = RuntimeError(str(error)) if isinstance(error, StopIteration) else error
            self.call_soon(_unless_done, future, future.set_exception, failed)
        else:
            self.call_soon(_unless_done, future, future.set_result, result)
        return future

    def set_default_executor(self, executor: object) -> None:
        pass

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        pass

    async def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        return self.network.resolve(host, port, family)

    def look_up(self, name: str) -> list[str]:
        """The addresses of a name, without a thread."""
        return [address[4][0] for address in self.network.resolve(name, 0)]

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> tuple[str, str]:
        return str(sockaddr[0]), str(sockaddr[1])

    # the network

    async def create_connection(
        self,
        protocol_factory: Callable[[], Any],
        host: Any = None,
        port: Any = None,
        *,
        ssl: Any = None,
        sock: Any = None,
        **_: Any,
    ) -> tuple[Any, Any]:
        if ssl:
            self.start_tls()
        if sock is None:
            sock = self.open_socket()
            await self.network.connect(sock, (host, port))
        return self.network.attach(simulated(sock), protocol_factory)

    async def create_server(
        self,
        protocol_factory: Callable[[], Any],
        host: Any = None,
        port: Any = None,
        *,
        ssl: Any = None,
        sock: Any = None,
        **_: Any,
    ) -> Any:
        if ssl:
            self.start_tls()
        if sock is None:
            sock = self.open_socket()
            first = host if isinstance(host, str) or not isinstance(host, Sequence) else host[0]
            sock.bind((first or "0.0.0.0", port or 0))  # noqa: S104 — nothing is bound for real
        return self.network.listen(simulated(sock), protocol_factory)

    def open_socket(self, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM, proto: int = 0) -> SimulatedSocket:
        return SimulatedSocket(self.network, family, kind, proto)

    # signals are the supervisor's, and there is none

    def add_signal_handler(self, sig: int, callback: Callable[[*_Ts], object], *args: *_Ts) -> None:
        pass

    def remove_signal_handler(self, sig: int) -> bool:
        return False

    # errors nobody caught

    def set_exception_handler(self, handler: Any) -> None:
        self._handler = handler

    def get_exception_handler(self) -> Any:
        return self._handler

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if self._closed or isinstance(error, Crashed) or (error is None and self._buried):
            return  # who died has closed nothing, and that is no complaint
        (self._handler or VirtualLoop._log_error)(self, context)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        self._log_error(context)

    def _log_error(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        told: tuple[type[BaseException], BaseException, TracebackType | None] | bool
        told = (type(error), error, error.__traceback__) if error is not None else False
        others = [f"{key}: {value!r}" for key, value in context.items() if key not in ("message", "exception")]
        _log.error("\n".join((context.get("message") or "Unhandled exception in event loop", *others)), exc_info=told)

    def get_debug(self) -> bool:
        return self._debug

    def set_debug(self, enabled: bool) -> None:
        self._debug = enabled

    # what there is not

    add_reader = add_writer = remove_reader = remove_writer = _refused("watching a file descriptor", _STREAMS)
    sock_recv = sock_recv_into = sock_recvfrom = sock_recvfrom_into = _refused("reading from a bare socket", _STREAMS)
    sock_sendall = sock_sendto = sock_connect = sock_accept = _refused("using a bare socket", _STREAMS)
    sendfile = sock_sendfile = _refused("sending a file past the program", "read it and write it")
    start_tls = _refused("TLS", "speak plain HTTP when simulated")
    create_datagram_endpoint = _refused("a UDP socket")
    create_unix_connection = create_unix_server = _refused("a Unix socket", "use TCP on 127.0.0.1")
    connect_accepted_socket = _refused("a socket that was accepted elsewhere", "listen with create_server")
    connect_read_pipe = connect_write_pipe = _refused("a pipe")
    subprocess_exec = subprocess_shell = _refused("starting a process")


def _unless_done(future: asyncio.Future[Any], complete: Callable[[Any], None], outcome: object) -> None:
    if not future.done():
        complete(outcome)
