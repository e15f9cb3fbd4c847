"""The gateway, whole and without a socket: what it knows, and those who tend its timers and webhooks."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

import msgspec

from gatecrash.core.clock import Clock
from gatecrash.core.errors import Refused
from gatecrash.dialects.interface import Dialect
from gatecrash.server.host import Host
from gatecrash.server.sandbox import Memory, Sandbox
from gatecrash.server.state import State, load_rules, sandbox_removed
from gatecrash.server.timekeeper import Timekeeper
from gatecrash.store.errors import StoreFailed
from gatecrash.store.interface import OF, START, Copied, SandboxRow, Sleeper, Store, StoreTransaction

T = TypeVar("T")

# how many sandboxes are looked at in one job
_PAGE = 200
# a sandbox is loaded at the latest after so long, if anything is to fall due in it
_LONGEST_S = 3600.0
# when the store fails, how long until it is tried again
_AGAIN_S = 1.0
# how long others have the store to themselves between two slices that are deleted
_BREATH_S = 0.01


class Gateway(State):
    """A state that is alive: what falls due in it happens."""

    def __init__(self, store: Store, host: Host, dialects: dict[str, Dialect] | None = None) -> None:
        super().__init__(store, host, dialects)
        self.timekeeper = Timekeeper(self)
        self.timers_changed = self.timekeeper.poke
        # sandbox that is not loaded → what loads it when its first timer is due
        self._alarms: dict[str, asyncio.TimerHandle] = {}
        # copies that failed, and are to be deleted
        self._failed: set[str] = set()
        self._sweeper: asyncio.Task[None] | None = None
        self._swept = True

    async def start(self) -> None:
        """Take up what an earlier process left. Whatever waits for its time there is looked for afterwards, a page at a time."""
        await self.store.submit("", self.take_over)
        task = asyncio.get_running_loop().create_task(self._set_alarms(self._asleep("")))
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    def take_over(self, tx: StoreTransaction) -> None:
        super().take_over(tx)
        self._sweep_in(tx)

    def _asleep(self, after: str) -> Sequence[Sleeper]:
        return self.store.look("", lambda tx: tx.asleep(after, _PAGE))

    async def _set_alarms(self, page: Sequence[Sleeper]) -> None:
        """Have each sandbox that an earlier process left loaded when its first timer is due."""
        loop = asyncio.get_running_loop()
        while page:
            for sleeper in page:
                if sleeper.first_timer_at is None or sleeper.name in self.sandboxes:
                    continue
                clock = msgspec.json.decode(sleeper.clock, type=Clock)
                wait_s = 0.0 if clock.mode == "auto" else clock.real_delay_s(sleeper.first_timer_at, self.host.now())
                if wait_s is not None:
                    self._alarms[sleeper.name] = loop.call_later(min(wait_s, _LONGEST_S), self._wake, sleeper.name)
            await asyncio.sleep(0)  # others have their turn
            page = self._asleep(page[-1].name)

    def _wake(self, name: str) -> None:
        """Load a sandbox, which then tends its timers itself."""
        del self._alarms[name]
        try:
            self.find_sandbox(name)
        except Refused:  # the store fails: tried again
            self._alarms[name] = asyncio.get_running_loop().call_later(_AGAIN_S, self._wake, name)

    async def close(self) -> None:
        for alarm in self._alarms.values():
            alarm.cancel()
        for task in list(self.running):
            task.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)
        await self.timekeeper.close()
        self.store.close()

    # --- sandboxes that begin anew. A crash leaves the old or the new, never half: however much a sandbox holds, one small commit
    # switches from one to the other. What is copied before it, and deleted after it, is so in slices

    async def reset(self, sandbox: Sandbox) -> None:
        """Empty a sandbox: objects, rules, clock, journal, books. Its seed and its snapshots stay."""
        async with sandbox.whole:
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

        async with sandbox.whole:
            await self._renew(sandbox, forget, undo)

    async def snapshot(self, sandbox: Sandbox, name: str) -> SandboxRow:
        """Keep a sandbox as it is now under a name of its own, in place of an older snapshot of that name."""
        row: SandboxRow
        unwritten: list[bytes]

        def begin(tx: StoreTransaction) -> int:
            nonlocal row, unwritten
            if sandbox.removed:
                raise sandbox_removed(sandbox)
            row, unwritten = sandbox.snapshot_row(sandbox.name + OF + name), self.journal.buffered(sandbox.name)
            return row.journal_length - len(unwritten)

        async with self._copying(sandbox) as copy:

            def end(tx: StoreTransaction) -> None:
                kept = tx.of(row.name)
                kept.become(copy)
                kept.keep_row(row)
                self.journal.add(kept, row.journal_length, unwritten)
                self._sweep_in(tx)

            with sandbox.standing():
                await self._copy(sandbox, sandbox.name, copy, begin, end)
        return row

    async def snapshots(self, sandbox: Sandbox) -> Sequence[SandboxRow]:
        return await self.store.submit(sandbox.name, lambda tx: tx.snapshots())

    async def restore(self, sandbox: Sandbox, name: str) -> SandboxRow:
        """Have a sandbox go on as it was when the snapshot was taken: objects, keys, timers, clock, ids, rules, journal."""
        row: SandboxRow

        def begin(tx: StoreTransaction) -> int:
            nonlocal row
            row = _snapshot(tx, name)  # refused before anything is cut off
            return row.journal_length

        async with self._copying(sandbox) as copy:
            await self._copy(sandbox, sandbox.name + OF + name, copy, begin)

            def put_back(tx: StoreTransaction) -> None:
                tx.become(copy)
                sandbox.begin_anew(row)
                load_rules(tx, sandbox)
                sandbox.linter = None

            await self._renew(sandbox, put_back)
        if row.strict:
            self.catch_up(sandbox, row.journal_length)
        return row

    async def remove_snapshot(self, sandbox: Sandbox, name: str) -> SandboxRow:
        """Take a snapshot away; gives what it was."""

        def remove(tx: StoreTransaction) -> SandboxRow:
            row = _snapshot(tx, name, "snapshot")
            tx.of(row.name).remove()
            self._sweep_in(tx)
            return row

        async with sandbox.whole:
            return await self.store.submit(sandbox.name, remove)

    @asynccontextmanager
    async def _copying(self, sandbox: Sandbox) -> AsyncIterator[str]:
        """Under which name a copy is made beside a sandbox, one at a time. What is left of it is deleted."""
        copy = sandbox.name + OF
        async with sandbox.whole:
            self._failed.discard(copy)
            try:
                yield copy
            except Exception:
                self._failed.add(copy)
                self._sweep_soon()
                raise

    async def _copy(
        self,
        sandbox: Sandbox,
        source: str,
        copy: str,
        begin: Callable[[StoreTransaction], int],
        end: Callable[[StoreTransaction], None] = lambda tx: None,
    ) -> None:
        """Copy records and journal of `source` to `copy`, a slice a commit.

        `begin` is called in the first commit and tells up to which entry the journal is copied; `end` is called in the last one.
        """
        so_far: Copied | None = START
        until = 0

        def work(tx: StoreTransaction, so_far: Copied) -> Copied | None:
            nonlocal until
            if so_far == START:
                until = begin(tx)
                tx.of(copy).wipe()
            further = tx.of(copy).copy_from(source, so_far, until)
            if further is None:
                end(tx)
            return further

        while so_far is not None:
            so_far = await self.store.submit(sandbox.name, partial(work, so_far=so_far))

    # --- what belongs to no sandbox any more

    def _sweep_in(self, tx: StoreTransaction) -> None:
        """Delete what was taken away; what is too much for this commit, afterwards."""
        if tx.sweep():
            self._sweep_soon()

    def _sweep_soon(self) -> None:
        self._swept = False
        if self._sweeper is None or self._sweeper.done():
            self._sweeper = asyncio.get_running_loop().create_task(self._sweep())
            self.running.add(self._sweeper)
            self._sweeper.add_done_callback(self.running.discard)

    async def _sweep(self) -> None:
        """Delete what was taken away, and copies that failed, a slice a commit, until nothing is left."""
        failed: set[str] = set()

        def work(tx: StoreTransaction) -> bool:
            nonlocal failed
            failed = set(self._failed)  # now: one that was begun anew is none any more
            for copy in failed:
                tx.of(copy).wipe()
            return tx.sweep()

        while not self._swept:
            self._swept = True  # unless somebody takes something away from now on
            try:
                more = await self.store.submit("", work)
            except StoreFailed:
                self._swept = False
                await asyncio.sleep(_AGAIN_S)
                continue
            self._failed -= failed
            if more:
                self._swept = False
                await asyncio.sleep(_BREATH_S)

    async def _renew(self, sandbox: Sandbox, fill: Callable[[StoreTransaction], T], undo: Callable[[], None] = lambda: None) -> T:
        """Cut off what is in flight in a sandbox, empty it, and have `fill` say what it is now."""
        sandbox.epoch += 1
        sandbox.end_life()
        sandbox.down = False  # whatever comes of it: stopping takes away the alarm that would bring it up
        sandbox.plane.let_go()
        await self.timekeeper.stop(sandbox)
        before: Memory | None = None
        unwritten: list[bytes] = []

        def renew(tx: StoreTransaction) -> T:
            nonlocal before, unwritten
            if sandbox.removed:
                raise sandbox_removed(sandbox)
            before, unwritten = sandbox.memory(), self.journal.buffered(sandbox.name)
            tx.wipe()
            filled = fill(tx)
            self._sweep_in(tx)
            self.journal.forget(sandbox)
            self.journal.touch(sandbox)
            return filled

        def keep_old() -> None:
            if before is not None:
                undo()
                sandbox.remember(before)
                self.journal.give_back(sandbox, unwritten)

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
