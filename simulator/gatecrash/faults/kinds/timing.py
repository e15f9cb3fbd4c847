"""Faults of time: late, and never."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from msgspec import Meta

from gatecrash.faults.exchange import Exchange
from gatecrash.faults.kinds.kind import ATTEMPT_IS_OVER, NOBODY_WAITS, Effect, Kind

Seconds = Annotated[float, Meta(ge=0, le=86_400 * 30)]


class Delay(Kind):
    """Go on after `seconds`: of real time on a request's way, of sandbox time before a webhook attempt."""

    effect: ClassVar[Effect] = Effect.WAITS
    effect_at: ClassVar[Mapping[str, Effect]] = {"webhook.due": Effect.PUTS_OFF}
    refused: ClassVar[Mapping[str, str]] = {
        "response.sent": NOBODY_WAITS,
        "webhook.recorded": f"{ATTEMPT_IS_OVER}; delay the next one at webhook.due",
    }

    seconds: Seconds

    async def strike(self, exchange: Exchange) -> None:
        await exchange.delay(self.seconds)


class Hang(Kind):
    """Never answer. Ends when the other side leaves, the rule is removed, or `seconds` of real time pass."""

    effect: ClassVar[Effect] = Effect.ENDS
    refused: ClassVar[Mapping[str, str]] = {
        "response.sent": NOBODY_WAITS,
        "webhook.due": "an attempt that never starts is a drop, one that starts late is a delay",
        "webhook.acknowledged": "nothing is awaited between the answer and the record; use delay",
        "webhook.recorded": ATTEMPT_IS_OVER,
    }

    seconds: Seconds | None = None

    async def strike(self, exchange: Exchange) -> None:
        await exchange.hang(self.seconds)
