"""A merchant's endpoint for every test of webhooks."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.webhooks.receiver import Receiver


@pytest_asyncio.fixture
async def shop() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()


@pytest_asyncio.fixture
async def other_shop() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()
