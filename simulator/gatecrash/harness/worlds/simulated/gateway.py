"""The gateway in simulated time: the real one, whole, over one SQLite connection that outlives its deaths."""

import asyncio
import errno
import os
import sqlite3
from collections.abc import Callable, Mapping
from typing import cast

from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from gatecrash.core import holds
from gatecrash.core.records import Hold
from gatecrash.core.transaction import Context
from gatecrash.core.vault import KEY_BYTES
from gatecrash.dialects.interface import Dialect
from gatecrash.faults.plane import Plane
from gatecrash.harness.worlds.simulated.hosts import Crashed, Incarnation
from gatecrash.harness.worlds.simulated.points import EXPLORED
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
        self._app: App | None = None
        self._life: Incarnation | None = None

    async def start(self, incarnation: Incarnation, port: int) -> None:
        """Listen, as a life of this incarnation. To be called in its context."""
        store = SqliteStore(_MEMORY, durable=False, connection=self.connection)
        gateway = Gateway(store, self._host, self._dialects)
        incarnation.on_death.append(lambda: self._died(store))
        await gateway.start()
        for row in await store.submit("", lambda tx: tx.sandboxes()):
            gateway.find_sandbox(row.name)  # what looks at a simulated world asks for sandboxes that nothing has used yet
        app = App(gateway, {"" if name == "native" else f"/{name}": each for name, each in self._dialects.items()}, main=True)
        await asyncio.get_running_loop().create_server(app.server, "127.0.0.1", port)
        gateway.ready = True
        self.state, self._app, self._life = gateway, app, incarnation

    def now_ms(self, sandbox: str) -> float | None:
        """The sandbox's time, in milliseconds since 1970; None while the gateway is down."""
        found = self.state.sandboxes.get(sandbox) if self.state else None
        return None if found is None else found.now()

    def unwritten(self, sandbox: str) -> list[bytes]:
        """The entries of the sandbox's journal that are in no commit yet."""
        return self.state.journal.buffered(sandbox) if self.state else []

    def armed(self) -> bool:
        """Whether a rule could strike what it is asked."""
        return self.state is not None and any(sandbox.plane.rules for sandbox in self.state.sandboxes.values())

    async def let_go(self, sandbox: str) -> None:
        """Webhooks that the explorer's own rules hold go out, as when a rule is removed."""
        state, life = self.state, self._life
        if state is None or life is None or sandbox not in state.sandboxes:
            return

        def work(ctx: Context) -> None:
            for rule_id in sorted({hold.rule_id for hold in ctx.tx.find(Hold) if hold.rule_id.startswith(EXPLORED)}):
                holds.let_go(ctx, rule_id)

        await life.spawn(state.run(state.sandboxes[sandbox], work))

    async def ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """An exchange without a connection: for what no fault can strike it is the same, and far less work.

        Raises ConnectionError when there is no answer.
        """
        app, life = self._app, self._life
        if app is None or life is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "the gateway is down")
        answered: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()

        async def serve() -> None:
            response = await app.serve(cast(web.BaseRequest, _Request(method, path, body, headers)))
            if answered.done():
                return
            if isinstance(response, web.Response):
                answered.set_result((response.status, cast(bytes, response.body or b"")))
            else:
                gone()

        def gone() -> None:
            if not answered.done():
                answered.set_exception(ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)))

        life.on_death.append(gone)
        life.spawn(serve())
        try:
            return await answered
        finally:
            if life.alive:
                life.on_death.remove(gone)

    def _died(self, store: SqliteStore) -> None:
        store.leave()
        self.state = self._app = self._life = None
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    def _crash(self, down_s: float) -> None:
        self._crashed(down_s)
        raise Crashed


class _Request:
    """As much of aiohttp's request as the gateway looks at, whole and over no connection."""

    transport = protocol = None
    keep_alive = False

    def __init__(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> None:
        self.method, self.headers = method, CIMultiDict(headers)
        self.rel_url = URL(path)
        self.raw_path, self.path, self.query = path, self.rel_url.path, self.rel_url.query
        self.body_exists, self.content_length = bool(body), len(body)
        self.content = self
        self._body = body

    def is_eof(self) -> bool:
        return True

    async def read(self) -> bytes:
        return self._body
