"""Faults of delivery: webhooks that get lost, or come more than once."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from msgspec import Meta

from gatecrash.faults.exchange import AttemptExchange
from gatecrash.faults.kinds.kind import Kind


class Drop(Kind):
    """Lose the attempt before it is sent, or its answer once it is: it counts as failed, and the schedule goes on."""

    refused: ClassVar[Mapping[str, str]] = {
        "request": "a request cannot be un-asked; use reset or close to lose its answer",
        "webhook.recorded": "the outcome is recorded; drop it at webhook.acknowledged",
    }

    async def strike(self, exchange: AttemptExchange) -> None:
        await exchange.drop()


class Duplicate(Kind):
    """Send the attempt `count` times more than asked."""

    refused: ClassVar[Mapping[str, str]] = {
        "request": "only webhooks are sent by the gateway; to repeat a request, send it again",
        "webhook.sent": "copies are ordered before sending; use webhook.due",
        "webhook.acknowledged": "copies are ordered before sending; use webhook.due, or webhook.recorded",
    }

    count: Annotated[int, Meta(ge=1, le=100)] = 1

    async def strike(self, exchange: AttemptExchange) -> None:
        await exchange.duplicate(self.count)
