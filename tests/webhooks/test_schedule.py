"""The schedule of attempts, exactly, on the sandbox clock; and what ends it."""

from typing import Any

import pytest

from gatecrash.webhooks.schedules import STANDARD_WEBHOOKS
from tests.support.client import Client
from tests.support.gateway import LiveGateway
from tests.support.waiting import eventually
from tests.webhooks.receiver import Receiver, deliveries, only_delivery, seconds_between

HOUR = 3600
PROMISED = [0, 5, 300, 1800, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR]
WEEK = 7 * 24 * HOUR


def test_the_schedule_is_the_one_that_was_promised() -> None:
    assert list(STANDARD_WEBHOOKS.delays_s) == PROMISED
    assert STANDARD_WEBHOOKS.timeout_s == 15


@pytest.mark.asyncio
async def test_attempts_are_made_at_the_promised_times_and_then_given_up(client: Client, shop: Receiver) -> None:
    shop.answers = [500]
    await shop.register(client)
    await client.charge()
    await shop.got(1)
    moved = await client.advance(WEEK)
    assert moved["next_timer_at"] is None
    delivery = await only_delivery(client)
    assert seconds_between(delivery) == PROMISED[1:]
    assert (delivery["status"], delivery["next_attempt_at"]) == ("failed", None)
    assert [attempt["attempt"] for attempt in delivery["attempts"]] == list(range(1, 11))
    assert {attempt["status"] for attempt in delivery["attempts"]} == {500}
    assert len(shop.hits) == 10
    journal = await client.journal("delivery")
    assert [(entry["attempt"], entry["outcome"], entry["status"]) for entry in journal] == [
        (n, "failed", 500) for n in range(1, 11)
    ]


@pytest.mark.asyncio
async def test_an_attempt_is_not_made_a_moment_too_early(client: Client, shop: Receiver) -> None:
    shop.answers = [500]
    await shop.register(client)
    await client.charge()
    await eventually(lambda: attempted(client, 1))
    for number, delay in enumerate(PROMISED[1:4], start=2):
        await client.advance(delay - 0.001)
        assert len(shop.hits) == number - 1
        moved = await client.advance(0.001)
        assert moved["timers_fired"] == 1
        assert len(shop.hits) == number


async def attempted(client: Client, times: int) -> bool:
    return len((await only_delivery(client))["attempts"]) >= times


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
@pytest.mark.asyncio
async def test_any_success_ends_it(client: Client, shop: Receiver, status: int) -> None:
    shop.answers = [500, status, 500]
    await shop.register(client)
    await client.charge()
    await shop.got(1)
    await client.advance(WEEK)
    delivery = await only_delivery(client)
    assert (delivery["status"], delivery["next_attempt_at"]) == ("succeeded", None)
    assert [attempt["status"] for attempt in delivery["attempts"]] == [500, status]
    assert len(shop.hits) == 2


@pytest.mark.parametrize("status", [300, 301, 302, 307, 400, 401, 404, 429, 503])
@pytest.mark.asyncio
async def test_anything_else_is_a_failure_redirects_too(client: Client, shop: Receiver, status: int) -> None:
    shop.answers = [(status, {"Location": shop.url + "/moved"}, "no"), 200]
    await shop.register(client)
    await client.charge()
    await shop.got(1)
    await client.advance(5)
    delivery = await only_delivery(client)
    assert [attempt["status"] for attempt in delivery["attempts"]] == [status, 200]
    assert delivery["attempts"][0]["excerpt"] == "no"
    assert [hit.path for hit in shop.hits] == ["/hooks", "/hooks"], "a redirect is not followed"


@pytest.mark.asyncio
async def test_410_disables_the_endpoint_and_cancels_what_was_on_its_way(client: Client, shop: Receiver) -> None:
    shop.answers = [500, 410]
    endpoint = await shop.register(client)
    await client.charge()
    await shop.got(1)
    await client.charge()
    await shop.got(2)
    await eventually(lambda: disabled(client, endpoint["id"]))
    await client.advance(WEEK)
    await client.charge()
    assert len(shop.hits) == 2
    events = (await client.get("/v1/events"))["data"]
    statuses = [[delivery["status"] for delivery in await deliveries(client, event["id"])] for event in events]
    assert statuses == [[], ["canceled"], ["canceled"]], "and later events are not for it any more"
    refused = await client.post(f"/v1/events/{events[0]['id']}/resend", {"endpoint_id": endpoint["id"]})
    refused.refused(404, "resource_missing", "endpoint_id")


