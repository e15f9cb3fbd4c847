"""A limit of requests in a window of sandbox time."""

import aiohttp
import pytest

from tests.faults.aid import armed
from tests.support.client import Client
from tests.support.gateway import LiveGateway


async def freeze(client: Client) -> None:
    (await client.post("/_gatecrash/clock", {"mode": "frozen", "now": "2030-01-01T00:00:00Z"})).expect(200)


@pytest.mark.asyncio
async def test_what_comes_beyond_the_limit_waits_as_long_as_it_is_told(client: Client) -> None:
    await freeze(client)
    rule = await client.add_fault("request.received", "rate_limit", params={"limit": 2, "window_s": 90.5})
    for _ in range(2):
        for _ in range(2):
            (await client.get("/v1/charges")).expect(200)
        await client.advance(30)
        refused = (await client.get("/v1/charges")).refused(429, "rate_limited")
        wait_s = int(refused.headers["Retry-After"])
        assert wait_s == 61
        await client.advance(wait_s - 1)
        assert (await client.get("/v1/charges")).headers["Retry-After"] == "1"
        await client.advance(1)
    shown = await armed(client, rule)
    assert (shown["times"], shown["seen"], shown["fired"]) == (None, 8, 4)
    assert shown["window"] == {"ends_at": "2030-01-01T00:03:01.500Z", "passed": 2}


@pytest.mark.asyncio
async def test_what_is_refused_leaves_nothing_under_its_key(client: Client) -> None:
    await freeze(client)
    await client.add_fault(
        "request.received", "rate_limit", params={"limit": 1, "window_s": 10}, match={"operation": "charges.create"}
    )
    await client.charge()
    nonce = await client.make_nonce()
    (await client.try_charge(payment_nonce=nonce, idem="k")).refused(429, "rate_limited")
    await client.advance(10)
    charged = (await client.try_charge(payment_nonce=nonce, idem="k")).expect(201)
    assert "Idempotent-Replayed" not in charged.headers


@pytest.mark.asyncio
async def test_each_rule_counts_what_it_matches(client: Client) -> None:
    await freeze(client)
    for operation in ("charges.list", "refunds.list"):
        await client.add_fault("request.received", "rate_limit", params={"limit": 1}, match={"operation": operation})
    statuses = [(await client.get(path)).status for path in ("/v1/charges", "/v1/refunds", "/v1/events", "/v1/charges")]
    assert statuses == [200, 200, 200, 429]


@pytest.mark.asyncio
async def test_a_window_outlasts_a_restart_and_a_clock_that_goes_back(
    http: aiohttp.ClientSession, kept_gateway: LiveGateway
) -> None:
    client = Client(http, kept_gateway.url)
    await freeze(client)
    await client.add_fault("request.received", "rate_limit", params={"limit": 1})
    (await client.get("/v1/charges")).expect(200)
    await kept_gateway.restart()
    (await client.get("/v1/charges")).expect(429)
    (await client.post("/_gatecrash/clock", {"mode": "frozen", "now": "2029-01-01T00:00:00Z"})).expect(200)
    assert [(await client.get("/v1/charges")).status for _ in range(2)] == [200, 429]
