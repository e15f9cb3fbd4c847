"""Who is told what: filters, several endpoints, resending, deleting, dead and slow endpoints."""

import asyncio

import pytest
from aiohttp import web

from gatecrash.core.deliveries import Schedule
from tests.support.client import Client
from tests.support.gateway import LiveGateway
from tests.support.waiting import eventually
from tests.webhooks.receiver import Receiver, deliveries, only_delivery
from tests.webhooks.speaking import speak


async def settled(client: Client, count: int) -> bool:
    return len(await client.journal("delivery")) >= count


@pytest.mark.parametrize(
    ("events", "told"),
    [
        (None, ["charge.succeeded", "charge.failed", "refund.succeeded"]),
        (["*"], ["charge.succeeded", "charge.failed", "refund.succeeded"]),
        (["charge.*"], ["charge.succeeded", "charge.failed"]),
        (["charge.failed"], ["charge.failed"]),
        (["charge.failed", "refund.*"], ["charge.failed", "refund.succeeded"]),
        (["charge.voided"], []),
    ],
)
@pytest.mark.asyncio
async def test_an_endpoint_is_told_what_its_filter_lets_through(
    client: Client, shop: Receiver, other_shop: Receiver, events: list[str] | None, told: list[str]
) -> None:
    await shop.register(client, **({} if events is None else {"events": events}))
    await other_shop.register(client)
    charge = await client.charge()
    await client.try_charge("declined")
    (await client.post(f"/v1/charges/{charge['id']}/refunds", {})).expect(201)
    await other_shop.got(3)
    await client.advance(0)
    assert sorted(hit.json["type"] for hit in shop.hits) == sorted(told)


@pytest.mark.parametrize(
    ("events", "named"), [(["charge.exploded"], "charge.exploded"), ([], "events"), (["refund"], "refund"), ("*", "events")]
)
@pytest.mark.asyncio
async def test_a_filter_of_events_that_never_happen_is_refused(
    client: Client, shop: Receiver, events: object, named: str
) -> None:
    reply = await client.post("/v1/webhook_endpoints", {"url": shop.url, "events": events})
    assert named in reply.refused(400, "parameter_invalid", "events")["detail"]


@pytest.mark.asyncio
async def test_a_dead_endpoint_keeps_nobody_waiting(client: Client, shop: Receiver, other_shop: Receiver) -> None:
    release = asyncio.Event()

    async def never(request: web.BaseRequest) -> web.StreamResponse:
        await release.wait()
        return web.Response()

    other_shop.answers = [never]
    await other_shop.register(client)
    await shop.register(client)
    for _ in range(5):
        await client.charge()
    await other_shop.got(5)
    await shop.got(5)
    await eventually(lambda: settled(client, 5))
    journal = await client.journal("delivery")
    assert {entry["outcome"] for entry in journal} == {"succeeded"}
    release.set()
    await eventually(lambda: settled(client, 10))


@pytest.mark.asyncio
async def test_an_endpoint_that_does_not_answer_in_time_has_failed(client: Client, gateway: LiveGateway, shop: Receiver) -> None:
    speak(gateway, Schedule(delays_s=(0, 5), timeout_s=0.2))
    release = asyncio.Event()

    async def never(request: web.BaseRequest) -> web.StreamResponse:
        await release.wait()
        return web.Response()

    shop.answers = [never, 200]
    await shop.register(client)
    await client.charge()
    await eventually(lambda: settled(client, 1))
    (attempt,) = (await only_delivery(client))["attempts"]
    assert attempt["error"] == "no answer within 0.2 s"
    assert attempt["latency_ms"] >= 200
    await client.advance(5)
    assert (await only_delivery(client))["status"] == "succeeded"
    release.set()


