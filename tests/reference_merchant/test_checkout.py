"""Paying: the happy path, declines, clicks that meet, and answers that say nothing."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from tests.support.waiting import eventually


def busy() -> web.Response:
    return web.json_response({"code": "busy"}, status=503)


@pytest.mark.asyncio
async def test_a_good_card_pays_the_order_and_the_goods_go_out_once(shop: Any, gateway: Any) -> None:
    order = await shop.order()

    status, answer = await shop.pay(order)

    assert (status, answer["status"]) == (200, "PAID")
    seen = await shop.until(order, fulfilments=1)
    assert seen["attempts"] == [{"number": 1, "status": "succeeded", "charge_id": "txn_1", "code": None}]
    assert [(each["amount"], each["currency"]) for each in gateway.charges] == [(4200, "usd")]


@pytest.mark.asyncio
async def test_each_charge_names_its_order_and_attempt_and_carries_a_key(shop: Any, gateway: Any) -> None:
    order = await shop.order()
    await shop.pay(order)

    ((_, key, body),) = gateway.asked
    assert key
    assert body["order_id"] == order
    assert body["metadata"]["attempt"]


@pytest.mark.asyncio
async def test_the_price_is_made_by_the_shop_from_its_catalogue(shop: Any, gateway: Any) -> None:
    order = await shop.order(items=[{"sku": "mug", "quantity": 2}, {"sku": "spoon"}])
    await shop.pay(order)

    assert gateway.charges[0]["amount"] == 2 * 1400 + 29


@pytest.mark.asyncio
async def test_after_a_decline_another_card_pays_under_another_key(shop: Any, gateway: Any) -> None:
    order = await shop.order()

    status, answer = await shop.pay(order, "nonce_declined")
    assert (status, answer["status"]) == (402, "FAILED")
    assert answer["decline_code"] == "insufficient_funds"
    assert answer["error"]["code"] == "card_declined"

    status, _ = await shop.pay(order, "nonce_good")
    assert status == 200
    first, second = (key for operation, key, _ in gateway.asked if operation == "charges.create")
    assert first != second
    assert [each["status"] for each in (await shop.see(order))["attempts"]] == ["declined", "succeeded"]


@pytest.mark.asyncio
async def test_a_double_click_is_one_charge_and_both_clicks_learn_that_it_is_paid(shop: Any, gateway: Any) -> None:
    order = await shop.order()

    answers = await asyncio.gather(shop.pay(order, "nonce_a"), shop.pay(order, "nonce_b"))

    assert [status for status, _ in answers] == [200, 200]
    assert len(gateway.charges) == 1


@pytest.mark.asyncio
async def test_a_paid_order_is_not_charged_by_a_second_tab(shop: Any, gateway: Any) -> None:
    order = await shop.order()
    await shop.pay(order, "nonce_a")

    status, _ = await shop.pay(order, "nonce_b")

    assert status == 200
    assert len(gateway.charges) == 1


@pytest.mark.asyncio
async def test_a_lost_answer_is_asked_for_again_with_the_same_key_and_body(shop: Any, gateway: Any) -> None:
    gateway.faults = ["lost"]
    order = await shop.order()

    status, _ = await shop.pay(order)

    assert status == 200
    assert len(gateway.charges) == 1
    assert gateway.asked[0] == gateway.asked[1]


@pytest.mark.parametrize("fault", ["lost", "dropped", "garbage", busy])
@pytest.mark.asyncio
async def test_while_the_outcome_is_unknown_the_order_is_pending_and_a_new_card_starts_nothing(
    shop: Any, gateway: Any, fault: Any
) -> None:
    gateway.faults = [fault, fault]
    order = await shop.order()

    status, answer = await shop.pay(order, "nonce_a")
    assert (status, answer["status"]) == (202, "PENDING")

    status, _ = await shop.pay(order, "nonce_b")
    assert status == 202
    assert {body["payment_nonce"] for name, _, body in gateway.asked if name == "charges.create"} == {"nonce_a"}
    assert (await shop.see(order))["attempts"] == [{"number": 1, "status": "open", "charge_id": None, "code": None}]


@pytest.mark.asyncio
async def test_a_timeout_is_no_failure_and_reconciliation_finds_the_charge(shop: Any, gateway: Any) -> None:
    await shop.restart(reconcile_every_s=0.02)
    gateway.faults = ["hang"] * 2
    order = await shop.order()

    status, _ = await shop.pay(order)

    assert status == 202
    await shop.until(order, status="PAID", fulfilments=1)
    assert len(gateway.charges) == 1


@pytest.mark.asyncio
async def test_a_charge_made_after_its_call_was_given_up_and_looked_for_in_vain_pays_the_order_once(
    shop: Any, gateway: Any
) -> None:
    await shop.restart(reconcile_every_s=0.02, gateway_timeout_s=0.1)
    gateway.faults = ["under way"] * 1000
    order = await shop.order()

    status, _ = await shop.pay(order)
    await eventually(lambda: looked_and_called(gateway))

    assert status == 202
    assert gateway.charges == []
    assert [each["status"] for each in (await shop.see(order))["attempts"]] == ["open"], "not found is not final"
    gateway.faults = []
    gateway.release.set()
    await shop.until(order, status="PAID", fulfilments=1)
    assert len(gateway.charges) == 1
    assert len({str(asked) for asked in gateway.asked if asked[0] == "charges.create"}) == 1, "the same key, the same body"


async def looked_and_called(gateway: Any) -> bool:
    """Whether it was looked for in vain, and then sent again all the same."""
    asked = [operation for operation, _, _ in gateway.asked]
    return "charges.create" in asked[asked.index("charges.list") :] if "charges.list" in asked else False


@pytest.mark.asyncio
async def test_a_call_still_under_way_when_the_same_one_is_refused_is_refused_too(shop: Any, gateway: Any) -> None:
    gateway.faults = ["under way"]
    order = await shop.order()
    gateway.expired.add("nonce_a")

    status, _ = await shop.pay(order)
    gateway.expired.clear()  # were it not for the refusal kept under the key, the first call would charge now
    gateway.release.set()
    await eventually(lambda: answered(gateway, 1))

    assert (status, (await shop.see(order))["status"]) == (400, "FAILED")
    assert (await shop.pay(order, "nonce_b"))[0] == 200
    assert [charge["payment_nonce"] for charge in gateway.charges] == ["nonce_b"]


async def answered(gateway: Any, released: int) -> bool:
    """Whether so many of the calls that were under way have come to their end."""
    return bool(gateway.released >= released)


@pytest.mark.asyncio
async def test_what_never_reached_the_gateway_is_sent_again_by_reconciliation(shop: Any, gateway: Any) -> None:
    await shop.restart(reconcile_every_s=0.02)
    gateway.faults = ["dropped"] * 3
    order = await shop.order()

    await shop.pay(order)

    await shop.until(order, status="PAID")
    created = [asked for asked in gateway.asked if asked[0] == "charges.create"]
    assert len({str(asked) for asked in created}) == 1


@pytest.mark.asyncio
async def test_a_gateway_that_asks_for_patience_is_left_alone(shop: Any, gateway: Any) -> None:
    await shop.restart(reconcile_every_s=0.01)
    limited = web.json_response({"code": "rate_limited"}, status=429, headers={"Retry-After": "3600"})
    gateway.faults = [lambda: limited]
    order = await shop.order()

    status, _ = await shop.pay(order)
    again, _ = await shop.pay(order, "nonce_b")

    assert (status, again) == (202, 202)
    await asyncio.gather(*(shop.see(order) for _ in range(20)))
    assert gateway.count("charges.create") == 1


@pytest.mark.parametrize("status", [401, 403, 409, 429, 500])
@pytest.mark.asyncio
async def test_an_answer_about_the_moment_does_not_fail_the_attempt(shop: Any, gateway: Any, status: int) -> None:
    gateway.faults = [lambda: web.json_response({"code": "not_now"}, status=status)] * 2
    order = await shop.order()

    assert (await shop.pay(order))[0] == 202


@pytest.mark.asyncio
async def test_a_used_nonce_is_refused_and_the_order_can_be_paid_with_another(shop: Any, gateway: Any) -> None:
    gateway.nonces.add("nonce_old")
    order = await shop.order()

    status, answer = await shop.pay(order, "nonce_old")
    assert (status, answer["status"], answer["error"]["code"]) == (400, "FAILED", "nonce_used")

    assert (await shop.pay(order, "nonce_new"))[0] == 200


@pytest.mark.asyncio
async def test_the_same_nonce_after_its_decline_gets_the_same_answer_without_a_call(shop: Any, gateway: Any) -> None:
    order = await shop.order()
    await shop.pay(order, "nonce_declined")

    status, _ = await shop.pay(order, "nonce_declined")

    assert status == 402
    assert gateway.count("charges.create") == 1


@pytest.mark.asyncio
async def test_a_charge_whose_key_the_gateway_has_forgotten_is_found_and_not_repeated(shop: Any, gateway: Any) -> None:
    gateway.faults = ["lost"] * 2
    order = await shop.order()
    await shop.pay(order)
    gateway.results.clear()

    await shop.restart(reconcile_every_s=0.02)

    await shop.until(order, status="PAID")
    assert len(gateway.charges) == 1


@pytest.mark.asyncio
async def test_a_nonce_found_used_after_a_lost_answer_is_looked_up_before_anything_is_called_failed(
    shop: Any, gateway: Any
) -> None:
    def forget() -> web.Response:
        return web.json_response({"code": "nonce_used"}, status=400)

    gateway.faults = ["lost", forget]
    order = await shop.order()

    assert (await shop.pay(order))[0] == 200


@pytest.mark.asyncio
async def test_a_refusal_heard_once_while_an_earlier_call_may_be_on_its_way_is_not_final(shop: Any, gateway: Any) -> None:
    gateway.faults = ["dropped", lambda: web.json_response({"code": "injected"}, status=400)]
    order = await shop.order()

    assert (await shop.pay(order))[0] == 200


@pytest.mark.asyncio
async def test_a_402_that_is_no_decline_of_the_card_is_looked_up(shop: Any, gateway: Any) -> None:
    gateway.faults = ["lost", lambda: web.json_response({"code": "injected"}, status=402)]
    order = await shop.order()

    assert (await shop.pay(order))[0] == 200


@pytest.mark.asyncio
async def test_a_charge_that_the_gateway_still_decides_on_is_asked_for_by_its_id(shop: Any, gateway: Any) -> None:
    await shop.restart(reconcile_every_s=0.02)
    order = await shop.order()

    def processing() -> web.Response:
        body = gateway.asked[-1][2]
        _, charge = gateway.charge(body)
        gateway.charges[-1]["status"] = "processing"
        return web.json_response({**charge, "status": "processing"}, status=201)

    gateway.faults = [processing]
    assert (await shop.pay(order))[0] == 202
    gateway.charges[-1]["status"] = "succeeded"

    await shop.until(order, status="PAID")
    assert gateway.count("charges.create") == 1


@pytest.mark.asyncio
async def test_an_order_cannot_be_edited_or_cancelled_while_its_payment_is_unknown(shop: Any, gateway: Any) -> None:
    gateway.faults = ["lost"] * 2
    order = await shop.order()
    await shop.pay(order)

    assert (await shop.call("PUT", f"/orders/{order}", {"amount": 1}))[0] == 409
    assert (await shop.call("POST", f"/orders/{order}/cancel"))[0] == 409


@pytest.mark.asyncio
async def test_an_edited_order_is_paid_at_its_new_price(shop: Any, gateway: Any) -> None:
    order = await shop.order()
    await shop.pay(order, "nonce_declined")

    await shop.call("PUT", f"/orders/{order}", {"items": [{"sku": "tea"}]})
    await shop.pay(order, "nonce_good")

    assert [each["amount"] for each in gateway.charges] == [4200, 950]


@pytest.mark.asyncio
async def test_a_cancelled_order_cannot_be_paid(shop: Any, gateway: Any) -> None:
    order = await shop.order()
    await shop.call("POST", f"/orders/{order}/cancel")

    assert (await shop.pay(order))[0] == 409
    assert gateway.asked == []
