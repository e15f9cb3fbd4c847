"""Orders: placed once, priced by the shop, held for a while, and cancelled in time if surely nobody paid."""

from typing import Any

import pytest

pytestmark = pytest.mark.asyncio
HOUR = 3600


async def test_an_order_placed_twice_under_one_id_is_one_order(shop: Any) -> None:
    cart = {"id": "cart-1", "items": [{"sku": "tea"}], "customer_id": "ada"}

    first = await shop.call("POST", "/orders", cart)
    again = await shop.call("POST", "/orders", cart)
    other = await shop.call("POST", "/orders", {**cart, "items": [{"sku": "mug"}]})

    assert (first[0], again) == (201, (200, first[1]))
    assert (other[0], other[1]["error"]["code"]) == (409, "order_exists")
    assert len((await shop.call("GET", "/orders"))[1]["data"]) == 1


async def test_the_price_that_the_page_showed_is_compared_and_never_charged(stage: Any) -> None:
    order = await stage.order(amount=4200)

    status, answer = await stage.pay(order, amount=1)
    assert (status, answer["error"]["code"]) == (409, "amount_changed")
    assert await stage.charges() == []

    assert (await stage.pay(order, amount=4200))[0] == 200


async def test_an_order_that_nobody_pays_is_let_go_in_time(stage: Any) -> None:
    placed, failed = await stage.order(), await stage.order()
    await stage.pay(failed, "declined")
    await stage.open(reconcile_every_s=0.02, hold_s=HOUR)
    await stage.shop.call("GET", "/healthz")
    assert (await stage.see(placed))["status"] == "PENDING"

    stage.shop.now += HOUR

    await stage.shop.until(placed, status="CANCELLED")
    await stage.shop.until(failed, status="CANCELLED")
    assert (await stage.pay(placed))[0] == 409


async def test_a_paid_an_authorized_and_an_unknown_order_are_held_on(stage: Any) -> None:
    paid, held, unknown = await stage.order(), await stage.order(amount=900, capture="later"), await stage.order()
    await stage.pay(paid)
    await stage.pay(held)
    await stage.fault("operation.committed", "reset", times=None)
    assert (await stage.pay(unknown))[0] == 202
    await stage.fault("request.received", "reset", "charges.list", times=None)
    await stage.open(reconcile_every_s=0.02, hold_s=HOUR)
    sentinel = await stage.order()

    stage.shop.now += HOUR
    await stage.shop.until(sentinel, status="CANCELLED")  # so the timer has been round

    assert [(await stage.see(order))["status"] for order in (paid, held, unknown)] == ["PAID", "AUTHORIZED", "PENDING"]
    await stage.mend()
    await stage.shop.until(unknown, status="PAID")
