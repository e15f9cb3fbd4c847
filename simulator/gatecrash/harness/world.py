"""Where a story happens: a gateway and a merchant that can be spoken to, killed and brought back, and a
time that passes.

A story, the customer and the oracles know only this interface; whether hosts are processes on a real
machine or coroutines in simulated time is the business of ``worlds/``.
"""

import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any, Self, TypeVar

from gatecrash.harness.history import Note
from gatecrash.harness.merchant_profile import MerchantProfile
from gatecrash.harness.templates import Command

T = TypeVar("T")
#: How long a process may take to be gone that has closed its connections.
ENDS_WITHIN_S = 0.5
#: How long a look at a condition takes on an idle machine, at most; and how much slower a busy one may be.
LOOK_S, BUSY = 0.025, 10
#: How much of a body that is no JSON is kept: a page with the fields of its forms.
_TEXT = 100_000
LAST_WORDS = 12


class SetupFailed(RuntimeError):
    """The world cannot be set up or has broken by itself; says what was tried and what to do. Never a
    verdict.
    """


class CannotPlay(SetupFailed):
    """This story cannot be played to this merchant, which is no fault of either. Others can: the run goes on without it."""


class NeverBack(SetupFailed):
    """The merchant was killed, started again on its old data, and ended by itself: a bug of the merchant, and a verdict."""


