"""What a store is to the shell: transactions that hold the core's records, and sandboxes, journals and snapshots beside them.

SQLite fills this; another database fills it with the same words. Nobody above the store writes SQL.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from gatecrash.core.transaction import Transaction
from gatecrash.store.errors import StoreFailed

T = TypeVar("T")

# what parts a sandbox's name from a snapshot's: no name holds it, so a snapshot is a sandbox that no key opens
OF = "@"


class SandboxRow(NamedTuple):
    """A sandbox but for its records: `created_at` in real time, `clock` as JSON of core.clock.Clock."""

    name: str
    seed: str
    created_at: int
    ids_issued: int
    journal_length: int
    clock: str
    strict: bool = False


class Sleeper(NamedTuple):
    """A sandbox that no process has loaded: its `clock` as in its row, and when its first timer is due, in sandbox time."""

    name: str
    clock: str
    first_timer_at: int | None


class Copied(NamedTuple):
    """How far a copy has come: up to which key of which table."""

    table: int = 0
    key: tuple[Any, ...] = ()


#: Of a copy, nothing yet.
START = Copied()


class StoreTransaction(Transaction, Protocol):
    """One commit, as the shell sees it. It is bound to one sandbox, or to one snapshot of one."""

    def of(self, sandbox: str) -> "StoreTransaction":
        """The same commit, bound to another sandbox."""

    def sandboxes(self) -> Sequence[SandboxRow]:
        """Every sandbox, snapshots not among them."""

    def asleep(self, after: str, limit: int) -> Sequence[Sleeper]:
        """At most `limit` sandboxes whose names follow `after`, in order, snapshots not among them."""

    def snapshots(self) -> Sequence[SandboxRow]:
        """The snapshots of this sandbox, by name."""

    def row(self) -> SandboxRow | None:
        """This sandbox, if there is one."""

    def keep_row(self, row: SandboxRow) -> None:
        """Add a sandbox, or write over the one of this name; `created_at` stays as it was."""

    def remove(self) -> None:
        """Take away this sandbox: records, journal, row. It costs the same however much it holds; `sweep` deletes it."""

    def wipe(self) -> None:
        """Take away its records and journal, in the same way; the row stays."""

    def copy_from(self, other: str, so_far: Copied, journal_until: int) -> Copied | None:
        """Add records and journal of another sandbox, as many as one commit may, where `so_far` ended. None, once that is all.

        What was claimed there and not committed stays behind, and so do journal entries numbered above `journal_until`.
        """

    def become(self, other: str) -> None:
        """Have the records and the journal of another sandbox instead of its own; the other one is left with none."""

    def end_copies(self) -> None:
        """Take away copies that came to no end: all that is named `NAME@`."""

    def sweep(self) -> bool:
        """Delete what was taken away, as much as one commit may. Returns whether there may be more."""

    def release_claims(self) -> None:
        """Take away, in every sandbox, claims whose work never committed."""

    def add_journal(self, last_seq: int, entries: str) -> None:
        """Append a JSON array of entries, the last of them numbered `last_seq`."""

    def journal(self, after: int) -> Iterator[tuple[int, str]]:
        """The arrays that hold entries numbered above `after`, in order, each behind the number of its last entry."""

    def probe(self) -> None:
        """Write something that changes nothing, to see whether the store can still be written."""

    def mark(self, key: str, value: str) -> str:
        """What the store itself is marked with under `key`: `value`, if it had no mark yet."""


class Buffer(Protocol):
    """What is kept outside the store until the next group commits, and is written with it."""

    def write(self, tx: StoreTransaction) -> None:
        """Add what is buffered to the group. `store.errors.Unwritable` names the one sandbox whose part cannot be written."""

    def written(self) -> None:
        """The group is committed: what was written is durable."""

    def drop(self, sandbox: str) -> None:
        """Remove what is buffered for this sandbox, since it cannot be written: no later group may fail because of it."""


class Store(Protocol):
    """Runs jobs in groups, each group one durable commit.

    `trouble`: why nothing can be written at the moment, and everything is refused. `damage`: what was found that no retry mends.
    """

    @property
    def trouble(self) -> StoreFailed | None: ...

    @property
    def damage(self) -> StoreFailed | None: ...

    def before_commit(self, buffer: Buffer) -> None:
        """Have what is buffered written with every group."""

    def submit(
        self, sandbox: str, work: Callable[[StoreTransaction], T], undo: Callable[[], None] | None = None
    ) -> "asyncio.Future[T]":
        """Run `work` in the next group. The future is done when the group is durable, or holds what `work` raised.

        `undo` is called if the job had begun and its writes were rolled back.
        """

    def look(self, sandbox: str, work: Callable[[StoreTransaction], T]) -> T:
        """Run `work`, which only reads a few rows, at once and outside of all groups."""

    def schedule_within(self, seconds: float) -> None:
        """Have a group commit happen soon, if none comes along before."""

    def close(self) -> None:
        """Commit what waits, and let go of the database."""
