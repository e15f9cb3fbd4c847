"""A gateway that speaks the toy dialect too, and a sandbox in it."""

from collections.abc import AsyncIterator

import aiohttp
import pytest_asyncio

from tests.dialects.toy.speaker import Toy, live
from tests.support.client import Client
from tests.support.gateway import LiveGateway
from tests.webhooks.conftest import shop  # noqa: F401 - a fixture


@pytest_asyncio.fixture
async def gateway() -> AsyncIterator[LiveGateway]:
    """In place of the gateway that speaks the installed dialects."""
    made = live()
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def toy(http: aiohttp.ClientSession, gateway: LiveGateway) -> Toy:
    client = Client(http, gateway.url)
    await client.post("/_gatecrash/clock", {"mode": "frozen"})
    return Toy(http, gateway.url + "/toy", client)
