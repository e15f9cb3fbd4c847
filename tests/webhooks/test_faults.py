"""Faults on a webhook's way: lost, doubled, late, broken and held, at every station that allows it."""

import asyncio
from typing import Any

import pytest

from tests.server.aid import eventually
from tests.support.client import Client
from tests.webhooks.receiver import Receiver, only_delivery, seconds_between


async def attempts(client: Client) -> list[dict[str, Any]]:
    return list((await only_delivery(client))["attempts"])


async def attempted(client: Client, times: int) -> list[dict[str, Any]] | None:
    made = await attempts(client)
    return made if len(made) >= times else None


@pytest.mark.parametrize(
    ("station", "kind", "arrives"),
    [
        ("webhook.due", "drop", False),
        ("webhook.sent", "drop", True),
        ("webhook.sent", "reset", True),
        ("webhook.sent", "close", True),
        ("webhook.acknowledged", "drop", True),
    ],
)
@pytest.mark.asyncio
async def test_an_attempt_that_is_lost_counts_as_failed_and_the_schedule_goes_on(
    client: Client, shop: Receiver, station: str, kind: str, arrives: bool
) -> None:
    await shop.register(client)
    await client.add_fault(station, kind)
    await client.charge()
    (failed,) = await eventually(lambda: attempted(client, 1))
    assert "fault rule" in failed["error"]
    assert "status" not in failed
    if arrives:
        await shop.got(1)
    assert len(shop.hits) == arrives
    await client.advance(5)
    delivery = await only_delivery(client)
    assert delivery["status"] == "succeeded"
    assert seconds_between(delivery) == [5]
    assert len({hit.id for hit in shop.hits}) == 1
    assert len(shop.hits) == 1 + arrives, "at least once: what was lost on the way back comes again"


@pytest.mark.parametrize("kind", ["reset", "close"])
@pytest.mark.asyncio
async def test_the_merchant_sees_its_connection_reset_or_closed(client: Client, kind: str) -> None:
    seen: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.read(65536):
                pass
            seen.set_result("close")
        except ConnectionResetError:
            seen.set_result("reset")
        writer.close()

    async with await asyncio.start_server(hear, "127.0.0.1", 0) as merchant:
        url = f"http://127.0.0.1:{merchant.sockets[0].getsockname()[1]}/"
        (await client.post("/v1/webhook_endpoints", {"url": url})).expect(201)
        await client.add_fault("webhook.sent", kind)
        await client.charge()
        async with asyncio.timeout(10):
            assert await seen == kind
        (failed,) = await eventually(lambda: attempted(client, 1))
        assert "broke the connection" in failed["error"]


@pytest.mark.parametrize(("station", "count"), [("webhook.due", 1), ("webhook.due", 3), ("webhook.recorded", 2)])
@pytest.mark.asyncio
async def test_a_duplicate_brings_the_same_event_more_often(
    server_client: Client, shop: Receiver, station: str, count: int
) -> None:
    client = server_client
    endpoint = await shop.register(client)
    await client.add_fault(station, "duplicate", params={"count": count})
    await client.charge()
    hits = await shop.got(1 + count)
    await client.advance(0)
    assert len(shop.hits) == 1 + count
    assert len({(hit.id, hit.body) for hit in hits}) == 1
    assert all(hit.verified_by(endpoint["secret"]) for hit in hits)
    delivery = await only_delivery(client)
    assert (delivery["status"], len(delivery["attempts"])) == ("succeeded", 1)
    await client.charge()
    await shop.got(2 + count)
    await client.advance(0)
    assert len(shop.hits) == 2 + count, "the rule struck once"


@pytest.mark.asyncio
async def test_a_delay_before_an_attempt_is_of_sandbox_time(client: Client, shop: Receiver) -> None:
    await shop.register(client)
    await client.add_fault("webhook.due", "delay", params={"seconds": 3600})
    await client.charge()
    await eventually(lambda: client.journal("fault"))
    moved = await client.advance(3599)
    assert shop.hits == []
    assert moved["next_timer_at"] is not None
    await client.advance(1)
    assert len(shop.hits) == 1
    delivery = await only_delivery(client)
    assert (delivery["status"], len(delivery["attempts"])) == ("succeeded", 1), "late, and not tried twice"