@pytest.mark.asyncio
async def test_an_endpoint_that_was_given_up_says_why_and_an_update_enables_it_again(client: Client, shop: Receiver) -> None:
    shop.answers = [*[500] * 10, 200]
    endpoint = await shop.register(client)
    path = f"/v1/webhook_endpoints/{endpoint['id']}"
    await client.charge(order_id="lost")
    await shop.got(1)
    await client.advance(WEEK)
    given_up = (await client.get(path)).json
    assert given_up["status"] == "disabled"
    assert "all 10 attempts over 75.6 h" in given_up["disabled_reason"]
    (entry,) = await client.journal("endpoint")
    assert (entry["endpoint_id"], entry["status"], entry["reason"]) == (endpoint["id"], "disabled", given_up["disabled_reason"])
    await client.charge(order_id="unheard")
    enabled = (await client.post(path, {"status": "enabled"})).expect(200).json
    assert [enabled[field] for field in ("status", "disabled_reason", "failing_since")] == ["enabled", None, None]
    await client.charge(order_id="heard")
    assert [hit.json["data"]["order_id"] for hit in (await shop.got(11))[10:]] == ["heard"]
    for event in (await client.get("/v1/events"))["data"][1:]:
        (await client.post(f"/v1/events/{event['id']}/resend")).expect(202)
    assert {hit.json["data"]["order_id"] for hit in (await shop.got(13))[11:]} == {"lost", "unheard"}


async def disabled(client: Client, endpoint: str) -> bool:
    return bool((await client.get(f"/v1/webhook_endpoints/{endpoint}"))["status"] == "disabled")


@pytest.mark.parametrize(
    ("said", "waited"),
    [
        ("60", 60),
        ("2", 5),
        ("0", 5),
        ("-1", 5),
        ("soon", 5),
        ("", 5),
        ("1.5", 5),
        ("999999999", 5),
        # the gateway's real time is noon
        ("Sat, 31 Jan 2026 12:05:00 GMT", 300),
        ("Saturday, 31-Jan-26 12:05:00 GMT", 300),
        ("Sat Jan 31 12:05:00 2026", 300),
        ("Sat, 31 Jan 2026 12:00:03 GMT", 5),
        ("Fri, 30 Jan 2026 12:00:00 GMT", 5),
        ("Sat, 31 Jan 9999 12:00:00 GMT", 5),
        ("Sat, 99 Foo 2026 12:05:00 GMT", 5),
    ],
)
@pytest.mark.asyncio
async def test_retry_after_can_put_the_next_attempt_off_and_never_brings_it_forward(
    client: Client, shop: Receiver, said: str, waited: int
) -> None:
    shop.answers = [(503, {"Retry-After": said}, ""), 200]
    await shop.register(client)
    await client.charge()
    await shop.got(1)
    await client.advance(WEEK)
    assert seconds_between(await only_delivery(client)) == [waited]


@pytest.mark.asyncio
async def test_an_endpoint_nobody_listens_at_is_tried_again(client: Client, shop: Receiver) -> None:
    await shop.register(client)
    await shop.stop()
    await client.charge()
    await eventually(lambda: attempted(client, 1))
    await shop.start()
    await client.advance(5)
    delivery = await only_delivery(client)
    assert delivery["status"] == "succeeded"
    assert "status" not in delivery["attempts"][0]
    assert "connect" in delivery["attempts"][0]["error"].lower()


@pytest.mark.asyncio
async def test_retries_go_on_after_a_restart(http: Any, kept_gateway: LiveGateway, shop: Receiver) -> None:
    client = Client(http, kept_gateway.url)
    shop.answers = [500]
    await shop.register(client)
    await client.charge()
    await eventually(lambda: attempted(client, 1))
    await client.advance(5)
    await kept_gateway.restart()
    await client.advance(WEEK)
    assert seconds_between(await only_delivery(client)) == PROMISED[1:]
    assert len({hit.body for hit in shop.hits}) == 1
