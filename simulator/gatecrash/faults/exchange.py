"""What a fault can do to what it strikes. Kinds call these; the pipeline and the courier provide them."""

from typing import Any, Protocol

from msgspec import Struct


class Window(Struct):
    """A stretch of sandbox time up to `ends_at` (milliseconds), in which `passed` requests were let through."""

    ends_at: int
    passed: int = 0


class Broken(Exception):
    """The exchange is over: no further byte, nothing that was not committed yet happens."""


class Instead(Exception):
    """Answer with this, and go no further."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes, content_type: str) -> None:
        super().__init__(f"injected {status}")
        self.status, self.headers, self.body, self.content_type = status, headers, body, content_type


class Exchange(Protocol):
    """A request, or one attempt to deliver a webhook, held at `station` by the rule `held_by`, whose window is `window`."""

    station: str
    held_by: str
    window: Window | None

    async def crash(self, down_s: float) -> None:
        """SIGKILL this gateway; its supervisor starts it again after `down_s`."""

    async def crash_sandbox(self, down_s: float) -> None:
        """The same, as far as its sandbox is concerned."""

    async def delay(self, seconds: float) -> None:
        """Go on later."""

    async def hang(self, seconds: float | None) -> None:
        """Never go on: until the other side leaves, the rule is removed, or `seconds` pass; then broken."""

    async def cut(self, *, reset: bool) -> None:
        """Break the connection: with RST, or with FIN."""


class RequestExchange(Exchange, Protocol):
    """A request on its way through the gateway, and its answer."""

    async def answer(self, status: int, headers: dict[str, str], body: bytes, content_type: str) -> None:
        """Answer this instead."""

    async def truncate(self, size: int | None) -> None:
        """End the connection after `size` bytes of the answer's body; None is half of it."""

    async def drip(self, size: int, interval_s: float) -> None:
        """Send the rest of the answer `size` bytes at a time."""

    async def garbage(self, size: int) -> None:
        """Send `size` bytes that mean nothing instead of the answer, or behind it; or fill the rest of its body with them."""

    async def decline(self, decline_code: str) -> None:
        """Have the issuer say no when the outcome is computed for good."""

    async def limit(self, allowed: str) -> None:
        """Refuse it until `window` ends, since more came than what is allowed."""


class AttemptExchange(Exchange, Protocol):
    """One attempt to deliver a webhook."""

    async def drop(self) -> None:
        """Lose what would go out, or what came back."""

    async def duplicate(self, count: int, *, at_once: bool) -> None:
        """Send it `count` times more: afterwards, or at one moment with the attempt itself."""

    async def hold(self, event_type: str | None, count: int, seconds: float) -> None:
        """Put it off until `count` later events (of a type) were on their way to its endpoint, or `seconds` have passed."""

    async def forge(self) -> None:
        """Sign it with secrets that are not the endpoint's."""

    async def tamper(self, changes: dict[str, Any]) -> None:
        """Change its body once it is signed: path → value; without any, the amount."""

    async def stale(self, age_s: float) -> None:
        """Sign it as if it had been sent so long ago."""
