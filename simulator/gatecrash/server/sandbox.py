"""A sandbox, live: its clock, ids, faults and journal length, and what is in flight in it."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec

from gatecrash.core.clock import Clock
from gatecrash.core.facts import Hearer
from gatecrash.core.ids import Ids
from gatecrash.core.transaction import Context, Transaction
from gatecrash.core.vault import Vault
from gatecrash.faults.exchange import Broken
from gatecrash.faults.plane import Plane
from gatecrash.lint import Linter
from gatecrash.server.host import Host
from gatecrash.server.rests import Rests
from gatecrash.sockets import break_connection
from gatecrash.store.interface import SandboxRow


class Moving:
    """Who is moving the clock: since when (`since`, real time), from `begin` to `target` (sandbox time), in which task."""

    def __init__(self, since: int, begin: int, target: int, task: "asyncio.Task[Any]") -> None:
        self.since, self.begin, self.target, self.task = since, begin, target, task
        self.is_stopped = False

    def stop(self) -> None:
        """Have it go no further."""
        self.is_stopped = True
        self.task.cancel()


class Memory(NamedTuple):
    """What is kept here of a sandbox, to be remembered if a commit fails."""

    ids: Ids
    issued: int
    seed: str
    journal_length: int
    clock: Clock
    plane: Plane
    linter: Linter | None


class Sandbox:
    """`epoch` grows whenever it begins anew; `ended` is set then, and when it crashes: who waited through that goes no further.

    `removed`: it is no more, and nothing of it is to be written.
    """

    def __init__(self, name: str, seed: str, created_at: int, clock: Clock, host: Host, vault: Vault) -> None:
        self.name = name
        self.seed = seed
        self.created_at = created_at
        self.clock = clock
        self.ids = Ids(seed)
        self.journal_length = 0
        self.plane = host.plane()
        self.epoch = 0
        self.removed = False
        self.ended = asyncio.Event()
        # held by whoever copies, empties or removes the whole of it
        self.whole = asyncio.Lock()
        # there while it is copied as it is: set once it may be written again
        self.copied: asyncio.Event | None = None
        self.down = False
        self._connections: set[asyncio.Transport] = set()
        self.requests = 0
        # webhook attempts in flight: endpoint → delivery → task
        self.attempts: dict[str, dict[str, asyncio.Task[None]]] = {}
        self.rests = Rests()
        # somebody is about to look at what is due
        self.poked = False
        self.alarm: asyncio.TimerHandle | None = None
        self.moving: Moving | None = None
        # scope of keys → when those past their life were last removed, in sandbox time
        self.pruned_at: dict[str, int] = {}
        # there in strict mode: what reads the journal as it is written
        self.linter: Linter | None = Linter() if host.strict else None
        # what has the linter read the journal that was there before it
        self.catching_up: asyncio.Task[None] | None = None
        self._host = host
        self._vault = vault

    def now(self, real: int | None = None) -> int:
        """Sandbox time in milliseconds, at a real time: by default the present one."""
        return self.clock.now(self._host.now() if real is None else real)

    def context(self, tx: Transaction, hearers: Sequence[Hearer]) -> Context:
        return Context(tx, self.name, self.now(), self.ids, self._vault, hearers=hearers)

    def end_life(self) -> None:
        """Cut off whatever is held at a station; what was computed and not committed is not to be."""
        self.ended.set()
        self.ended = asyncio.Event()

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Nothing is written to it meanwhile: who wants to waits in `may_be_written`."""
        copied = self.copied = asyncio.Event()
        try:
            yield
        finally:
            self.copied = None
            copied.set()

    async def may_be_written(self) -> None:
        while self.copied is not None:
            await self.copied.wait()

    def attempts_in_flight(self) -> list[asyncio.Task[None]]:
        return [task for lane in self.attempts.values() for task in lane.values()]

    # --- connections

    def admit(self, connection: asyncio.Transport | None) -> None:
        """A request came over this connection; Broken, while the sandbox is down."""
        if self.down:
            raise Broken("the sandbox is down")
        if connection is not None:
            self._connections.add(connection)

    def let_go(self, connection: asyncio.Transport | None) -> None:
        """It was answered."""
        if connection is not None:
            self._connections.discard(connection)

    def break_connections(self) -> None:
        """Reset those over which a request is in flight."""
        for connection in self._connections:
            break_connection(connection, reset=True)
        self._connections.clear()

    @classmethod
    def of(cls, row: SandboxRow, host: Host, vault: Vault) -> "Sandbox":
        """The sandbox that a row tells of."""
        sandbox = cls(row.name, row.seed, row.created_at, msgspec.json.decode(row.clock, type=Clock), host, vault)
        sandbox.ids.issued, sandbox.journal_length = row.ids_issued, row.journal_length
        return sandbox

    def begin_anew(self, row: SandboxRow | None = None) -> None:
        """As if it had just come into being; or as it was when `row` was taken, its time going on from then."""
        real_now = self._host.now()
        self.epoch += 1
        self.end_life()
        self.down = False
        self.plane = self._host.plane()
        self.rests = Rests()
        self.pruned_at = {}
        self.catching_up = None
        if row is None:
            self.ids = Ids(self.seed)
            self.journal_length = 0
            self.clock = Clock.at(real_now)
        else:
            self.seed = row.seed
            self.ids = Ids(row.seed, row.ids_issued)
            self.journal_length = row.journal_length
            self.clock = msgspec.json.decode(row.clock, type=Clock)
            self.clock.since = real_now

    def memory(self) -> Memory:
        return Memory(self.ids, self.ids.issued, self.seed, self.journal_length, self.clock, self.plane, self.linter)

    def remember(self, memory: Memory) -> None:
        self.ids, self.ids.issued, self.seed, self.journal_length, self.clock, self.plane, self.linter = memory

    def row(self) -> SandboxRow:
        clock = msgspec.json.encode(self.clock).decode()
        return SandboxRow(
            self.name, self.seed, self.created_at, self.ids.issued, self.journal_length, clock, self.linter is not None
        )

    def snapshot_row(self, name: str) -> SandboxRow:
        """The row of a snapshot taken now: its clock tells sandbox time from this moment on."""
        real_now = self._host.now()
        clock = msgspec.structs.replace(self.clock, anchor=self.clock.now(real_now), since=real_now)
        return self.row()._replace(name=name, created_at=real_now, clock=msgspec.json.encode(clock).decode())
