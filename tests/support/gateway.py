"""The real gateway in this process, over a real socket of loopback, with its time in the test's hands."""

import os
from typing import Any

from aiohttp import web

from gatecrash.core.vault import KEY_BYTES
from gatecrash.dialects.interface import Dialect
from gatecrash.server.app import App
from gatecrash.server.gateway import Gateway
from gatecrash.server.host import Host
from gatecrash.store.sqlite import SqliteStore
from tests.support import held
from tests.support.clock import ManualClock


class LiveGateway:
    """`url` is where it listens; `gateway` is the thing itself; `clock` its real time.

    `dialects`: in the place of the installed ones. `urls`: where each of them listens on a port of its own.
    """

    def __init__(
        self,
        path: str = ":memory:",
        seed: str = "7",
        *,
        durable: bool = True,
        dialects: dict[str, Dialect] | None = None,
        **host: Any,
    ) -> None:
        self.path, self.clock, self.durable, self.dialects = path, ManualClock(), durable, dialects
        self.urls: dict[str, str] = {}
        self.host = Host(now=self.clock, entropy=os.urandom, vault_key=bytes(KEY_BYTES), seed=seed, **host)
        self.gateway: Gateway
        self.url = ""
        self.port = 0

    async def start(self) -> None:
        """Also a second time: a gateway over the same file, on the same port."""
        self.gateway = Gateway(SqliteStore(self.path, durable=self.durable), self.host, self.dialects)
        await self.gateway.start()
        dialects = self.gateway.dialects
        mounts = {"" if name == "native" else f"/{name}": dialect for name, dialect in dialects.items()}
        self._runners = [await self._listen(mounts, main=True, port=self.port)]
        self.port = self._runners[0].addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}"
        held.hold(self.url, "gateway")
        for name, dialect in (self.dialects or {}).items():
            if name == "native":
                continue
            runner = await self._listen({"": dialect}, main=False, port=0)
            self._runners.append(runner)
            self.urls[name] = f"http://127.0.0.1:{runner.addresses[0][1]}"
            held.exempt(f"{self.url}/{name}/", f"{self.urls[name]}/")
        self.gateway.ready = True

    async def _listen(self, mounts: dict[str, Dialect], *, main: bool, port: int) -> web.ServerRunner:
        runner = web.ServerRunner(App(self.gateway, mounts, main=main).server, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        return runner

    async def stop(self) -> None:
        held.let_go(self.url)
        self.gateway.ready = False
        for runner in self._runners:
            await runner.cleanup()
        await self.gateway.close()

    async def restart(self) -> None:
        await self.stop()
        await self.start()
