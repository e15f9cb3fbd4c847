"""The gateway, whole and without a socket: what it knows, and those who tend its timers and webhooks."""

import asyncio

from gatecrash.core.records import RECORDS
from gatecrash.dialects.interface import Dialect
from gatecrash.server.host import Host
from gatecrash.server.sandbox import Sandbox
from gatecrash.server.state import State
from gatecrash.server.timekeeper import Timekeeper
from gatecrash.store.sqlite import SqliteStore, SqliteTransaction


class Gateway(State):
    """A state that is alive: what falls due in it happens."""

    def __init__(self, store: SqliteStore, host: Host, dialects: dict[str, Dialect] | None = None) -> None:
        super().__init__(store, host, dialects)
        self.timekeeper = Timekeeper(self)
        self.timers_changed = self.timekeeper.poke

    async def start(self) -> None:
        """Take up what an earlier process left: sandboxes, rules, timers; release claims whose work never committed."""
        await self.store.submit("", self.load)
        for sandbox in self.sandboxes.values():
            self.journal.note(sandbox, "start", {})
            self.timekeeper.poke(sandbox)

    async def close(self) -> None:
        for task in list(self.running):
            task.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)
        await self.timekeeper.close()
        self.store.close()

    async def reset(self, sandbox: Sandbox) -> None:
        """Empty a sandbox: objects, rules, clock, journal, books. What is in flight in it is cut off."""
        sandbox.epoch += 1
        sandbox.plane.clear()
        await self.timekeeper.stop(sandbox)

        def wipe(tx: SqliteTransaction) -> None:
            for table in (*(kind.TABLE for kind in RECORDS), "journal"):
                tx.run(f"DELETE FROM {table} WHERE sandbox = ?", (sandbox.name,))  # noqa: S608 - our own table names
            sandbox.begin_anew(self.host.now())
            self.journal.forget(sandbox)
            self.journal.touch(sandbox)

        before = sandbox.memory()
        await self.store.submit(sandbox.name, wipe, lambda: sandbox.remember(before))
