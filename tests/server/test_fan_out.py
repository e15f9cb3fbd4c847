"""A charge that many endpoints are told of, in a real process that dies in between."""

import pytest

from gatecrash.core.events import SLICE
from tests.server.aid import insist
from tests.support.client import Client
from tests.support.waiting import eventually
from tests.webhooks.receiver import Receiver

pytestmark = pytest.mark.asyncio

ENDPOINTS = SLICE + 20


async def test_a_crash_between_two_slices_loses_no_delivery_and_makes_none_twice(merchant: Client, shop: Receiver) -> None:
    for number in range(ENDPOINTS):
        (await merchant.post("/v1/webhook_endpoints", {"url": f"{shop.url}/{number}"})).expect(201)
    body = {"amount": 4200, "currency": "usd", "payment_nonce": await merchant.make_nonce()}
    match = {"operation": "charges.create"}
    await merchant.add_fault("operation.committed", "crash", params={"down_s": 0.01}, match=match)
    (await insist(lambda: merchant.post("/v1/charges", body, idem="k"))).expect(201)
    (event,) = (await insist(lambda: merchant.get("/v1/events")))["data"]

    async def are_told() -> bool:
        found, after = set(), ""
        while True:
            page = (await merchant.get(f"/v1/events/{event['id']}/deliveries?limit=100{after}")).expect(200)
            found |= {(one["endpoint_id"], one["status"]) for one in page["data"]}
            if not page["has_more"]:
                return len(found) == ENDPOINTS and {status for _, status in found} == {"succeeded"}
            after = f"&starting_after={page['data'][-1]['id']}"

    await eventually(are_told)
    assert {hit.path for hit in shop.hits} == {f"/hooks/{number}" for number in range(ENDPOINTS)}
