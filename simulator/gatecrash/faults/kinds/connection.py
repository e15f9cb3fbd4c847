"""Faults of the connection: it breaks, rudely or politely."""

from msgspec import Struct

from gatecrash.faults.exchange import Exchange


class Reset(Struct, forbid_unknown_fields=True):
    """Break the connection with RST: the other side reads `connection reset by peer`."""

    async def strike(self, exchange: Exchange) -> None:
        await exchange.cut(reset=True)


class Close(Struct, forbid_unknown_fields=True):
    """Break the connection with FIN: the other side reads the end of the stream."""

    async def strike(self, exchange: Exchange) -> None:
        await exchange.cut(reset=False)
