"""A look at the whole of a world: a digest of everything that decides how it goes on and how it is judged."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

import msgspec

from gatecrash.core.records import Delivery, FaultRule
from gatecrash.faults.rule import Rule
from gatecrash.harness.oracles.recollection import Recollection
from gatecrash.harness.worlds.simulated import clock, databases, state
from gatecrash.harness.worlds.simulated.loop import VirtualLoop
from gatecrash.harness.worlds.simulated.points import EXPLORED
from gatecrash.harness.worlds.simulated.world import SimulatedWorld

#: What is kept of a sandbox beside the things themselves: it tells how they came to be.
_TOLD = frozenset({"journal", "lives", "meta", "sandboxes"})
#: What is sealed, or a digest of what names things: one is as good as another, as long as it is the same.
_OPAQUE = frozenset({"sealed_number", "sealed_secret", "sealed_old_secret", "fingerprint"})
_REFUNDS = "SELECT created_at FROM refunds"
_JOURNAL = "SELECT last_seq, entries FROM journal WHERE last_seq > ? ORDER BY last_seq"


class Look:
    """One world's state, as often as it is asked for. `connection` is the gateway's, which nobody else writes to."""

    def __init__(self, loop: VirtualLoop, world: SimulatedWorld, connection: sqlite3.Connection, folder: str) -> None:
        self._loop, self._world, self._connection, self._folder = loop, world, connection, folder
        self._changes = -1
        self._rows: list[bytes] = []
        self._made: list[tuple[int, bool]] = []
        self._recollection, self._seen = Recollection(), 0

    def __call__(self) -> str:
        lives, now = self._world.living(), self._loop.time()
        wall_ms = clock.EPOCH_S * 1000 + now * 1000
        sandbox_ms = self._world.sandbox_ms() or wall_ms
        merchants = [repr(row).encode() for row in databases.rows()]
        return state.digest(
            (
                (sandbox_ms, self._gateways()),
                (wall_ms, [*merchants, *state.tasks(task for host in lives for task in self._loop.tasks(host))]),
                (wall_ms, [repr(message[1:]).encode() for message in self._loop.network.in_flight()]),
                (wall_ms, [repr((what_for, message[1:])).encode() for what_for, message in self._loop.network.held()]),
                (wall_ms, state.timers((when - now, name) for when, name in self._loop.pending())),
                (wall_ms, [repr((self._world.remembered(), sorted(life.name for life in lives), self._world.coming())).encode()]),
            ),
            self._folder,
        )

    def _gateways(self) -> list[bytes]:
        """Its rows, and what the oracles remember of its journal; read again only where something has been written since."""
        if self._connection.total_changes != self._changes:
            self._changes = self._connection.total_changes
            self._rows = [repr(row).encode() for row in self._read()]
            for entry in self._written():
                self._recollection.see(entry)
            self._rows += sorted(repr(each).encode() for each in self._recollection.told())
            self._made = [(at_ms, True) for (at_ms,) in self._connection.execute(_REFUNDS).fetchall()]
        return [*self._rows, self._refunds_made(), *(_briefly(entry) for entry in self._world.unwritten())]

    def _refunds_made(self) -> bytes:
        """Which refunds were made before staff asked for what: rows tell how long ago something was, and no order of two."""
        asked = [(at_ms, False) for at_ms in self._world.asked_ms]
        return b"".join(b" refund" if made else b" asked" for _, made in sorted([*asked, *self._made]))

    @cached_property
    def _tables(self) -> list[tuple[str, str]]:
        """The name of each table, and what reads it. All names are our own. Of no use to those who never look."""
        query = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
        tables = [name for (name,) in self._connection.execute(query) if name not in _TOLD]
        return [(table, f"SELECT {_columns(self._connection, table)} FROM {table}") for table in tables]  # noqa: S608

    def _read(self) -> Iterator[tuple[Any, ...]]:
        for name, query in self._tables:
            for row in self._connection.execute(query):
                if (told := _ABRIDGED.get(name, tuple)(row)) is not None:
                    yield (name, *told)

    def _written(self) -> Iterator[Any]:
        for last_seq, entries in self._connection.execute(_JOURNAL, (self._seen,)).fetchall():
            self._seen = last_seq
            yield from msgspec.json.decode(entries)


def _delivery(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A delivery whose attempts are told as far as they still count: by their number while there may be more of them."""
    *named, status, attempts, next_at, created_at = row
    return *named, status, len(msgspec.json.decode(attempts)) if status == "pending" else None, next_at, created_at


def _rule(row: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """A rule of the story's that may yet strike, with its counts where they decide when; none of the explorer's, which have."""
    _, name, told = row
    rule = msgspec.convert(msgspec.json.decode(told), Rule)
    if name.startswith(EXPLORED) or rule.exhausted:
        return None
    counts = rule.times is not None or rule.nth > 1 or rule.probability is not None or rule.window is not None
    return rule.station, rule.kind, rule.params, rule.match, *((rule.seen, rule.fired, rule.window) if counts else ())


#: Rows that are told otherwise than they stand.
_ABRIDGED: Mapping[str, Callable[[tuple[Any, ...]], tuple[Any, ...] | None]] = {
    Delivery.TABLE: _delivery,
    FaultRule.TABLE: _rule,
}


def _briefly(entry: bytes) -> bytes:
    """An entry of the journal that is yet to be written, and to be seen."""
    told = msgspec.json.decode(entry)
    return repr([told.get(key) for key in ("kind", "operation", "idempotency_key", "order_id", "status", "event_type")]).encode()


def _columns(connection: sqlite3.Connection, table: str) -> str:
    columns = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]
    return ", ".join(f"lower(hex({name}))" if name in _OPAQUE else name for name in columns)
