"""For state machines: a gateway and a client on a loop of their own, driven one rule at a time."""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from hypothesis.stateful import RuleBasedStateMachine

from tests.support.client import Client
from tests.support.gateway import LiveGateway

T = TypeVar("T")


class GatewayMachine(RuleBasedStateMachine):
    """`self.run(coroutine)` from any rule; `self.gateway` restarts over its file; `self.client` speaks to it."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = Path(tempfile.mkdtemp(prefix="gatecrash-test-"))
        self._runner = asyncio.Runner()
        self.gateway = LiveGateway(str(self._folder / "db"), durable=False)
        self.client: Client
        self.run(self._start())

    async def _start(self) -> None:
        await self.gateway.start()
        self._http = aiohttp.ClientSession()
        self.client = Client(self._http, self.gateway.url, "machine")

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def teardown(self) -> None:
        self.run(self._http.close())
        self.run(self.gateway.stop())
        self._runner.close()
        shutil.rmtree(self._folder)
