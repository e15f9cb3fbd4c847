"""Two rules at one station: what fires is what happened, in a defined order. tests/soak has every pair of kinds."""

import pytest

from gatecrash.faults.kinds import KINDS
from gatecrash.faults.kinds.kind import Effect
from gatecrash.faults.stations import STATIONS
from tests.server import pairs
from tests.support.client import Client
from tests.webhooks.receiver import Receiver


def test_every_kind_does_to_the_exchange_what_the_table_of_pairs_says() -> None:
    for name, station in STATIONS.items():
        for kind in station.kinds:
            does = KINDS[kind].does_at(name)
            assert (does == Effect.CHANGES) == pairs.is_change(name, kind)
            assert (does in (Effect.WAITS, Effect.PUTS_OFF)) == (kind in ("delay", "hold"))
            assert (does == Effect.PUTS_OFF) == (kind in ("delay", "hold") and name == "webhook.due")
    assert {kind for kind, made in KINDS.items() if made.adds_up} == pairs.ADD_UP


@pytest.mark.parametrize(
    ("station", "first", "second"),
    [
        ("operation.committed", "reset", "crash"),
        ("operation.committed", "crash", "reset"),
        ("request.received", "status", "close"),
        ("request.received", "rate_limit", "status"),
        ("operation.claimed", "hang", "delay"),
        ("operation.executed", "decline", "reset"),
        ("operation.executed", "crash", "decline"),
        ("operation.committed", "truncate", "drip"),
        ("operation.committed", "truncate", "truncate"),
        ("response.partial", "garbage", "close"),
        ("response.sent", "close", "garbage"),
    ],
)
@pytest.mark.asyncio
async def test_what_fires_at_a_request_is_what_happened(merchant: Client, station: str, first: str, second: str) -> None:
    await pairs.play_to_requests(merchant, station, first, second)


@pytest.mark.parametrize(
    ("station", "first", "second"),
    [
        ("operation.committed", "reset", "crash"),
        ("request.received", "status", "delay"),
        ("operation.executed", "reset", "decline"),
    ],
)
@pytest.mark.asyncio
async def test_a_rule_of_the_header_comes_before_those_armed(merchant: Client, station: str, first: str, second: str) -> None:
    await pairs.play_to_requests(merchant, station, first, second, in_header=True)


@pytest.mark.parametrize(
    ("station", "first", "second"),
    [
        ("webhook.due", "drop", "delay"),
        ("webhook.due", "hold", "crash"),
        ("webhook.due", "forge", "duplicate"),
        ("webhook.due", "tamper", "drop"),
        ("webhook.sent", "reset", "crash"),
        ("webhook.sent", "delay", "hang"),
        ("webhook.acknowledged", "drop", "crash"),
        ("webhook.recorded", "duplicate", "crash"),
    ],
)
@pytest.mark.asyncio
async def test_what_fires_at_a_webhook_is_what_happened(
    merchant: Client, shop: Receiver, station: str, first: str, second: str
) -> None:
    await pairs.play_to_webhooks(merchant, shop, station, first, second)
