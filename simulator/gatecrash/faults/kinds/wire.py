"""Faults of the answer's bytes: too few of them, too slow, or others."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from msgspec import Meta

from gatecrash.faults.exchange import RequestExchange
from gatecrash.faults.kinds.kind import ALL_IS_SENT, HALF_IS_SENT, NO_ANSWER_YET, NOTHING_OURS, Effect, Kind

_BEFORE_THE_ANSWER = dict.fromkeys(("request.received", "operation.claimed", "operation.executed"), NO_ANSWER_YET)
Size = Annotated[int, Meta(ge=1, le=65_536)]


class Truncate(Kind):
    """Send the head, which promises the whole body, and `size` bytes of it (half, by default); then end the connection."""

    effect: ClassVar[Effect] = Effect.CHANGES
    refused: ClassVar[Mapping[str, str]] = {
        **_BEFORE_THE_ANSWER,
        "response.partial": f"{HALF_IS_SENT}; close ends it there",
        "response.sent": ALL_IS_SENT,
        "webhook": f"{NOTHING_OURS}; to send a webhook that says something else, use tamper",
    }

    size: Annotated[int, Meta(ge=0, le=1_048_576)] | None = None

    async def strike(self, exchange: RequestExchange) -> None:
        await exchange.truncate(self.size)


class Drip(Kind):
    """Send what is left of the answer `size` bytes at a time, with `interval_s` real seconds between them."""

    effect: ClassVar[Effect] = Effect.CHANGES
    refused: ClassVar[Mapping[str, str]] = {
        **_BEFORE_THE_ANSWER,
        "response.sent": ALL_IS_SENT,
        "webhook": f"{NOTHING_OURS}; to be slow in delivering, use delay",
    }

    size: Size = 1
    interval_s: Annotated[float, Meta(gt=0, le=3600)] = 0.1

    async def strike(self, exchange: RequestExchange) -> None:
        await exchange.drip(self.size, self.interval_s)


class Garbage(Kind):
    """Send bytes that mean nothing: `size` of them instead of the answer, or behind it; or the rest of its body."""

    effect: ClassVar[Effect] = Effect.ENDS
    effect_at: ClassVar[Mapping[str, Effect]] = {"response.partial": Effect.CHANGES, "response.sent": Effect.CHANGES}
    refused: ClassVar[Mapping[str, str]] = {"webhook": f"{NOTHING_OURS}; to send a webhook that says something else, use tamper"}

    size: Size = 64

    async def strike(self, exchange: RequestExchange) -> None:
        await exchange.garbage(self.size)
