"""Faults of delivery: webhooks that get lost, come more than once, or after others that are younger."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from msgspec import Meta

from gatecrash.faults.exchange import AttemptExchange
from gatecrash.faults.kinds.kind import Effect, Kind


class Drop(Kind):
    """Lose the attempt before it is sent, or its answer once it is: it counts as failed, and the schedule goes on."""

    effect: ClassVar[Effect] = Effect.ENDS
    refused: ClassVar[Mapping[str, str]] = {
        "request": "a request cannot be un-asked; use reset or close to lose its answer",
        "webhook.recorded": "the outcome is recorded; drop it at webhook.acknowledged",
    }

    async def strike(self, exchange: AttemptExchange) -> None:
        await exchange.drop()


class Duplicate(Kind):
    """Send the attempt `count` times more than asked: one after another, or all of them `at_once`, to arrive at one moment."""

    effect: ClassVar[Effect] = Effect.CHANGES
    adds_up: ClassVar[bool] = True
    refused: ClassVar[Mapping[str, str]] = {
        "request": "only webhooks are sent by the gateway; to repeat a request, send it again",
        "webhook.sent": "copies are ordered before sending; use webhook.due",
        "webhook.acknowledged": "copies are ordered before sending; use webhook.due, or webhook.recorded",
    }

    count: Annotated[int, Meta(ge=1, le=100)] = 1
    at_once: bool = False

    async def strike(self, exchange: AttemptExchange) -> None:
        await exchange.duplicate(self.count, at_once=self.at_once)


_ON_ITS_WAY = "the attempt is on its way by then; use webhook.due"


class Hold(Kind):
    """Hold the attempt back until `count` later events (of type `until`) were on their way to the same endpoint.

    It ends at the latest after `seconds` of sandbox time, or when the rule is removed.
    """

    effect: ClassVar[Effect] = Effect.PUTS_OFF
    refused: ClassVar[Mapping[str, str]] = {
        "request": "a request waits for nothing but itself; use delay or hang",
        "webhook.sent": _ON_ITS_WAY,
        "webhook.acknowledged": _ON_ITS_WAY,
        "webhook.recorded": _ON_ITS_WAY,
    }

    events: ClassVar[tuple[str, ...]] = ("until",)

    until: str | None = None
    count: Annotated[int, Meta(ge=1, le=100)] = 1
    seconds: Annotated[float, Meta(gt=0, le=86_400 * 30)] = 3600

    async def strike(self, exchange: AttemptExchange) -> None:
        await exchange.hold(self.until, self.count, self.seconds)
