"""What a fault can do to what it strikes. Kinds call these; the pipeline and the courier provide them."""

from typing import Protocol


class Broken(Exception):
    """The exchange is over: no further byte, nothing that was not committed yet happens."""


class Instead(Exception):
    """Answer with this, and go no further."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes, content_type: str) -> None:
        super().__init__(f"injected {status}")
        self.status, self.headers, self.body, self.content_type = status, headers, body, content_type


class Exchange(Protocol):
    """A request, or one attempt to deliver a webhook, held at a station by the rule `held_by`."""

    held_by: str

    async def crash(self, down_s: float) -> None:
        """SIGKILL this gateway; its supervisor starts it again after `down_s`."""

    async def delay(self, seconds: float) -> None:
        """Go on later."""

    async def hang(self, seconds: float | None) -> None:
        """Never go on: until the other side leaves, the rule is removed, or `seconds` pass; then broken."""

    async def cut(self, *, reset: bool) -> None:
        """Break the connection: with RST, or with FIN."""

    async def answer(self, status: int, headers: dict[str, str], body: bytes, content_type: str) -> None:
        """Answer this instead."""

    async def drop(self) -> None:
        """Lose what would go out, or what came back."""

    async def duplicate(self, count: int) -> None:
        """Send it `count` times more."""
