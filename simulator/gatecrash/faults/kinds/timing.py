"""Faults of time: late, and never."""

from typing import Annotated

from msgspec import Meta, Struct

from gatecrash.faults.exchange import Exchange

Seconds = Annotated[float, Meta(ge=0, le=86_400 * 30)]


class Delay(Struct, forbid_unknown_fields=True):
    """Go on after `seconds`: of real time on a request's way, of sandbox time before a webhook attempt."""

    seconds: Seconds

    async def strike(self, exchange: Exchange) -> None:
        await exchange.delay(self.seconds)


class Hang(Struct, forbid_unknown_fields=True):
    """Never answer. Ends when the other side leaves, the rule is removed, or `seconds` of real time pass."""

    seconds: Seconds | None = None

    async def strike(self, exchange: Exchange) -> None:
        await exchange.hang(self.seconds)
