"""A sandbox that holds more than one commit may copy or delete, in a gateway without a socket.

Run as a program it does one thing to the sandbox in a process of its own, and is killed right after a commit.
"""

import asyncio
import os
import signal
import sys
from typing import Any

import msgspec

from gatecrash.core.records import Charge
from gatecrash.core.transaction import Context
from gatecrash.core.vault import KEY_BYTES
from gatecrash.dialects import registry
from gatecrash.server.gateway import Gateway
from gatecrash.server.host import Host
from gatecrash.store.interface import StoreTransaction
from gatecrash.store.lives import SLICE, SLICED
from gatecrash.store.sqlite import SqliteStore
from tests.store.samples import bare
from tests.support.clock import ManualClock
from tests.support.waiting import eventually

NAME = "large"
CHARGES = 3 * SLICE
_A_COMMIT = 300
_CHARGE = bare(Charge)


def gateway_over(path: str) -> Gateway:
    host = Host(now=ManualClock(), entropy=bytes, vault_key=bytes(KEY_BYTES), seed="7")
    return Gateway(SqliteStore(path), host, registry.load())


async def add_charges(gateway: Gateway, count: int, name: str = NAME) -> None:
    sandbox = gateway.sandbox(name)

    def some(ctx: Context) -> None:
        for _ in range(min(_A_COMMIT, count)):
            charge_id = ctx.ids.new("txn")
            ctx.tx.insert(msgspec.structs.replace(_CHARGE, id=charge_id, payment_nonce=charge_id))

    for _ in range(0, count, _A_COMMIT):
        gateway.journal.note(sandbox, "control", {"action": "test"})
        await gateway.run(sandbox, some)


async def charges(gateway: Gateway, name: str = NAME) -> int:
    return len(await gateway.run(gateway.sandbox(name), lambda ctx: ctx.tx.find(Charge)))


class Watch:
    """A `store.interface.Buffer` that keeps how many rows each commit has changed, and may end the process after one of them."""

    def __init__(self, gateway: Gateway, *, dies_after: int | None = None) -> None:
        self.rows: list[int] = []
        self._dies_after = dies_after
        self._store: Any = gateway.store
        self._before = self._total = self._count()
        gateway.store.before_commit(self)

    def _count(self) -> int:
        return int(self._store.look("", lambda tx: tx.run("SELECT total_changes()").fetchone()[0]))

    def write(self, tx: StoreTransaction) -> None:
        self._total = self._count()

    def written(self) -> None:
        self.rows.append(self._total - self._before)
        self._before = self._total
        if len(self.rows) == self._dies_after:
            os.kill(os.getpid(), signal.SIGKILL)

    def drop(self, sandbox: str) -> None:
        pass


async def act(gateway: Gateway, what: str) -> None:
    """Snapshot, restore, reset or remove it, with the snapshot `kept`."""
    sandbox = gateway.sandbox(NAME)
    if what in ("snapshot", "restore"):
        await getattr(gateway, what)(sandbox, "kept")
    else:
        await getattr(gateway, what)(sandbox)


def count(gateway: Gateway, sql: str) -> int:
    store: Any = gateway.store
    return int(store.look("", lambda tx: tx.run(sql).fetchone()[0]))


def leftovers(gateway: Gateway) -> int:
    """Rows that belong to no sandbox, and lives that have ended."""
    owned = "SELECT lives.id FROM lives JOIN sandboxes ON sandbox = name"
    stray = [count(gateway, f"SELECT COUNT(*) FROM {table.name} WHERE life NOT IN ({owned})") for table in SLICED]  # noqa: S608
    return sum(stray) + count(gateway, "SELECT COUNT(*) FROM lives WHERE sandbox IS NULL")


async def swept(gateway: Gateway) -> None:
    """Return once nothing is left to delete."""
    await eventually(lambda: not leftovers(gateway))


async def _main(path: str, what: str, dies_after: int) -> None:
    gateway = gateway_over(path)
    await gateway.start()
    gateway.sandbox(NAME)
    await gateway.store.submit("", lambda tx: None)
    Watch(gateway, dies_after=dies_after)
    await act(gateway, what)
    await swept(gateway)
    await gateway.close()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
