"""Faults on a webhook's way: lost, doubled, late, broken and held, at every station that allows it."""

import asyncio
import time
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from standardwebhooks import WebhookVerificationError

from tests.support.client import Client
from tests.support.gateway import LiveGateway
from tests.support.waiting import PATIENCE_S, eventually
from tests.webhooks.receiver import Receiver, deliveries, only_delivery, seconds_between


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
        async with asyncio.timeout(PATIENCE_S):
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


@pytest.mark.parametrize("kind", ["reset", "close", "drop"])
@pytest.mark.asyncio
async def test_copies_that_were_ordered_go_out_also_when_the_attempt_is_lost(client: Client, shop: Receiver, kind: str) -> None:
    await shop.register(client)
    await client.add_fault("webhook.due", "duplicate", params={"count": 2})
    await client.add_fault("webhook.sent", kind)
    await client.charge()
    await client.advance(0)
    entries = await client.journal("delivery")
    assert [(entry["copy"], entry["outcome"]) for entry in entries] == [
        (True, "succeeded"), (True, "succeeded"), (False, "failed")
    ]  # fmt: skip


@pytest.mark.parametrize("station", ["webhook.due", "webhook.recorded"])
@pytest.mark.asyncio
async def test_copies_at_once_are_in_the_hands_of_the_shop_together(server_client: Client, station: str) -> None:
    copies, firsts = (4, 0) if station == "webhook.due" else (3, 1)
    there, all_there = 0, asyncio.Event()

    async def handle(request: web.Request) -> web.Response:
        nonlocal there
        await request.read()
        there += 1
        if there == firsts + copies:
            all_there.set()
        elif there > firsts:  # sent one after another, they would wait here for each other in vain
            await all_there.wait()
        return web.Response()

    app = web.Application()
    app.router.add_post("/", handle)
    async with TestServer(app) as server:
        (await server_client.post("/v1/webhook_endpoints", {"url": str(server.make_url("/"))})).expect(201)
        count = 3
        await server_client.add_fault(station, "duplicate", params={"count": count, "at_once": True})
        await server_client.charge()
        await asyncio.wait_for(all_there.wait(), 60)
        await server_client.advance(0)
    assert there == 1 + count
    delivery = await only_delivery(server_client)
    assert (delivery["status"], len(delivery["attempts"])) == ("succeeded", 1)


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


@pytest.mark.parametrize(
    ("kind", "params", "reason"),
    [
        ("forge", {}, "No matching signature"),
        ("tamper", {}, "No matching signature"),
        ("tamper", {"set": {"data.status": "failed"}}, "No matching signature"),
        ("stale", {}, "too old"),
        ("stale", {"age_s": 301}, "too old"),
    ],
)
@pytest.mark.asyncio
async def test_what_nobody_should_believe_the_public_library_does_not(
    server_client: Client, shop: Receiver, kind: str, params: dict[str, Any], reason: str
) -> None:
    endpoint = await shop.register(server_client)
    await server_client.add_fault("webhook.due", kind, params=params, match={"attempt": 1})
    shop.answers = [401, 200]
    await server_client.charge()
    (bad,) = await shop.got(1)
    with pytest.raises(WebhookVerificationError, match=reason):
        bad.verified_by(endpoint["secret"])
    await eventually(lambda: attempted(server_client, 1))
    await server_client.advance(5)
    good = shop.hits[1]
    assert good.verified_by(endpoint["secret"])
    assert good.id == bad.id
    assert (bad.body == good.body) == (kind != "tamper")
    if kind == "tamper":
        changed = {name: value for name, value in bad.json["data"].items() if value != good.json["data"][name]}
        assert changed == ({"status": "failed"} if params else {"amount": 4201})


@pytest.mark.asyncio
async def test_a_stale_message_is_signed_rightly(server_client: Client, shop: Receiver) -> None:
    endpoint = await shop.register(server_client)
    await server_client.add_fault("webhook.due", "stale", params={"age_s": 200})
    await server_client.charge()
    (hit,) = await shop.got(1)
    assert hit.verified_by(endpoint["secret"]), "within the tolerance, even a stale one is believed"
    assert 195 <= time.time() - int(hit.headers["webhook-timestamp"]) <= 260


