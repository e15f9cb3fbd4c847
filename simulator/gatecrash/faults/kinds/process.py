"""Faults of the process: it dies."""

from typing import Annotated

from msgspec import Meta

from gatecrash.faults.exchange import Exchange
from gatecrash.faults.kinds.kind import Kind


class Crash(Kind):
    """SIGKILL of the gateway, which comes back after `down_s`; connections are refused meanwhile."""

    down_s: Annotated[float, Meta(ge=0, le=3600)] = 0.2

    def kills(self) -> bool:
        return True

    async def strike(self, exchange: Exchange) -> None:
        await exchange.crash(self.down_s)