class Host(Enum):
    GATEWAY = "gateway"
    MERCHANT = "merchant"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, or the lack of one: `status` is 0 when none came, and `error` says why; `timed_out` when whoever was asked
    took the request and stayed silent.

    `body` is the parsed JSON, None when it was empty or something else; `text` is how it began then. `headers` are in the order
    in which they came, a name as often as it was there.
    """

    status: int
    body: Any = None
    error: str = ""
    text: str = ""
    timed_out: bool = False
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def read(cls, status: int, raw: bytes, headers: Mapping[str, str] | None = None) -> Self:
        """An answer that came whole."""
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = None
        text = "" if body is not None else raw[:_TEXT].decode(errors="replace")
        return cls(status, body, text=text, headers=tuple((headers or {}).items()))

    def header(self, name: str) -> str | None:
        """The first header of this name."""
        return next(iter(self.all_headers(name)), None)

    def all_headers(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @classmethod
    def silence(cls, timeout_s: float) -> Self:
        """Nothing came for so long."""
        return cls(0, error=f"no answer within {timeout_s:g} s", timed_out=True)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def told(self, length: int = 300) -> str:
        """The answer in a message: `201 {"id": 7}`, cut to so many characters."""
        if self.status == 0:
            return f"nothing ({self.error})"
        if self.body is not None:
            said = json.dumps(self.body, ensure_ascii=False)
        else:
            said = f"with a body that is no JSON: {self.text[:length]!r}" if self.text else "without a body"
        return f"{self.status} {said if len(said) <= length else said[: length - 1] + '…'}"


class World(ABC):
    """The primitives that differ between worlds. An async context manager: on leaving, nothing of it is
    left.

    `values` fill the profile's placeholders; what is learned on the way (the webhook secret) is added
    before the merchant is first brought up.
    """

    name: str
    profile: MerchantProfile
    values: dict[str, Any]
    cart: str = "cart"  #: what the customer's browser calls its orders, with a number; new to the merchant
    notes: list[Note]  #: what the world itself did to its hosts
    explores = False  #: whether faults of its own may strike, beside the story's, until the calm
    calm_s = 0.0  #: left to the shop before a customer tries again: what it was asked to wait for is over then
    strike_s = math.inf  #: for so long a story waits for what may never come, once another fault has changed its course
    struck = False  #: whether one did: then a story may go on otherwise than it was told

    @abstractmethod
    async def __aenter__(self) -> Self:
        """Brings the gateway up and makes room for the merchant. Raises SetupFailed."""

    @abstractmethod
    async def __aexit__(self, *_: object) -> None: ...

    @abstractmethod
    async def request(
        self,
        host: Host,
        method: str,
        path: str,
        body: Any = None,
        *,
        form: bool = False,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 15.0,
        redirects: bool = True,
    ) -> Reply:
        """One HTTP exchange, over a connection that no dead host has had; the body goes as JSON, or as a form, and bytes go as
        they are. `redirects`: follow them. Network failures are Replies, not exceptions.
        """

    @abstractmethod
    async def start_merchant(self) -> None:
        """Brings the merchant up on its old port and database; does nothing when it is up. Raises SetupFailed, or NeverBack for
        one that was up before and now ends by itself.
        """

    @abstractmethod
    async def kill(self, host: Host) -> None:
        """SIGKILL, or what stands for it, and reaped: nothing of this incarnation acts any more on return."""

    async def run(self, command: Command, timeout_s: float) -> Reply:
        """What the program prints, read as the body of an answer; a Reply with an error when it fails. Raises SetupFailed where
        there is no room for programs.
        """
        raise SetupFailed(f"{command.told()}: no program can be run in the {self.name} world")

    @abstractmethod
    async def pause(self, seconds: float) -> None:
        """Lets the merchant's time pass. Used between two looks at a condition, never to time a fault."""

    async def shop_works(self, seconds: float) -> None:
        """Let the shop have so much time to work by itself: on a busy machine more than passes on the clock."""
        await self.pause(seconds)

    @abstractmethod
    def now(self) -> float:
        """The merchant's time, in seconds."""

    async def begin_faults(self, remembered: Callable[[], object]) -> None:  # noqa: B027 - most worlds have none
        """The stage is set: from now on faults of the world's own may strike. `remembered` tells how far the story has come, and
        what it and its oracles still know of what was.
        """

    async def end_faults(self) -> None:  # noqa: B027
        """The calm begins: none strikes any more, and what they held goes on."""

    def staff_asks(self, at_ms: int) -> None:  # noqa: B027
        """Staff asks the shop for a capture or a refund, at this sandbox time."""

    def missed(self) -> tuple[str, ...]:
        """Faults of the world's own that were to strike, and did not."""
        return ()

    @asynccontextmanager
    async def undisturbed(self) -> AsyncIterator[None]:
        """With everything up, and while no fault of the world's own may strike."""
        yield

    @contextmanager
    def at_once(self, count: int) -> Iterator[None]:
        """So many requests to the merchant are about to be made, and arrive at one moment, each over a connection of its own."""
        yield

    def wall_ms(self) -> int:
        """The wall clock that gateway and merchant read, in milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def merchant_ended(self) -> str:
        """How the merchant `ended by itself, with …` in a line, then its last words; nothing while it runs, or was killed."""
        return ""

    async def merchant_ends(self) -> str:
        """The same for a merchant that broke a connection just now: it is gone a moment later, if that was why."""

        async def ended() -> str:
            return self.merchant_ended()

        return await self.until(ended, within_s=ENDS_WITHIN_S) or ""

    def merchant_log(self) -> str:
        """What the merchant has printed and logged so far."""
        return ""

    def merchant_said(self) -> str:
        """The end of that, for a message about an answer that the shop should not have given."""
        lines = self.merchant_log().splitlines()[-LAST_WORDS:]
        return "\n".join(["", "  the shop's last words:", *(f"    {line[:300]}" for line in lines)]) if lines else ""

    def merchant_files(self) -> Mapping[str, str]:
        """What the merchant has written to its scratch directory, by name; bytes that are no text read as Latin-1."""
        return {}

    async def until(self, look: Callable[[], Awaitable[T]], *, within_s: float, every_s: float = 0.025) -> T | None:
        """The first truthy value of `look`, or None once `within_s` have passed without one, of the time of an idle machine.

        On a busy machine a look takes longer, and so does all that the hosts do. So a look counts for `LOOK_S` at most, and no
        more than `BUSY` times `within_s` pass in any case.
        """
        left, before = within_s, self.now()
        latest = before + BUSY * within_s
        while True:
            if found := await look():
                return found
            now = self.now()
            left -= min(now - before, every_s + LOOK_S)
            if left <= 0 or now >= latest:
                return None
            before = now
            await self.pause(every_s)
