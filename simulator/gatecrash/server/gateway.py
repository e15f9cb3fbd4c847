"""The gateway, whole and without a socket: what it knows, and those who tend its timers and webhooks."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from gatecrash.core.errors import Refused
from gatecrash.dialects.interface import Dialect
from gatecrash.server import strict
from gatecrash.server.host import Host
from gatecrash.server.sandbox import Memory, Sandbox
from gatecrash.server.state import State, load_rules, sandbox_removed
from gatecrash.server.timekeeper import Timekeeper
from gatecrash.store.interface import OF, SandboxRow, Store, StoreTransaction

T = TypeVar("T")


class Gateway(State):
    """A state that is alive: what falls due in it happens."""

    def __init__(self, store: Store, host: Host, dialects: dict[str, Dialect] | None = None) -> None:
        super().__init__(store, host, dialects)
        self.timekeeper = Timekeeper(self)
        self.timers_changed = self.timekeeper.poke

    async def start(self) -> None:
        """Take up what an earlier process left: sandboxes, rules, timers; release claims whose work never committed."""
        with_timers = await self.store.submit("", self.load)
        for sandbox in self.sandboxes.values():
            self.journal.note(sandbox, "start", {})
        for name in with_timers:
            self.timekeeper.poke(self.sandboxes[name])

    async def close(self) -> None:
        for task in list(self.running):
            task.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)
        await self.timekeeper.close()
        self.store.close()

    # --- sandboxes that begin anew. Each is one commit: a crash leaves the old or the new, never half

    async def reset(self, sandbox: Sandbox) -> None:
        """Empty a sandbox: objects, rules, clock, journal, books. Its seed and its snapshots stay."""
        await self._renew(sandbox, lambda tx: sandbox.begin_anew())

    async def remove(self, sandbox: Sandbox) -> None:
        """Take a sandbox away, and its snapshots. Whoever names it again gets a new one."""

        def forget(tx: StoreTransaction) -> None:
            for row in tx.snapshots():
                tx.of(row.name).remove()
            tx.remove()
            sandbox.begin_anew()
            sandbox.removed = True
            del self.sandboxes[sandbox.name]

        def undo() -> None:
            sandbox.removed = False
            self.sandboxes[sandbox.name] = sandbox

        await self._renew(sandbox, forget, undo)

    async def snapshot(self, sandbox: Sandbox, name: str) -> SandboxRow:
        """Keep a sandbox as it is now under a name of its own, in place of an older snapshot of that name."""

        def copy(tx: StoreTransaction) -> SandboxRow:
            row = sandbox.snapshot_row(sandbox.name + OF + name)
            kept = tx.of(row.name)
            kept.remove()
            kept.keep_row(row)
            kept.copy_from(sandbox.name)
            self.journal.copy_pending(sandbox, kept)
            return row

        return await self.store.submit(sandbox.name, copy)

    async def snapshots(self, sandbox: Sandbox) -> Sequence[SandboxRow]:
        return await self.store.submit(sandbox.name, lambda tx: tx.snapshots())

    async def restore(self, sandbox: Sandbox, name: str) -> SandboxRow:
        """Have a sandbox go on as it was when the snapshot was taken: objects, keys, timers, clock, ids, rules, journal."""
        kept = sandbox.name + OF + name
        await self.store.submit(sandbox.name, lambda tx: _snapshot(tx, name))  # refused before anything is cut off

        def put_back(tx: StoreTransaction) -> SandboxRow:
            row = _snapshot(tx, name)
            tx.copy_from(kept)
            sandbox.begin_anew(row)
            load_rules(tx, sandbox)
            sandbox.linter = strict.caught_up(tx.journal(0)) if row.strict else None
            return row

        return await self._renew(sandbox, put_back)

    async def remove_snapshot(self, sandbox: Sandbox, name: str) -> SandboxRow:
        """Take a snapshot away; gives what it was."""

        def remove(tx: StoreTransaction) -> SandboxRow:
            row = _snapshot(tx, name, "snapshot")
            tx.of(row.name).remove()
            return row

        return await self.store.submit(sandbox.name, remove)

    async def _renew(self, sandbox: Sandbox, fill: Callable[[StoreTransaction], T], undo: Callable[[], None] = lambda: None) -> T:
        """Cut off what is in flight in a sandbox, empty it, and have `fill` say what it is now."""
        sandbox.epoch += 1
        sandbox.end_life()
        sandbox.down = False  # whatever comes of it: stopping takes away the alarm that would bring it up
        sandbox.plane.let_go()
        await self.timekeeper.stop(sandbox)
        before: Memory | None = None

        def renew(tx: StoreTransaction) -> T:
            nonlocal before
            if sandbox.removed:
                raise sandbox_removed(sandbox)
            before = sandbox.memory()
            tx.wipe()
            filled = fill(tx)
            self.journal.forget(sandbox)
            self.journal.touch(sandbox)
            return filled

        def keep_old() -> None:
            if before is not None:
                undo()
                sandbox.remember(before)

        try:
            return await self.store.submit(sandbox.name, renew, keep_old)
        finally:
            # what began between the cut and the commit belonged to what is gone
            await self.timekeeper.stop(sandbox)
            self.timekeeper.poke(sandbox)


def _snapshot(tx: StoreTransaction, name: str, param: str = "name") -> SandboxRow:
    """The row of a snapshot; `param` is the field that named it."""
    known = {row.name.partition(OF)[2]: row for row in tx.snapshots()}
    if name not in known:
        listed = ", ".join(sorted(known)[:20]) or "none yet"
        raise Refused("resource_missing", f"no snapshot {name[:60]!r} of this sandbox; there are: {listed}.", param)
    return known[name]
