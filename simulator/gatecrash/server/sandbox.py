"""A sandbox, live: its clock, ids, faults and journal length, and what is in flight in it."""

import asyncio

import msgspec

from gatecrash.core.clock import Clock
from gatecrash.core.ids import Ids
from gatecrash.core.transaction import Context, Transaction
from gatecrash.core.vault import Vault
from gatecrash.faults.plane import Plane
from gatecrash.server.host import Host


class Sandbox:
    """`epoch` grows at each reset: whoever waited through one knows that its sandbox is gone."""

    def __init__(self, name: str, seed: str, created_at: int, clock: Clock, host: Host, vault: Vault) -> None:
        self.name = name
        self.seed = seed
        self.created_at = created_at
        self.clock = clock
        self.ids = Ids(seed)
        self.journal_length = 0
        self.plane = Plane()
        self.epoch = 0
        self.requests = 0
        self.attempts: dict[str, asyncio.Task[None]] = {}
        self.alarm: asyncio.TimerHandle | None = None
        self.moving = asyncio.Lock()
        # scope of keys → when those past their life were last removed, in sandbox time
        self.pruned_at: dict[str, int] = {}
        self._host = host
        self._vault = vault

    def now(self) -> int:
        """Sandbox time in milliseconds."""
        return self.clock.now(self._host.now())

    def context(self, tx: Transaction) -> Context:
        return Context(tx, self.name, self.now(), self.ids, self._vault)

    def begin_anew(self, real_now: int) -> None:
        """As if it had just come into being: ids, journal and clock start over."""
        self.ids.issued = self.journal_length = 0
        self.clock = Clock.at(real_now)

    def memory(self) -> tuple[int, int, Clock]:
        """What is kept here of the sandbox's row, to be remembered if a commit fails."""
        return self.ids.issued, self.journal_length, self.clock

    def remember(self, memory: tuple[int, int, Clock]) -> None:
        self.ids.issued, self.journal_length, self.clock = memory

    def row(self) -> tuple[str, str, int, int, int, str]:
        clock = msgspec.json.encode(self.clock).decode()
        return self.name, self.seed, self.created_at, self.ids.issued, self.journal_length, clock