@pytest.mark.asyncio
async def test_an_answer_that_is_no_http_or_never_begins_has_failed(client: Client, shop: Receiver) -> None:
    async def broken(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async def no_http(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.write(b"220 mail.example ESMTP\r\n")
        request.transport.close()
        return web.Response()

    shop.answers = [broken, no_http, 200]
    await shop.register(client)
    await client.charge()
    await eventually(lambda: settled(client, 1))
    await client.advance(400)
    delivery = await only_delivery(client)
    assert [("error" in attempt, attempt.get("status")) for attempt in delivery["attempts"]] == [
        (True, None),
        (True, None),
        (False, 200),
    ]


@pytest.mark.asyncio
async def test_an_event_can_be_sent_again_to_one_or_to_all(client: Client, shop: Receiver, other_shop: Receiver) -> None:
    one = await shop.register(client)
    await other_shop.register(client)
    await client.charge()
    (event,) = (await client.get("/v1/events"))["data"]
    await shop.got(1)
    await other_shop.got(1)
    again = (await client.post(f"/v1/events/{event['id']}/resend", {"endpoint_id": one["id"]})).expect(202)
    assert [delivery["endpoint_id"] for delivery in again["data"]] == [one["id"]]
    await shop.got(2)
    assert len((await client.post(f"/v1/events/{event['id']}/resend")).expect(202)["data"]) == 2
    await shop.got(3)
    await other_shop.got(2)
    await client.advance(0)
    assert (len(shop.hits), len(other_shop.hits)) == (3, 2)
    assert len({(hit.id, hit.body) for hit in shop.hits + other_shop.hits}) == 1
    assert [one["status"] for one in await deliveries(client, event["id"])] == ["succeeded"] * 5
    (await client.post("/v1/events/evt_none/resend")).refused(404, "resource_missing", "id")
    elsewhere = await client.other().post(f"/v1/events/{event['id']}/resend")
    elsewhere.refused(404, "resource_missing", "id")


@pytest.mark.asyncio
async def test_a_deleted_endpoint_hears_no_more(client: Client, shop: Receiver) -> None:
    shop.answers = [500]
    endpoint = await shop.register(client)
    await client.charge()
    await eventually(lambda: settled(client, 1))
    (await client.call("DELETE", f"/v1/webhook_endpoints/{endpoint['id']}")).expect(200)
    moved = await client.advance(7 * 86400)
    assert (moved["timers_fired"], moved["next_timer_at"]) == (0, None)
    await client.charge()
    assert len(shop.hits) == 1
    newer, older = (await client.get("/v1/events"))["data"]
    assert await deliveries(client, newer["id"]) == []
    (delivery,) = await deliveries(client, older["id"])
    assert (delivery["status"], delivery["next_attempt_at"], len(delivery["attempts"])) == ("canceled", None, 1)
    (await client.get(f"/v1/webhook_endpoints/{endpoint['id']}")).refused(404, "resource_missing", "id")


@pytest.mark.asyncio
async def test_an_endpoint_deleted_while_an_attempt_is_under_way_stays_deleted(client: Client, shop: Receiver) -> None:
    release = asyncio.Event()

    async def slow(request: web.BaseRequest) -> web.StreamResponse:
        await release.wait()
        return web.Response(status=500)

    shop.answers = [slow]
    endpoint = await shop.register(client)
    await client.charge()
    await shop.got(1)
    (await client.call("DELETE", f"/v1/webhook_endpoints/{endpoint['id']}")).expect(200)
    release.set()
    await eventually(lambda: settled(client, 1))
    delivery = await only_delivery(client)
    assert (delivery["status"], delivery["next_attempt_at"]) == ("canceled", None)
    assert (await client.get("/_gatecrash/clock"))["next_timer_at"] is None


@pytest.mark.asyncio
async def test_what_happened_before_an_endpoint_was_there_is_not_told_to_it(client: Client, shop: Receiver) -> None:
    await client.charge(order_id="before")
    await shop.register(client)
    await client.charge(order_id="after")
    await shop.got(1)
    await client.advance(0)
    assert [hit.json["data"]["order_id"] for hit in shop.hits] == ["after"]
