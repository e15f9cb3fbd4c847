"""Authorize, then capture with the parcel: keyed, voided when cancelled, and never shipped on an authorization that is gone."""

import asyncio
from typing import Any

import pytest

from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio
WEEK = 7 * 86400


async def authorized(stage: Any) -> str:
    order = str(await stage.order(amount=4200, currency="usd", capture="later"))
    status, answer = await stage.pay(order)
    assert (status, answer["status"]) == (200, "AUTHORIZED")
    return order


async def test_paying_authorizes_and_shipping_captures_and_hands_over(stage: Any) -> None:
    order = await authorized(stage)
    seen = await stage.see(order)
    assert (seen["amount_captured"], seen["fulfilments"]) == (0, 0)

    status, answer = await stage.shop.call("POST", f"/orders/{order}/ship")

    assert (status, answer["capture"]["status"], answer["order"]["status"]) == (200, "succeeded", "PAID")
    await stage.shop.until(order, status="PAID", amount_captured=4200, fulfilments=1)
    assert [each["amount_captured"] for each in await stage.charges()] == [4200]


async def test_parcels_are_captured_one_by_one_and_the_last_one_pays(stage: Any) -> None:
    order = await authorized(stage)

    assert await stage.modify("ship", order, 1200) == 200
    assert (await stage.see(order))["status"] == "PARTIALLY_PAID"
    assert await stage.modify("ship", order, 3001) == 400
    assert await stage.modify("ship", order) == 200

    await stage.shop.until(order, status="PAID", amount_captured=4200, fulfilments=1)


@pytest.mark.parametrize("fault", ["operation.committed", "request.received"])
async def test_a_capture_without_an_answer_is_made_once(stage: Any, fault: str) -> None:
    order = await authorized(stage)
    await stage.fault(fault, "reset", "charges.capture", times=2)

    assert await stage.modify("ship", order, 1200) == 202
    assert await stage.modify("cancel", order) == 409  # what is under way cannot be crossed
    await stage.client.advance(86400)  # nor has the gateway the key any more
    await stage.open(reconcile_every_s=0.02)

    await stage.shop.until(order, status="PARTIALLY_PAID", amount_captured=1200)
    assert [each["amount_captured"] for each in await stage.charges()] == [1200]


async def test_two_clicks_on_ship_are_one_capture(stage: Any) -> None:
    order = await authorized(stage)

    answers = await asyncio.gather(*(stage.shop.call("POST", f"/orders/{order}/ship", {"amount": 700}) for _ in range(2)))

    assert [status for status, _ in answers] == [200, 200]
    assert (await stage.charges())[0]["amount_captured"] == 700


async def test_cancelling_voids_what_was_authorized(stage: Any) -> None:
    order = await authorized(stage)

    assert await stage.modify("cancel", order) == 200

    assert (await stage.see(order))["status"] == "CANCELLED"
    assert [each["status"] for each in await stage.charges()] == ["voided"]
    assert await stage.modify("ship", order) == 409
    assert await stage.modify("cancel", order) == 200


async def test_while_a_void_is_not_known_nothing_is_shipped(stage: Any) -> None:
    order = await authorized(stage)
    await stage.fault("operation.committed", "reset", "charges.void", times=2)

    assert await stage.modify("cancel", order) == 202
    assert await stage.modify("ship", order) == 409
    await stage.open(reconcile_every_s=0.02)

    await stage.shop.until(order, status="CANCELLED")


async def test_an_expired_authorization_is_not_shipped_and_can_be_paid_again(stage: Any) -> None:
    order = await authorized(stage)
    await stage.client.advance(WEEK)

    status, answer = await stage.shop.call("POST", f"/orders/{order}/ship")
    assert (status, answer["error"]["code"], answer["order"]["status"]) == (409, "authorization_lapsed", "FAILED")
    assert (await stage.see(order))["fulfilments"] == 0
    assert (await stage.pay(order))[0] == 200
    assert await stage.modify("ship", order) == 200

    await stage.shop.until(order, status="PAID", fulfilments=1)


async def test_the_webhook_of_the_expiry_tells_the_order_so(stage: Any) -> None:
    order = await authorized(stage)
    await stage.client.advance(WEEK)

    assert await stage.deliver(await stage.event("charge.expired")) == 200

    seen = await stage.see(order)
    assert (seen["status"], seen["attempts"][0]["status"], seen["attempts"][0]["code"]) == ("FAILED", "lapsed", "expired")


async def test_an_old_event_does_not_take_an_order_back(stage: Any) -> None:
    order = await authorized(stage)
    await stage.modify("ship", order)

    assert await stage.deliver(await stage.event("charge.authorized")) == 200
    assert await stage.deliver(await stage.event("charge.captured")) == 200

    assert (await stage.see(order))["status"] == "PAID"


async def test_an_old_event_does_not_take_a_part_that_was_captured_for_none(stage: Any) -> None:
    order = await authorized(stage)
    assert await stage.modify("ship", order, 1200) == 200

    await stage.deliver(await stage.event("charge.authorized"))

    seen = await stage.see(order)
    assert (seen["status"], seen["amount_captured"]) == ("PARTIALLY_PAID", 1200)


async def test_events_alone_tell_the_whole_story(stage: Any) -> None:
    order = await stage.order(amount=4200, currency="usd", capture="later")
    await stage.fault("operation.committed", "reset", times=2)
    assert (await stage.pay(order))[0] == 202
    await stage.deliver(await stage.event("charge.authorized"))
    assert (await stage.see(order))["status"] == "AUTHORIZED"
    await stage.fault("operation.committed", "reset", "charges.capture", times=2)
    assert await stage.modify("ship", order) == 202

    await stage.deliver(await stage.event("charge.captured"))

    await stage.shop.until(order, status="PAID", fulfilments=1)


async def test_what_was_captured_can_be_given_back_before_the_rest_is(stage: Any) -> None:
    order = await authorized(stage)
    await stage.modify("ship", order, 1200)

    assert await stage.modify("refund", order, 1201) == 400
    assert await stage.modify("refund", order, 1200) == 200
    assert await stage.modify("refund", order, 1) == 400

    seen = await stage.see(order)
    assert (seen["status"], seen["amount_captured"], seen["amount_refunded"]) == ("PARTIALLY_PAID", 1200, 1200)


async def test_a_second_authorization_of_one_order_is_voided(stage: Any) -> None:
    order = await authorized(stage)
    await stage.open(reconcile_every_s=0.02)
    second = await stage.client.charge(order_id=order, capture=False)

    await stage.deliver(await stage.event("charge.authorized", nth=1))

    async def voided() -> bool:
        return bool((await stage.client.get_charge(second["id"]))["status"] == "voided")

    await eventually(voided)
    assert (await stage.see(order))["status"] == "AUTHORIZED"


@pytest.mark.parametrize("what", ["ship", "refund"])
async def test_an_order_that_nothing_is_held_for_has_nothing_to_modify(stage: Any, what: str) -> None:
    order = await stage.order()

    assert await stage.modify(what, order) == 409
