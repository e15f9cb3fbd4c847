"""Faults of delivery: webhooks that get lost, or come more than once."""

from typing import Annotated

from msgspec import Meta, Struct

from gatecrash.faults.exchange import Exchange


class Drop(Struct, forbid_unknown_fields=True):
    """Lose the attempt before it is sent, or its answer once it is: it counts as failed, and the schedule goes on."""

    async def strike(self, exchange: Exchange) -> None:
        await exchange.drop()


class Duplicate(Struct, forbid_unknown_fields=True):
    """Send the attempt `count` times more than asked."""

    count: Annotated[int, Meta(ge=1, le=100)] = 1

    async def strike(self, exchange: Exchange) -> None:
        await exchange.duplicate(self.count)
