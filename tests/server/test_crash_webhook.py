"""A gateway killed at each station of a webhook: the event is told at least once, and what was recorded stays recorded."""

import os
import signal
from typing import Any

import pytest

from tests.server.aid import insist, pid_of, traces
from tests.support.client import Client
from tests.support.waiting import eventually
from tests.webhooks.receiver import Receiver, only_delivery, seconds_between


async def settled(merchant: Client) -> dict[str, Any] | None:
    await insist(lambda: merchant.get("/healthz"))
    delivery = await only_delivery(merchant)
    return delivery if delivery["status"] == "succeeded" else None


@pytest.mark.parametrize(
    ("station", "tellings"),
    [("webhook.due", 1), ("webhook.sent", 2), ("webhook.acknowledged", 2), ("webhook.recorded", 1)],
)
@pytest.mark.asyncio
async def test_an_event_is_told_at_least_once(merchant: Client, shop: Receiver, station: str, tellings: int) -> None:
    endpoint = await shop.register(merchant)
    rule = await merchant.add_fault(station, "crash", params={"down_s": 0.01})
    pid = await pid_of(merchant)
    nonce = await merchant.make_nonce()
    body = {"amount": 4200, "currency": "usd", "payment_nonce": nonce, "order_id": "order-1"}
    # the process may die with the answer still in its hands, so the merchant does what merchants do
    await insist(lambda: merchant.post("/v1/charges", body, idem="k"))
    await eventually(lambda: restarted(merchant, pid))
    hits = await shop.got(tellings)
    delivery = await eventually(lambda: settled(merchant))
    assert len(delivery["attempts"]) == 1, "an attempt that was not recorded was not made, as far as the gateway knows"
    assert len(shop.hits) == tellings
    assert len({(hit.id, hit.body) for hit in hits}) == 1
    assert all(hit.verified_by(endpoint["secret"]) for hit in hits)
    found = await traces(merchant)
    assert (len(found.charges), len(found.events), found.transfers, found.balanced) == (1, 1, 1, True)
    shown = (await merchant.get(f"/_gatecrash/faults/{rule}")).json
    assert (shown["seen"], shown["fired"]) == (1, 1)


async def restarted(merchant: Client, pid: int) -> bool:
    return await pid_of(merchant) != pid


@pytest.mark.asyncio
async def test_the_schedule_goes_on_where_a_killed_gateway_left_it(merchant: Client, shop: Receiver) -> None:
    (await merchant.post("/_gatecrash/clock", {"mode": "frozen"})).expect(200)
    shop.answers = [500, 503, 502, 200]
    await shop.register(merchant)
    await merchant.charge()
    for number, delay in enumerate((5, 300, 1800), start=1):
        await eventually(lambda number=number: attempted(merchant, number))  # type: ignore[misc]
        pid = await pid_of(merchant)
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda pid=pid: restarted(merchant, pid))  # type: ignore[misc]
        assert len(shop.hits) == number
        await merchant.advance(delay)
    delivery = await eventually(lambda: settled(merchant))
    assert seconds_between(delivery) == [5, 300, 1800]
    assert [attempt["status"] for attempt in delivery["attempts"]] == [500, 503, 502, 200]
    assert len({hit.body for hit in shop.hits}) == 1


async def attempted(merchant: Client, times: int) -> bool:
    return len((await only_delivery(merchant))["attempts"]) >= times
