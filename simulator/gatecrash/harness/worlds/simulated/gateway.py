"""The gateway in simulated time: the real one, whole, over one SQLite connection that outlives its deaths."""

import asyncio
import sqlite3
from collections.abc import Callable

from gatecrash.core.vault import KEY_BYTES
from gatecrash.dialects.interface import Dialect
from gatecrash.faults.plane import Plane
from gatecrash.harness.worlds.simulated.hosts import Crashed, Incarnation
from gatecrash.server.app import App
from gatecrash.server.gateway import Gateway
from gatecrash.server.host import Host
from gatecrash.store.sqlite import SqliteStore

_MEMORY = ":memory:"
#: It seals test cards in a database that nobody ever sees.
_VAULT_KEY = bytes(KEY_BYTES)


class SimulatedGateway:
    """Lives in one incarnation after the other; what it has committed stays. `crashed(down_s)` is told when a fault kills it."""

    def __init__(
        self,
        dialects: dict[str, Dialect],
        connection: sqlite3.Connection | None,
        *,
        now_ms: Callable[[], int],
        seed: str,
        plane: Callable[[], Plane],
        crashed: Callable[[float], None],
    ) -> None:
        store = SqliteStore(_MEMORY, durable=False, connection=connection)
        if connection is not None:
            store.wipe()
        self.connection = store.leave()
        self._dialects = dialects
        self._crashed = crashed
        self._host = Host(now=now_ms, entropy=bytes, crash=self._crash, vault_key=_VAULT_KEY, seed=seed, plane=plane)
        self.state: Gateway | None = None

    async def start(self, incarnation: Incarnation, port: int) -> None:
        """Listen, as a life of this incarnation. To be called in its context."""
        store = SqliteStore(_MEMORY, durable=False, connection=self.connection)
        gateway = Gateway(store, self._host, self._dialects)
        incarnation.on_death.append(lambda: self._died(store))
        await gateway.start()
        app = App(gateway, {"": self._dialects["native"]}, main=True)
        await asyncio.get_running_loop().create_server(app.server, "127.0.0.1", port)
        gateway.ready = True
        self.state = gateway

    def _died(self, store: SqliteStore) -> None:
        store.leave()
        self.state = None
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    def _crash(self, down_s: float) -> None:
        self._crashed(down_s)
        raise Crashed
