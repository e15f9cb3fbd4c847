"""Refunds: asked for with a stored key, booked once, whoever tells of them first."""

import asyncio
from typing import Any

import pytest


async def paid_order(shop: Any) -> str:
    order = str(await shop.order())
    assert (await shop.pay(order))[0] == 200
    return order


@pytest.mark.asyncio
async def test_a_full_refund_makes_the_order_refunded(shop: Any, gateway: Any) -> None:
    order = await paid_order(shop)

    status, answer = await shop.call("POST", f"/orders/{order}/refund")

    assert (status, answer["order"]["status"], answer["order"]["amount_refunded"]) == (200, "REFUNDED", 4200)


@pytest.mark.asyncio
async def test_partial_refunds_add_up_and_never_exceed_the_order(shop: Any, gateway: Any) -> None:
    order = await paid_order(shop)

    assert (await shop.call("POST", f"/orders/{order}/refund", {"amount": 1000}))[0] == 200
    status, answer = await shop.call("POST", f"/orders/{order}/refund", {"amount": 3201})
    assert (status, answer["error"]["code"]) == (400, "amount_too_large")
    assert (await shop.call("POST", f"/orders/{order}/refund", {"amount": 3200}))[0] == 200

    assert (await shop.see(order))["status"] == "REFUNDED"


@pytest.mark.asyncio
async def test_a_refund_whose_answer_was_lost_is_not_made_twice(shop: Any, gateway: Any) -> None:
    order = await paid_order(shop)
    gateway.faults = ["lost"] * 2

    assert (await shop.call("POST", f"/orders/{order}/refund", {"amount": 1000}))[0] == 202
    gateway.results.clear()  # even if the gateway has forgotten the key by now
    await shop.restart(reconcile_every_s=0.02)

    await shop.until(order, amount_refunded=1000, status="PARTIALLY_REFUNDED")
    assert len(gateway.refunds) == 1


@pytest.mark.asyncio
async def test_a_double_click_on_refund_is_one_refund(shop: Any, gateway: Any) -> None:
    order = await paid_order(shop)

    answers = await asyncio.gather(*(shop.call("POST", f"/orders/{order}/refund", {"amount": 500}) for _ in range(2)))

    assert [status for status, _ in answers] == [200, 200]
    assert len(gateway.refunds) == 1


@pytest.mark.asyncio
async def test_another_refund_waits_for_the_one_that_is_open(shop: Any, gateway: Any) -> None:
    order = await paid_order(shop)
    gateway.faults = ["lost"] * 2
    await shop.call("POST", f"/orders/{order}/refund", {"amount": 1000})

    status, answer = await shop.call("POST", f"/orders/{order}/refund", {"amount": 700})

    assert (status, answer["error"]["code"]) == (409, "refund_in_progress")


@pytest.mark.asyncio
async def test_the_webhook_of_our_own_refund_is_an_echo_and_not_another(shop: Any, gateway: Any) -> None:
    order = await paid_order(shop)
    await shop.call("POST", f"/orders/{order}/refund", {"amount": 1000})

    assert (await shop.event("refund.succeeded", gateway.refunds[0]))[0] == 200

    assert (await shop.see(order))["amount_refunded"] == 1000


@pytest.mark.asyncio
async def test_a_webhook_settles_the_refund_whose_answer_was_lost(shop: Any, gateway: Any) -> None:
    order = await paid_order(shop)
    gateway.faults = ["lost"] * 2
    await shop.call("POST", f"/orders/{order}/refund")

    await shop.event("refund.succeeded", gateway.refunds[0])

    assert (await shop.see(order))["status"] == "REFUNDED"


@pytest.mark.asyncio
async def test_a_refund_made_at_the_gateway_by_hand_is_booked_once(shop: Any, gateway: Any) -> None:
    order = await paid_order(shop)
    seen = {"id": "re_hand", "status": "succeeded", "amount": 200, "charge_id": "txn_1", "order_id": order}

    for event_id in ("evt_1", "evt_2"):
        assert (await shop.event("refund.succeeded", seen, event_id=event_id))[0] == 200

    assert (await shop.see(order))["amount_refunded"] == 200


@pytest.mark.asyncio
async def test_an_order_that_is_not_paid_has_nothing_to_refund(shop: Any) -> None:
    order = await shop.order()

    status, answer = await shop.call("POST", f"/orders/{order}/refund")

    assert (status, answer["error"]["code"]) == (409, "order_not_refundable")


@pytest.mark.asyncio
async def test_a_refund_refused_by_the_gateway_leaves_the_order_paid(shop: Any, gateway: Any) -> None:
    from aiohttp import web

    order = await paid_order(shop)
    gateway.faults = [lambda: web.json_response({"code": "charge_disputed"}, status=400)]

    assert (await shop.call("POST", f"/orders/{order}/refund"))[0] == 502
    assert (await shop.see(order))["status"] == "PAID"
