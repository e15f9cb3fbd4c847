"""The real gateway in this process, over a real socket of loopback, with its time in the test's hands."""

import os
from typing import Any

from aiohttp import web

from gatecrash.core.vault import KEY_BYTES
from gatecrash.server.app import App
from gatecrash.server.gateway import Gateway
from gatecrash.server.host import Host
from gatecrash.store.sqlite import SqliteStore
from tests.support import held
from tests.support.clock import ManualClock


class LiveGateway:
    """`url` is where it listens; `gateway` is the thing itself; `clock` its real time."""

    def __init__(self, path: str = ":memory:", seed: str = "7", *, durable: bool = True, **host: Any) -> None:
        self.path, self.clock, self.durable = path, ManualClock(), durable
        self.host = Host(now=self.clock, entropy=os.urandom, vault_key=bytes(KEY_BYTES), seed=seed, **host)
        self.gateway: Gateway
        self.url = ""
        self.port = 0

    async def start(self) -> None:
        """Also a second time: a gateway over the same file, on the same port."""
        self.gateway = Gateway(SqliteStore(self.path, durable=self.durable), self.host)
        await self.gateway.start()
        dialects = self.gateway.dialects
        mounts = {"" if name == "native" else f"/{name}": dialect for name, dialect in dialects.items()}
        self._runner = web.ServerRunner(App(self.gateway, mounts, main=True).server, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.gateway.ready = True
        self.port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}"
        held.hold(self.url, "gateway")

    async def stop(self) -> None:
        held.let_go(self.url)
        self.gateway.ready = False
        await self._runner.cleanup()
        await self.gateway.close()

    async def restart(self) -> None:
        await self.stop()
        await self.start()
