"""The async twin of the handle: the same calls by the same names, to be awaited.

Each runs its sync counterpart in a thread, so that the event loop stays free, for a merchant that lives in it, say, whom
`await sandbox.clock.advance(…)` has webhooks delivered to.
"""

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast

from gatecrash.client.catch import Answers, Caught, Webhook
from gatecrash.client.clock import Clock
from gatecrash.client.faults import Faults
from gatecrash.client.sandbox import Sandbox
from gatecrash.client.waiting import Patience
from gatecrash.client.webhooks import Webhooks

__tracebackhide__ = True  # pytest shows the line of the test instead

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S")

_LOOK_S = 0.005


class awaited(Generic[P, T]):
    """A method of the twin: that of the sync handle, in a thread."""

    def __init__(self, method: Callable[Concatenate[Any, P], T]) -> None:
        self.method = method

    def __get__(self, twin: Any, owner: type) -> Callable[P, Coroutine[Any, Any, T]]:
        async def call(*args: P.args, **kwargs: P.kwargs) -> T:
            return await asyncio.to_thread(self.method, twin.sync, *args, **kwargs)

        functools.update_wrapper(call, self.method)
        return call


class Twin(Generic[S]):
    """`sync` is the handle that it stands for."""

    def __init__(self, sync: S) -> None:
        self.sync = sync

    def __repr__(self) -> str:
        return f"<async {self.sync!r}>"


class AsyncFaults(Twin[Faults]):
    add = awaited(Faults.add)
    get = awaited(Faults.get)
    list = awaited(Faults.list)
    remove = awaited(Faults.remove)
    clear = awaited(Faults.clear)
    never_struck = awaited(Faults.never_struck)
    forget = awaited(Faults.forget)
    stations = awaited(Faults.stations)


class AsyncClock(Twin[Clock]):
    show = awaited(Clock.show)
    freeze = awaited(Clock.freeze)
    advance = awaited(Clock.advance)
    scale = awaited(Clock.scale)
    auto = awaited(Clock.auto)
    real = awaited(Clock.real)
    stop = awaited(Clock.stop)


class AsyncWebhooks(Twin[Webhooks]):
    create = awaited(Webhooks.create)
    list = awaited(Webhooks.list)
    get = awaited(Webhooks.get)
    delete = awaited(Webhooks.delete)
    rotate_secret = awaited(Webhooks.rotate_secret)
    deliveries = awaited(Webhooks.deliveries)
    resend = awaited(Webhooks.resend)

    def catch(
        self,
        *,
        events: Sequence[str] = ("*",),
        answer: Answers = 200,
        path: str = "/webhooks",
        host: str = "127.0.0.1",
    ) -> "AsyncCaught":
        """As the sync one: `async with sandbox.webhooks.catch() as caught:`. It runs in threads of its own here too."""
        return AsyncCaught(self.sync.catch(events=events, answer=answer, path=path, host=host))


class AsyncCaught(Twin[Caught]):
    """A receiver, and all it got; `sync` is the receiver itself."""

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.sync.__enter__)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        await asyncio.to_thread(self.sync.close)

    def __len__(self) -> int:
        return len(self.sync)

    def __iter__(self) -> Iterator[Webhook]:
        return iter(self.sync)

    @property
    def url(self) -> str:
        return self.sync.url

    @property
    def webhooks(self) -> list[Webhook]:
        return self.sync.webhooks

    @property
    def rejected(self) -> list[Webhook]:
        return self.sync.rejected

    def of(self, type: str = "*") -> list[Webhook]:
        return self.sync.of(type)

    async def wait_for(self, type: str = "*", *, count: int = 1, timeout: float = 10.0) -> list[Webhook]:
        """All of a type, once there are `count` of them. Raises WaitTimeout, which says what came."""
        give_up_at = time.monotonic() + timeout
        while len(self.of(type)) < count:
            if time.monotonic() > give_up_at:
                raise self.sync.missed(type, count, timeout)
            await asyncio.sleep(_LOOK_S)
        return self.of(type)


class AsyncSandbox(Twin[Sandbox]):
    """A sandbox for `async` code. Names and keys are at hand; what asks the gateway is awaited."""

    def __init__(self, sync: Sandbox) -> None:
        super().__init__(sync)
        self.name, self.url, self.urls = sync.name, sync.url, sync.urls
        self.secret_key, self.publishable_key = sync.secret_key, sync.publishable_key
        self.faults = AsyncFaults(sync.faults)
        self.clock = AsyncClock(sync.clock)
        self.webhooks = AsyncWebhooks(sync.webhooks)
        self.env = sync.env

    nonce = awaited(Sandbox.nonce)
    charge = awaited(Sandbox.charge)
    request = awaited(Sandbox.request)
    charges = awaited(Sandbox.charges)
    subscriptions = awaited(Sandbox.subscriptions)
    refunds = awaited(Sandbox.refunds)
    events = awaited(Sandbox.events)
    deliveries = awaited(Sandbox.deliveries)
    journal = awaited(Sandbox.journal)
    books = awaited(Sandbox.books)
    lint = awaited(Sandbox.lint)
    seed = awaited(Sandbox.seed)
    reset = awaited(Sandbox.reset)
    remove = awaited(Sandbox.remove)
    snapshot = awaited(Sandbox.snapshot)
    restore = awaited(Sandbox.restore)
    close = awaited(Sandbox.close)

    async def wait_for(self, condition: Callable[[Self], Awaitable[T] | T], *, timeout: float = 10.0) -> T:
        """What `condition(sandbox)` gives or, awaited, comes to, as soon as that is true of anything."""
        patience = Patience(condition, timeout)
        while True:
            gave = condition(self)
            if isinstance(gave, Awaitable):
                gave = await gave
            if gave:
                return cast(T, gave)
            await asyncio.sleep(patience.pause(gave, await self.journal(after=patience.heard)))