@pytest.mark.asyncio
async def test_a_forgery_is_the_same_for_the_same_sandbox(gateway: LiveGateway, client: Client, shop: Receiver) -> None:
    (await client.post("/_gatecrash/clock", {"mode": "frozen", "now": "2030-01-01T00:00:00Z"})).expect(200)
    for _ in range(2):
        (await client.post("/_gatecrash/reset")).expect(200)
        (await client.post("/_gatecrash/clock", {"mode": "frozen", "now": "2030-01-01T00:00:00Z"})).expect(200)
        await shop.register(client)
        await client.add_fault("webhook.due", "forge")
        await client.charge()
        await client.advance(0)
    one, two = shop.hits
    assert one.headers["webhook-signature"] == two.headers["webhook-signature"]


async def told(shop: Receiver, count: int) -> list[str]:
    """The types of the events that arrived, in order, without their family."""
    return [hit.json["type"].partition(".")[0] + " " + str(hit.json["data"]["order_id"]) for hit in await shop.got(count)]


async def fired(client: Client, rule: str) -> bool:
    return bool((await client.get(f"/_gatecrash/faults/{rule}"))["fired"])


@pytest.mark.asyncio
async def test_a_held_webhook_comes_after_a_later_one(server_client: Client, shop: Receiver) -> None:
    await shop.register(server_client)
    rule = await server_client.add_fault("webhook.due", "hold", match={"order_id": "one"})
    await server_client.charge(order_id="one")
    await eventually(lambda: fired(server_client, rule))
    assert shop.hits == []
    await server_client.charge(order_id="two")
    assert await told(shop, 2) == ["charge two", "charge one"]
    await eventually(lambda: recorded(server_client, 2))
    (delivery,) = await deliveries(server_client, shop.hits[1].id)
    assert (delivery["status"], len(delivery["attempts"])) == ("succeeded", 1), "late, and not tried twice"
    await server_client.charge(order_id="three")
    assert (await told(shop, 3))[2] == "charge three"


@pytest.mark.asyncio
async def test_a_hold_waits_for_so_many_events_of_a_type(server_client: Client, shop: Receiver) -> None:
    await shop.register(server_client)
    params = {"until": "refund.succeeded", "count": 2}
    await server_client.add_fault("webhook.due", "hold", params=params, match={"order_id": "one"})
    charge = await server_client.charge(order_id="one")
    await server_client.charge(order_id="two")
    assert await told(shop, 1) == ["charge two"]
    for amount in (1, 2):
        (await server_client.post(f"/v1/charges/{charge['id']}/refunds", {"amount": amount})).expect(201)
    assert await told(shop, 4) == ["charge two", "refund one", "refund one", "charge one"]


@pytest.mark.asyncio
async def test_a_hold_ends_when_its_time_is_over(client: Client, shop: Receiver) -> None:
    await shop.register(client)
    rule = await client.add_fault("webhook.due", "hold", params={"seconds": 60})
    await client.charge()
    await eventually(lambda: fired(client, rule))
    await client.advance(59)
    assert shop.hits == []
    await client.advance(1)
    assert len(shop.hits) == 1


@pytest.mark.parametrize(("kind", "params"), [("hold", {}), ("delay", {"seconds": 3600})])
@pytest.mark.parametrize("path", ["/_gatecrash/faults", "/_gatecrash/faults/{}"])
@pytest.mark.asyncio
async def test_what_was_put_off_goes_out_when_its_rule_is_removed(
    client: Client, shop: Receiver, kind: str, params: dict[str, Any], path: str
) -> None:
    await shop.register(client)
    rule = await client.add_fault("webhook.due", kind, params=params)
    await client.charge()
    await eventually(lambda: fired(client, rule))
    await client.advance(1)
    assert shop.hits == []
    (await client.call("DELETE", path.format(rule))).expect(200)
    await shop.got(1)


@pytest.mark.asyncio
async def test_a_hold_and_what_else_was_ordered_outlast_a_restart(
    http: aiohttp.ClientSession, kept_gateway: LiveGateway, shop: Receiver
) -> None:
    client = Client(http, kept_gateway.url)
    endpoint = await shop.register(client)
    match = {"order_id": "one", "attempt": 1}
    await client.add_fault("webhook.due", "hold", match=match, times=None)
    await client.add_fault("webhook.due", "forge", match=match, times=None)
    await client.charge(order_id="one")
    await eventually(lambda: client.journal("fault"))
    await kept_gateway.restart()
    await client.charge(order_id="two")
    assert await told(shop, 2) == ["charge two", "charge one"]
    with pytest.raises(WebhookVerificationError):
        shop.hits[1].verified_by(endpoint["secret"])
    assert len([entry for entry in await client.journal("fault") if entry["fault"] == "hold"]) == 1, "no station is passed twice"
