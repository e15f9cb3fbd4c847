"""Each gateway's retry policy, against a real receiver on the sandbox clock: when it tries, what is a yes, how it gives up."""

import asyncio
from datetime import datetime
from itertools import pairwise

import pytest
from aiohttp import web

from gatecrash.core.deliveries import Schedule
from gatecrash.webhooks import schedules
from tests.support.client import Client
from tests.support.gateway import LiveGateway
from tests.support.waiting import eventually
from tests.webhooks.receiver import Receiver, only_delivery, seconds_between
from tests.webhooks.speaking import speak

DAY = 86_400
MONTH = 32 * DAY

pytestmark = pytest.mark.asyncio


async def recorded(client: Client, count: int) -> bool:
    return len(await client.journal("delivery")) >= count


@pytest.mark.parametrize(
    ("name", "attempts", "days", "disables"),
    [
        ("native", 10, 3.15, True),
        ("stripe", 10, 2.73, True),
        ("paypal", 26, 3.0, False),
        ("adyen", 99, 29.67, False),
        ("adyen, classic", 99, 29.67, False),
        ("braintree", 25, 1.0, False),
    ],
)
async def test_a_dead_endpoint_is_tried_as_often_and_as_long_as_each_gateway_does(
    client: Client, gateway: LiveGateway, shop: Receiver, name: str, attempts: int, days: float, disables: bool
) -> None:
    schedule = schedules.SCHEDULES[name]
    speak(gateway, schedule)
    shop.answers = [500]
    endpoint = await shop.register(client)
    await client.charge()
    await shop.got(1)
    moved = await client.advance(MONTH)
    assert moved["next_timer_at"] is None
    delivery = await only_delivery(client)
    assert seconds_between(delivery) == [pytest.approx(delay, abs=0.002) for delay in schedule.delays_s[1:]]
    assert (delivery["status"], len(delivery["attempts"]), len(shop.hits)) == ("failed", attempts, attempts)
    at = [datetime.fromisoformat(attempt["at"]) for attempt in delivery["attempts"]]
    assert (at[-1] - at[0]).total_seconds() / DAY == pytest.approx(days, abs=0.01)
    shown = (await client.get(f"/v1/webhook_endpoints/{endpoint['id']}")).json
    assert shown["status"] == ("disabled" if disables else "enabled")
    assert datetime.fromisoformat(shown["failing_since"]) == at[0]


@pytest.mark.parametrize(
    ("said", "outcome"), [("[accepted]", "succeeded"), ("[accepted]\n", "succeeded"), ("accepted", "failed"), ("", "failed")]
)
async def test_the_classic_contract_wants_its_word_in_the_body(
    client: Client, gateway: LiveGateway, shop: Receiver, said: str, outcome: str
) -> None:
    speak(gateway, schedules.ADYEN_CLASSIC)
    shop.answers = [(200, {}, said)]
    await shop.register(client)
    await client.charge()
    await eventually(lambda: recorded(client, 1))
    assert (await client.journal("delivery"))[0]["outcome"] == outcome


async def test_a_queue_keeps_the_order_and_waits_behind_what_fails(
    client: Client, gateway: LiveGateway, shop: Receiver, other_shop: Receiver
) -> None:
    speak(gateway, schedules.ADYEN)
    (await client.post("/_gatecrash/clock", {"mode": "frozen"})).expect(200)
    shop.answers = [500, 500, 500, 500, 200]
    await shop.register(client)
    await other_shop.register(client)
    for number in range(3):
        await client.charge(order_id=f"order-{number}")
    # the other one is told meanwhile: a queue blocks its own endpoint only
    assert [hit.json["data"]["order_id"] for hit in await other_shop.got(3)] == ["order-0", "order-1", "order-2"]
    await shop.got(3)
    await client.advance(119.999)
    assert len(shop.hits) == 3, "three attempts at once, then the first of the queue has to wait two minutes"
    await client.advance(0.001)
    assert [hit.json["data"]["order_id"] for hit in shop.hits] == ["order-0"] * 4
    moved = await client.advance(5 * 60)
    told = [hit.json["data"]["order_id"] for hit in shop.hits]
    assert told == ["order-0"] * 5 + ["order-1", "order-2"]
    assert moved["next_timer_at"] is None
    assert len(other_shop.hits) == 3


async def test_what_the_queue_gave_up_blocks_it_no_longer(client: Client, gateway: LiveGateway, shop: Receiver) -> None:
    speak(gateway, Schedule(delays_s=(0, 60), timeout_s=5, in_order=True, exhausting_disables=False))
    shop.answers = [500, 500, 200]
    await shop.register(client)
    await client.charge(order_id="poison")
    await client.charge(order_id="next")
    await shop.got(1)
    await client.advance(60)
    assert [hit.json["data"]["order_id"] for hit in shop.hits] == ["poison", "poison", "next"]


async def test_a_yes_that_comes_after_the_timeout_is_none(client: Client, gateway: LiveGateway, shop: Receiver) -> None:
    speak(gateway, Schedule(delays_s=(0, 5), timeout_s=0.1))
    late, answered = asyncio.Event(), asyncio.Event()

    async def too_late(request: web.BaseRequest) -> web.StreamResponse:
        await late.wait()
        answered.set()
        return web.Response(status=200)

    shop.answers = [too_late, 200]
    await shop.register(client)
    await client.charge()
    await eventually(lambda: recorded(client, 1))
    late.set()
    await answered.wait()
    delivery = await only_delivery(client)
    assert (delivery["status"], [one.get("status") for one in delivery["attempts"]]) == ("pending", [None])
    assert delivery["attempts"][0]["error"] == "no answer within 0.1 s"
    await client.advance(5)
    assert (await only_delivery(client))["status"] == "succeeded"


async def test_a_yes_whose_body_never_ends_is_none_and_one_that_is_too_long_is_read_no_further(
    client: Client, gateway: LiveGateway, shop: Receiver
) -> None:
    speak(gateway, Schedule(delays_s=(0, 5), timeout_s=0.3))
    stop = asyncio.Event()

    async def drips(request: web.BaseRequest) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"well, ")
        await stop.wait()
        return answer

    async def floods(request: web.BaseRequest) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        try:
            while True:
                await answer.write(b"yes" * 10_000)
        except ConnectionError:
            return answer

    shop.answers = [drips, floods]
    await shop.register(client)
    await client.charge()
    await eventually(lambda: recorded(client, 1))
    await client.advance(5)
    stop.set()
    dripped, flooded = (await only_delivery(client))["attempts"]
    assert "no answer within" in dripped["error"]
    assert flooded["status"] == 200
    assert len(flooded["excerpt"]) == 500


async def test_a_cookie_is_not_given_back(client: Client, shop: Receiver) -> None:
    shop.answers = [(200, {"Set-Cookie": "session=1"}, "")]
    await shop.register(client)
    for _ in range(3):
        await client.charge()
    hits = await shop.got(3)
    assert all("Cookie" not in hit.headers for hit in hits)
    assert len({hit.id for hit in hits}) == 3


async def test_delays_are_data_that_add_up() -> None:
    for schedule in schedules.SCHEDULES.values():
        assert schedule.delays_s[0] == 0
        assert all(delay >= 0 for delay in schedule.delays_s)
        assert schedule.timeout_s > 0
    growing = [schedules.STANDARD_WEBHOOKS, schedules.STRIPE, schedules.ADYEN]
    assert all(earlier <= later for schedule in growing for earlier, later in pairwise(schedule.delays_s))
