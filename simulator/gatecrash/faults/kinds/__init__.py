"""The kinds of fault, by name. Each is a small class: its fields are its params, `strike` is what it does."""

from typing import Any, Protocol

from gatecrash.faults.exchange import Exchange
from gatecrash.faults.kinds.answers import Status
from gatecrash.faults.kinds.connection import Close, Reset
from gatecrash.faults.kinds.deliveries import Drop, Duplicate
from gatecrash.faults.kinds.process import Crash
from gatecrash.faults.kinds.timing import Delay, Hang


class Kind(Protocol):
    async def strike(self, exchange: Exchange) -> None: ...


KINDS: dict[str, Any] = {
    "crash": Crash,
    "hang": Hang,
    "delay": Delay,
    "reset": Reset,
    "close": Close,
    "status": Status,
    "drop": Drop,
    "duplicate": Duplicate,
}
