"""Faults of the connection: it breaks, rudely or politely."""

from collections.abc import Mapping
from typing import ClassVar

from gatecrash.faults.exchange import Exchange
from gatecrash.faults.kinds.kind import CONNECTION_IS_DONE, Effect, Kind

_NOT_OPEN = {
    "webhook.due": "no connection is open yet; use drop",
    "webhook.acknowledged": f"{CONNECTION_IS_DONE}; use drop to lose the answer",
    "webhook.recorded": CONNECTION_IS_DONE,
}


class Reset(Kind):
    """Break the connection with RST: the other side reads `connection reset by peer`."""

    effect: ClassVar[Effect] = Effect.ENDS
    refused: ClassVar[Mapping[str, str]] = _NOT_OPEN

    async def strike(self, exchange: Exchange) -> None:
        await exchange.cut(reset=True)


class Close(Kind):
    """Break the connection with FIN: the other side reads the end of the stream."""

    effect: ClassVar[Effect] = Effect.ENDS
    refused: ClassVar[Mapping[str, str]] = _NOT_OPEN

    async def strike(self, exchange: Exchange) -> None:
        await exchange.cut(reset=False)
