"""Faults of the process: it dies."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from gatecrash.faults.exchange import Exchange
from gatecrash.faults.kinds.kind import Effect, Kind


class Crash(Kind):
    """SIGKILL of the gateway, which comes back after `down_s`; connections are refused meanwhile.

    With the scope `sandbox` only that sandbox dies: what is in flight in it is cut and what is not committed never was;
    meanwhile every connection that comes for it is reset. Nobody else notices.
    """

    effect: ClassVar[Effect] = Effect.ENDS
    down_s: Annotated[float, Meta(ge=0, le=3600)] = 0.2
    scope: Literal["process", "sandbox"] = "process"

    def kills(self) -> bool:
        return self.scope == "process"

    async def strike(self, exchange: Exchange) -> None:
        await (exchange.crash(self.down_s) if self.kills() else exchange.crash_sandbox(self.down_s))
