"""What every exchange can suffer, whichever way it goes: a crash, and being held."""

import asyncio
from typing import Any

from gatecrash.faults.exchange import Broken, Window
from gatecrash.server.sandbox import Sandbox
from gatecrash.server.state import State


class Holding:
    """Shared by requests and webhook attempts. `left` is set when the other side goes away."""

    def __init__(self, state: State, sandbox: Sandbox) -> None:
        self._state = state
        self._sandbox = sandbox
        self.epoch = sandbox.epoch
        self._ended = sandbox.ended
        self.station = ""
        self.held_by = ""
        self.window: Window | None = None
        self.left: asyncio.Event | None = None

    async def crash(self, down_s: float) -> None:
        crash = self._state.host.crash
        assert crash is not None, "rules that crash are refused where nothing would start the gateway again"
        crash(down_s)

    async def crash_sandbox(self, down_s: float) -> None:
        self.check_life()
        self._state.crash_sandbox(self._sandbox, down_s)
        raise Broken("a fault rule crashed the sandbox")

    async def delay(self, seconds: float) -> None:
        await self.pause(seconds, self.held_by)

    async def pause(self, seconds: float, rule_id: str) -> None:
        """Go on later, or as soon as the rule is removed."""
        await self._wait(seconds, self._sandbox.plane.removal(rule_id))
        self.check_life()

    async def hang(self, seconds: float | None) -> None:
        self.left = self.left or asyncio.Event()
        await self._wait(seconds, self._sandbox.plane.removal(self.held_by), self.left)
        raise Broken("a fault rule held it until nobody waited any more")

    async def _wait(self, seconds: float | None, *events: asyncio.Event) -> None:
        """Until one of the events, the end of the sandbox's life, or so many seconds of real time."""
        waits = [asyncio.ensure_future(event.wait()) for event in (*events, self._ended)]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def note(self, kind: str, fields: dict[str, Any]) -> None:
        """Tell the journal; not that of a sandbox that began anew meanwhile, for it has nothing to do with that one."""
        if self._sandbox.epoch == self.epoch:
            self._state.journal.note(self._sandbox, kind, fields)

    @property
    def is_over(self) -> bool:
        """Whether the life of the sandbox that this belongs to has ended."""
        return self._ended.is_set()

    def check_life(self) -> None:
        """Broken, if the sandbox was reset, restored, removed or crashed meanwhile."""
        if self.is_over:
            raise Broken("the sandbox crashed" if self._sandbox.epoch == self.epoch else "the sandbox was reset")
