"""Looking up the host names of webhooks, so that a slow name delays nothing but the attempts that go there.

Each look-up runs in a thread of its own: no shared pool can fill up with names that nobody answers for. Each sandbox has
so many look-ups at a time; further ones wait, in that sandbox alone. What was found is kept for a short while, failures too.
"""

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple
from weakref import WeakValueDictionary

AT_A_TIME = 16  # for each sandbox
_KEPT_S = 10.0
_FAILURE_KEPT_S = 2.0
_KEPT_MAX = 1024
# never asked for: browsers resolve these to loopback too (RFC 6761 §6.3)
_LOOPBACK = ("127.0.0.1", "::1")


class NotResolved(OSError):
    """A host name without an address. The message says why."""


class _Kept(NamedTuple):
    """`found`: addresses, or why there are none; good until `until`, in the loop's time."""

    found: list[str] | NotResolved
    until: float


def is_localhost(name: str) -> bool:
    plain = name.lower().removesuffix(".")
    return plain == "localhost" or plain.endswith(".localhost")


def _look_up(name: str) -> list[str]:
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Names:
    """`look_up(name)` blocks until it knows the addresses; it raises OSError."""

    def __init__(self, look_up: Callable[[str], list[str]] = _look_up) -> None:
        self._look_up = look_up
        self._kept: dict[str, _Kept] = {}
        self._under_way: dict[str, asyncio.Future[list[str]]] = {}
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def addresses(self, name: str, sandbox: str) -> list[str]:
        """Raises NotResolved. A caller that is cancelled leaves the look-up going on for the next one."""
        loop = asyncio.get_running_loop()
        if (simulated := getattr(loop, "look_up", None)) is not None:  # a loop that simulates its network
            return list(simulated(name))
        if is_localhost(name):
            return list(_LOOPBACK)
        turns = self._turns.get(sandbox)
        if turns is None:
            turns = self._turns[sandbox] = asyncio.Semaphore(AT_A_TIME)
        if not self._known(name, loop):
            await turns.acquire()
            if self._known(name, loop):  # found out by another while this one waited
                turns.release()
            else:
                self._start(name, turns, loop)
        if (looking := self._under_way.get(name)) is not None:
            return await asyncio.shield(looking)
        found = self._kept[name].found
        if isinstance(found, NotResolved):
            raise NotResolved(str(found))
        return found

    def _known(self, name: str, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether it is kept, or being looked up."""
        kept = self._kept.get(name)
        return name in self._under_way or (kept is not None and loop.time() < kept.until)

    def _start(self, name: str, turns: asyncio.Semaphore, loop: asyncio.AbstractEventLoop) -> None:
        looking: asyncio.Future[list[str]] = loop.create_future()
        # a failure that no caller waits for any more is no error
        looking.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._under_way[name] = looking

        def told(found: list[str] | NotResolved) -> None:
            turns.release()
            del self._under_way[name]
            self._keep(name, found, loop.time())
            if looking.done():
                return
            if isinstance(found, NotResolved):
                looking.set_exception(found)
            else:
                looking.set_result(found)

        def work() -> None:
            found: list[str] | NotResolved
            try:
                found = self._look_up(name)
            except (OSError, UnicodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else None
                found = NotResolved(f"the name {name} is not known: {reason or error}")
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(told, found)

        try:
            # a daemon, so that stopping does not wait for it
            threading.Thread(target=work, name="gatecrash-name", daemon=True).start()
        except RuntimeError as error:
            told(NotResolved(f"the name {name} could not be looked up: {error}"))

    def _keep(self, name: str, found: list[str] | NotResolved, now: float) -> None:
        self._kept.pop(name, None)
        while len(self._kept) >= _KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        self._kept[name] = _Kept(found, now + (_FAILURE_KEPT_S if isinstance(found, NotResolved) else _KEPT_S))
