"""A virtual loop for each test, and aiohttp's client connected to its network."""

from collections.abc import Iterator

import pytest

from gatecrash.harness.worlds.simulated import network
from gatecrash.harness.worlds.simulated.loop import VirtualLoop


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    network.install()
    made = VirtualLoop(seed=1)
    yield made
    made.close()
