"""Every pair of kinds at every station, in a real process: what fires is what happened."""

import pytest

from gatecrash.faults.kinds import KINDS
from tests.server import pairs
from tests.server.conftest import merchant, mortal  # noqa: F401 - fixtures
from tests.support.client import Client
from tests.webhooks.conftest import shop  # noqa: F401 - a fixture
from tests.webhooks.receiver import Receiver

IN_HEADER = [pair for pair in pairs.ON_REQUESTS if not KINDS[pair[2]].always]


@pytest.mark.parametrize(("station", "first", "second"), pairs.ON_REQUESTS)
@pytest.mark.asyncio
async def test_what_fires_at_a_request_is_what_happened(merchant: Client, station: str, first: str, second: str) -> None:  # noqa: F811
    await pairs.play_to_requests(merchant, station, first, second)


@pytest.mark.parametrize(("station", "first", "second"), IN_HEADER)
@pytest.mark.asyncio
async def test_a_rule_of_the_header_comes_before_those_armed(
    merchant: Client,  # noqa: F811
    station: str,
    first: str,
    second: str,
) -> None:
    await pairs.play_to_requests(merchant, station, first, second, in_header=True)


@pytest.mark.parametrize(("station", "first", "second"), pairs.ON_WEBHOOKS)
@pytest.mark.asyncio
async def test_what_fires_at_a_webhook_is_what_happened(
    merchant: Client,  # noqa: F811
    shop: Receiver,  # noqa: F811
    station: str,
    first: str,
    second: str,
) -> None:
    await pairs.play_to_webhooks(merchant, shop, station, first, second)
