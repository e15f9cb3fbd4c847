"""Receivers that send without end, and names without an answer, by the dozen: others are served, and memory is bounded."""

from collections.abc import Callable
from contextlib import AsyncExitStack

import aiohttp
import pytest

from tests.server.aid import pid_of
from tests.soak.test_clients import resident
from tests.support.client import Client
from tests.support.process import ServerProcess
from tests.webhooks.raw import WITH_A_HEAD, WITHOUT_A_HEAD, RawReceiver
from tests.webhooks.receiver import Receiver

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(900)]
RECEIVERS, SLOW_NAMES, CHARGES = 60, 40, 300


async def test_dozens_that_send_without_end_cost_other_sandboxes_nothing(
    http: aiohttp.ClientSession, start_server: Callable[..., ServerProcess]
) -> None:
    server = start_server("--memory", "--allow-host", "*.invalid")
    client, other, shop = Client(http, server.url), Client(http, server.url), Receiver()
    worker = await pid_of(client)
    kinds = [pieces for pieces, _ in WITHOUT_A_HEAD.values()] + list(WITH_A_HEAD.values())
    async with AsyncExitStack() as leave:
        for number in range(RECEIVERS):
            receiver = RawReceiver(kinds[number % len(kinds)])
            await receiver.start()
            leave.push_async_callback(receiver.stop)
            (await client.post("/v1/webhook_endpoints", {"url": receiver.url})).expect(201)
        for number in range(SLOW_NAMES):
            url = f"http://name-{number}.invalid/hooks"
            await client.post("/v1/webhook_endpoints", {"url": url})
        await shop.start()
        leave.push_async_callback(shop.stop)
        await shop.register(other)
        before = most = resident(worker)
        for number in range(CHARGES):
            if number % 10 == 0:
                await client.charge()
            (await other.try_charge(idem=f"k-{number}")).expect(201)
            most = max(most, resident(worker))
        await shop.got(CHARGES)
        assert (await other.books())["transfers"] == CHARGES
        assert most - before < 200 * 1024 * 1024