@pytest.mark.parametrize("station", ["webhook.sent", "webhook.acknowledged"])
@pytest.mark.asyncio
async def test_a_delay_under_way_is_of_real_time(client: Client, shop: Receiver, station: str) -> None:
    await shop.register(client)
    await client.add_fault(station, "delay", params={"seconds": 0.15})
    await client.charge()
    await shop.got(1)
    assert await attempts(client) == []
    (made,) = await eventually(lambda: attempted(client, 1))
    assert made["status"] == 200
    assert made["latency_ms"] >= 150


@pytest.mark.asyncio
async def test_a_hang_holds_one_attempt_and_delays_no_other(client: Client, shop: Receiver) -> None:
    await shop.register(client)
    rule = await client.add_fault("webhook.sent", "hang", match={"order_id": "held"})
    await client.charge(order_id="held")
    await shop.got(1)
    for number in range(3):
        await client.charge(order_id=f"free-{number}")
    await shop.got(4)
    await eventually(lambda: recorded(client, 3))
    (await client.call("DELETE", f"/_gatecrash/faults/{rule}")).expect(200)
    await eventually(lambda: recorded(client, 4))
    outcomes = {entry["order_id"]: entry["outcome"] for entry in await client.journal("delivery")}
    assert outcomes == {"held": "failed", "free-0": "succeeded", "free-1": "succeeded", "free-2": "succeeded"}


async def recorded(client: Client, times: int) -> bool:
    return len(await client.journal("delivery")) >= times


@pytest.mark.asyncio
async def test_a_hang_ends_after_its_seconds(client: Client, shop: Receiver) -> None:
    await shop.register(client)
    await client.add_fault("webhook.sent", "hang", params={"seconds": 0.1})
    began = asyncio.get_running_loop().time()
    await client.charge()
    (failed,) = await eventually(lambda: attempted(client, 1))
    assert asyncio.get_running_loop().time() - began >= 0.1
    assert "held" in failed["error"]


@pytest.mark.parametrize(
    ("match", "struck"),
    [
        ({"event_type": "charge.failed"}, "declined"),
        ({"event_type": "charge.succeeded", "amount": 300}, "three"),
        ({"order_id": "one"}, "one"),
        ({"operation": "webhooks.deliver", "dialect": "native", "order_id": "two"}, "two"),
    ],
)
@pytest.mark.asyncio
async def test_a_rule_strikes_the_webhook_it_matches(client: Client, shop: Receiver, match: dict[str, Any], struck: str) -> None:
    await shop.register(client)
    await client.add_fault("webhook.due", "drop", match=match, times=None)
    for order, amount in (("one", 100), ("two", 200), ("three", 300)):
        await client.charge(order_id=order, amount=amount)
    await client.try_charge("declined", order_id="declined", amount=300)
    await eventually(lambda: recorded(client, 4))
    outcomes = {entry["order_id"]: entry["outcome"] for entry in await client.journal("delivery")}
    assert outcomes == {order: "failed" if order == struck else "succeeded" for order in ("one", "two", "three", "declined")}


@pytest.mark.asyncio
async def test_a_rule_can_strike_a_later_attempt(client: Client, shop: Receiver) -> None:
    shop.answers = [500]
    await shop.register(client)
    await client.add_fault("webhook.due", "drop", match={"attempt": 3}, times=None)
    await client.charge()
    await shop.got(1)
    await client.advance(3600)
    made = await attempts(client)
    assert [attempt.get("status") for attempt in made] == [500, 500, None, 500]


@pytest.mark.asyncio
async def test_webhooks_can_be_made_to_come_in_another_order(client: Client, shop: Receiver) -> None:
    await shop.register(client)
    await client.add_fault("webhook.due", "delay", params={"seconds": 60}, match={"event_type": "charge.succeeded"})
    charge = await client.charge()
    (await client.post(f"/v1/charges/{charge['id']}/refunds", {})).expect(201)
    await shop.got(1)
    await client.advance(60)
    assert [hit.json["type"] for hit in shop.hits] == ["refund.succeeded", "charge.succeeded"]
