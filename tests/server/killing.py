"""Load on a gateway that is killed again and again: worker, supervisor, or both; and what must be there afterwards."""

import asyncio
import itertools
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import aiohttp

from tests.server.aid import insist, pid_of
from tests.support.cards import token_of
from tests.support.client import Client, Reply
from tests.support.process import ServerProcess
from tests.support.waiting import eventually

_CUSTOMERS = 6
# so many charges are acknowledged between two deaths, at least
_PROGRESS = 4


class Killed:
    """One gateway over one folder, on one port, whatever is done to its processes. `acknowledged`: by order."""

    def __init__(self, folder: Path, http: aiohttp.ClientSession) -> None:
        self._folder, self._data = folder, str(folder / "data")
        self._server = ServerProcess(folder, "--data", self._data)
        self.client = Client(http, self._server.url, "killed")
        self.acknowledged: dict[str, Reply] = {}
        self._numbers = itertools.count()

    async def customer(self) -> None:
        """Pay for one order after the other, each until it is answered."""
        while True:
            number = next(self._numbers)
            nonce = (await insist(lambda: self.client.post("/v1/tokens", token_of("visa"), key="pk"))).expect(201)["id"]
            body = {"amount": 100 + number % 900, "currency": "usd", "payment_nonce": nonce, "order_id": f"o-{number}"}
            charge = partial(self.client.post, "/v1/charges", body, idem=f"k-{number}")
            self.acknowledged[f"o-{number}"] = (await insist(charge)).expect(201)

    async def kill(self, whom: str) -> None:
        worker = await pid_of(self.client)
        supervisor = self._server.process.pid
        pids = {"worker": [worker], "supervisor": [supervisor], "both": [supervisor, worker]}[whom]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if whom != "worker":
            await asyncio.to_thread(self._server.process.wait)
            port = self._server.port
            # at once, while the worker may still hold the folder and the port
            self._server = await asyncio.to_thread(ServerProcess, self._folder, "--data", self._data, "--port", str(port))

    async def progress(self) -> None:
        enough = len(self.acknowledged) + _PROGRESS
        await eventually(lambda: len(self.acknowledged) >= enough)

    def stop(self) -> None:
        assert self._server.stop() == 0, self._server.log
        assert "Traceback" not in self._server.log

    async def check(self) -> None:
        """Every acknowledged charge is there once, with its money; a retry is answered as it was; the books balance."""
        found: list[dict[str, object]] = []
        while True:
            cursor = f"&starting_after={found[-1]['id']}" if found else ""
            page = (await insist(partial(self.client.get, f"/v1/charges?limit=100{cursor}"))).expect(200)
            found += page["data"]
            if not page["has_more"]:
                break
        assert max(Counter(charge["order_id"] for charge in found).values()) == 1, "an order was charged twice"
        by_id = {charge["id"]: charge for charge in found}
        for order, reply in self.acknowledged.items():
            kept = by_id[reply["id"]]
            assert (kept["order_id"], kept["amount"], kept["status"]) == (order, reply["amount"], "succeeded")
        books = await self.client.books()
        assert books["balanced"]
        assert sum(order["captured"] for order in books["orders"]) == sum(charge["amount"] for charge in found)


@asynccontextmanager
async def _under_load(killed: Killed) -> AsyncIterator[None]:
    customers = [asyncio.create_task(killed.customer()) for _ in range(_CUSTOMERS)]
    try:
        yield
    finally:
        for customer in customers:
            customer.cancel()
        outcomes = await asyncio.gather(*customers, return_exceptions=True)
    failed = [outcome for outcome in outcomes if not isinstance(outcome, asyncio.CancelledError)]
    assert not failed, failed


async def kill_again_and_again(folder: Path, whom: list[str], times: int) -> None:
    """Kill `times` times under load, now these processes and now those, then check everything."""
    chance = random.Random(0)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        killed = Killed(folder, http)
        try:
            async with _under_load(killed):
                for death in range(times):
                    await killed.progress()
                    await killed.kill(whom[death % len(whom)] if death < len(whom) else chance.choice(whom))
                await killed.progress()
            await killed.check()
            print(f"{times} deaths, {len(killed.acknowledged)} charges acknowledged, all there", file=sys.stderr)
        finally:
            killed.stop()
