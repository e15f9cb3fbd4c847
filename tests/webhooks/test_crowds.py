"""Many deliveries at once: an endpoint is sent a few at a time, and a dead one delays nobody, nor the start, nor the end."""

import asyncio

import aiohttp
import pytest
from aiohttp import web

from gatecrash.core import events
from gatecrash.core.endpoints import get_endpoint
from gatecrash.core.transaction import Context
from gatecrash.webhooks.schedules import STANDARD_WEBHOOKS
from tests.support.client import Client
from tests.support.gateway import LiveGateway
from tests.support.waiting import eventually
from tests.webhooks.receiver import Receiver

WIDTH = STANDARD_WEBHOOKS.in_flight
CROWD = 10_000

pytestmark = pytest.mark.asyncio


class Gate:
    """An endpoint that answers nobody until it is opened."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.inside = self.most = 0

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await self.opened.wait()
        finally:
            self.inside -= 1
        return web.Response()


async def crowd(gateway: LiveGateway, client: Client, endpoint_id: str) -> None:
    """Have ten thousand deliveries wait for an endpoint."""
    (event,) = (await client.get("/v1/events"))["data"]

    def deliver(ctx: Context) -> None:
        told = events.get_event(ctx, event["id"])
        endpoint = get_endpoint(ctx, endpoint_id)
        for _ in range(CROWD):
            events.deliver(ctx, told, endpoint)

    live = gateway.gateway
    await live.run(live.sandbox(client.sandbox), deliver)


async def test_an_endpoint_is_sent_so_many_at_a_time_in_the_order_of_events(client: Client, shop: Receiver) -> None:
    gate = Gate()
    shop.answers = [gate]
    await shop.register(client)
    for number in range(3 * WIDTH):
        await client.charge(order_id=f"order-{number}")
    await shop.got(WIDTH)
    # all that could be under way was looked for when the last charge committed
    assert len(await client.journal("delivery")) == 0
    assert len(shop.hits) == gate.most == WIDTH
    gate.opened.set()
    await shop.got(3 * WIDTH)
    assert gate.most == WIDTH
    first = {hit.json["data"]["order_id"] for hit in shop.hits[:WIDTH]}
    assert first == {f"order-{number}" for number in range(WIDTH)}


async def test_ten_thousand_that_wait_for_a_dead_endpoint_delay_nobody(
    gateway: LiveGateway, client: Client, shop: Receiver, other_shop: Receiver
) -> None:
    gate = Gate()
    shop.answers = [gate]
    dead = await shop.register(client)
    await client.charge()
    await shop.got(1)
    await crowd(gateway, client, dead["id"])
    await shop.got(WIDTH)
    await other_shop.register(client)
    for _ in range(5):
        await client.charge()
    # fifteen seconds would pass before the dead one's attempts are given up: longer than this waits
    await other_shop.got(5)
    elsewhere = client.other()
    await other_shop.register(elsewhere)
    await elsewhere.charge()
    await other_shop.got(6)
    assert len(shop.hits) == WIDTH
    assert gate.inside == WIDTH


async def test_ten_thousand_that_wait_are_canceled_with_their_endpoint_at_once(
    gateway: LiveGateway, client: Client, shop: Receiver
) -> None:
    gate = Gate()
    shop.answers = [gate]
    dead = await shop.register(client)
    await client.charge()
    await shop.got(1)
    await crowd(gateway, client, dead["id"])
    (await client.call("DELETE", f"/v1/webhook_endpoints/{dead['id']}")).expect(200)
    gate.opened.set()
    moved = await client.advance(7 * 86_400)
    assert (moved["timers_fired"], moved["next_timer_at"]) == (0, None)
    assert len(shop.hits) <= WIDTH


async def test_a_gateway_stops_and_starts_with_ten_thousand_that_wait(
    kept_gateway: LiveGateway, http: aiohttp.ClientSession, shop: Receiver
) -> None:
    client = Client(http, kept_gateway.url)
    gate = Gate()
    shop.answers = [gate]
    dead = await shop.register(client)
    await client.charge()
    await shop.got(1)
    await crowd(kept_gateway, client, dead["id"])
    await shop.got(WIDTH)
    # the attempts under way are given up: one that had been waited for would have failed, and not be made again at once
    await kept_gateway.restart()
    await shop.got(2 * WIDTH)
    await client.charge()
    await kept_gateway.restart()
    await shop.got(3 * WIDTH)
    gate.opened.set()


async def test_a_fast_endpoint_empties_a_crowd(gateway: LiveGateway, client: Client, shop: Receiver) -> None:
    endpoint = await shop.register(client)
    await client.charge()
    await shop.got(1)
    (event,) = (await client.get("/v1/events"))["data"]
    for _ in range(200):
        (await client.post(f"/v1/events/{event['id']}/resend", {"endpoint_id": endpoint["id"]})).expect(202)
    await shop.got(201)
    await eventually(lambda: idle(client))
    assert len(shop.hits) == 201


async def idle(client: Client) -> bool:
    return (await client.get("/_gatecrash/clock"))["next_timer_at"] is None
