"""Webhooks: verified, applied once, in any order, and acknowledged only when written."""

import asyncio
import json
from typing import Any

import pytest

from tests.support.waiting import eventually

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


async def unknown_payment(shop: Any, gateway: Any) -> tuple[str, dict[str, Any]]:
    """An order whose charge was made but whose answers were lost."""
    gateway.faults = ["lost"] * 2
    order = await shop.order()
    assert (await shop.pay(order))[0] == 202
    return order, gateway.charges[-1]


@pytest.mark.asyncio
async def test_a_webhook_pays_the_order_whose_answer_was_lost(shop: Any, gateway: Any) -> None:
    order, charge = await unknown_payment(shop, gateway)

    status, _ = await shop.event("charge.succeeded", charge)

    assert status == 200
    await shop.until(order, status="PAID", fulfilments=1)


@pytest.mark.asyncio
async def test_a_webhook_before_the_answer_pays_once(shop: Any, gateway: Any) -> None:
    gateway.faults = ["hang"]
    order = await shop.order()
    paying = asyncio.create_task(shop.pay(order))
    await eventually(lambda: gateway.charges)

    await shop.event("charge.succeeded", gateway.charges[0])
    await shop.until(order, status="PAID", fulfilments=1)
    gateway.release.set()

    assert (await paying)[0] == 200
    assert (await shop.see(order))["fulfilments"] == 1


@pytest.mark.asyncio
async def test_a_duplicate_is_acknowledged_and_changes_nothing(shop: Any, gateway: Any) -> None:
    order, charge = await unknown_payment(shop, gateway)

    statuses = [(await shop.event("charge.succeeded", charge))[0] for _ in range(3)]
    await shop.restart()
    statuses.append((await shop.event("charge.succeeded", charge))[0])
    statuses.append((await shop.event("charge.succeeded", charge, event_id="evt_2"))[0])

    assert statuses == [200] * 5
    assert (await shop.until(order, status="PAID", fulfilments=1))["fulfilments"] == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"secret": OTHER_SECRET}, "signature_invalid", id="forged"),
        pytest.param({"at": -301.0}, "timestamp_out_of_tolerance", id="stale"),
        pytest.param({"at": 301.0}, "timestamp_out_of_tolerance", id="from-the-future"),
    ],
)
@pytest.mark.asyncio
async def test_a_webhook_not_signed_now_by_the_gateway_is_refused(
    shop: Any, gateway: Any, changes: dict[str, Any], code: str
) -> None:
    order, charge = await unknown_payment(shop, gateway)
    shop.now = float(int(shop.now))
    if "at" in changes:
        changes = {"at": shop.now + changes["at"]}

    status, answer = await shop.event("charge.succeeded", charge, **changes)

    assert (status, answer["error"]["code"]) == (401, code)
    assert (await shop.see(order))["status"] == "PENDING"


@pytest.mark.asyncio
async def test_a_clock_that_differs_by_five_minutes_is_tolerated(shop: Any, gateway: Any) -> None:
    _, charge = await unknown_payment(shop, gateway)
    shop.now = float(int(shop.now))

    assert (await shop.event("charge.succeeded", charge, at=shop.now - 299))[0] == 200
    assert (await shop.event("charge.succeeded", charge, at=shop.now + 299))[0] == 200


@pytest.mark.asyncio
async def test_a_body_changed_after_signing_is_refused(shop: Any, gateway: Any) -> None:
    order, charge = await unknown_payment(shop, gateway)
    raw = json.dumps({"id": "evt_1", "type": "charge.succeeded", "data": charge})

    status, _ = await shop.deliver(raw, event_id="evt_1", sent=raw.replace("succeeded", "Succeeded"))

    assert status == 401
    assert (await shop.see(order))["status"] == "PENDING"


@pytest.mark.asyncio
async def test_the_raw_bytes_are_what_is_verified(shop: Any, gateway: Any) -> None:
    order, charge = await unknown_payment(shop, gateway)
    raw = json.dumps({"type": "charge.succeeded", "data": charge, "id": "evt_1"}, indent=3) + "\n\n"

    assert (await shop.deliver(raw, event_id="evt_1"))[0] == 200
    await shop.until(order, status="PAID")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"webhook-id": "evt_1", "webhook-timestamp": "1", "webhook-signature": ""},
        {"webhook-id": "evt_1", "webhook-timestamp": "tomorrow", "webhook-signature": "v1,abc"},
        {"webhook-id": "evt_1", "webhook-timestamp": "٣", "webhook-signature": "v1,abc"},
        {"webhook-id": "evt_1", "webhook-timestamp": "9" * 400, "webhook-signature": "v1,abc"},
        {"webhook-id": "evt_1", "webhook-timestamp": "1", "webhook-signature": "v1,ä v2,x ,,"},
    ],
)
@pytest.mark.asyncio
async def test_headers_that_make_no_sense_are_refused(shop: Any, headers: dict[str, str]) -> None:
    assert (await shop.call("POST", "/webhooks/payment", headers=headers, data=b"{}"))[0] == 401


@pytest.mark.asyncio
async def test_while_secrets_rotate_both_are_accepted_and_a_retired_one_is_not(shop: Any) -> None:
    await shop.restart(webhook_secrets=(OTHER_SECRET, SECRET))
    for number, secret in enumerate((SECRET, OTHER_SECRET)):
        assert (await shop.event("new.type", {}, secret=secret, event_id=f"evt_{number}"))[0] == 200

    await shop.restart(webhook_secrets=(OTHER_SECRET,))

    assert (await shop.event("new.type", {}, secret=SECRET))[0] == 401


@pytest.mark.asyncio
async def test_a_secret_on_its_way_out_is_accepted_until_its_day(shop: Any) -> None:
    await shop.restart(webhook_secrets=(OTHER_SECRET, f"{SECRET}@{int(shop.now) + 60}"))
    assert (await shop.event("new.type", {}, secret=SECRET))[0] == 200

    shop.now += 60
    assert (await shop.event("new.type", {}, secret=SECRET, event_id="evt_2"))[0] == 401
    assert (await shop.event("new.type", {}, secret=OTHER_SECRET, event_id="evt_3"))[0] == 200


@pytest.mark.asyncio
async def test_without_a_secret_every_webhook_is_refused(shop: Any) -> None:
    await shop.restart(webhook_secrets=())

    assert (await shop.event("new.type", {}))[0] == 401


@pytest.mark.asyncio
async def test_an_event_of_an_unknown_order_is_not_acknowledged_and_counts_when_it_comes_again(shop: Any, gateway: Any) -> None:
    order, charge = await unknown_payment(shop, gateway)

    status, answer = await shop.event("charge.succeeded", {**charge, "order_id": "order_else"})
    assert (status, answer["error"]["code"]) == (409, "order_unknown")

    assert (await shop.event("charge.succeeded", charge))[0] == 200
    await shop.until(order, status="PAID")


@pytest.mark.asyncio
async def test_event_types_yet_to_be_invented_are_acknowledged(shop: Any) -> None:
    assert (await shop.event("payout.levitated", {"id": "po_1"}))[0] == 200


@pytest.mark.asyncio
async def test_events_of_charges_made_without_an_order_are_acknowledged(shop: Any, gateway: Any) -> None:
    _, charge = await unknown_payment(shop, gateway)

    assert (await shop.event("charge.succeeded", {**charge, "order_id": None}))[0] == 200


@pytest.mark.parametrize("body", ["nonsense", "[]", '{"type": 1, "data": {}}', '{"type": "charge.succeeded"}'])
@pytest.mark.asyncio
async def test_a_signed_body_that_is_no_event_is_refused(shop: Any, body: str) -> None:
    assert (await shop.deliver(body, event_id="evt_1"))[0] == 400


@pytest.mark.parametrize("lie", [{"amount": 1, "amount_captured": 1}, {"currency": "jpy"}, {"amount_captured": 7}])
@pytest.mark.parametrize("attempt_known", [True, False])
@pytest.mark.asyncio
async def test_a_signed_success_of_another_amount_does_not_pay(
    shop: Any, gateway: Any, lie: dict[str, Any], attempt_known: bool
) -> None:
    order, charge = await unknown_payment(shop, gateway)
    if not attempt_known:
        lie = {**lie, "id": "txn_x", "metadata": {}, "payment_nonce": "nonce_x"}

    for event_id in ("evt_1", "evt_2"):
        assert (await shop.event("charge.succeeded", {**charge, **lie}, event_id=event_id))[0] == 200

    seen = await shop.see(order)
    assert (seen["status"], seen["fulfilments"]) == ("PENDING", 0)


@pytest.mark.asyncio
async def test_a_late_failure_does_not_touch_a_paid_order(shop: Any, gateway: Any) -> None:
    order = await shop.order()
    await shop.pay(order, "nonce_declined")
    await shop.pay(order, "nonce_good")

    assert (await shop.event("charge.failed", gateway.charges[0]))[0] == 200

    assert (await shop.see(order))["status"] == "PAID"


@pytest.mark.asyncio
async def test_a_stale_failure_of_the_first_attempt_does_not_fail_the_second(shop: Any, gateway: Any) -> None:
    order = await shop.order()
    await shop.pay(order, "nonce_declined")
    gateway.faults = ["lost"] * 2
    assert (await shop.pay(order, "nonce_good"))[0] == 202

    await shop.event("charge.failed", gateway.charges[0])
    assert (await shop.see(order))["status"] == "PENDING"
    assert (await shop.pay(order, "nonce_third"))[0] == 202

    await shop.event("charge.succeeded", gateway.charges[1], event_id="evt_2")
    assert (await shop.see(order))["status"] == "PAID"


@pytest.mark.asyncio
async def test_a_failure_event_closes_its_own_open_attempt(shop: Any, gateway: Any) -> None:
    gateway.faults = ["lost"] * 2
    order = await shop.order()
    await shop.pay(order, "nonce_declined")

    await shop.event("charge.failed", gateway.charges[0])

    assert (await shop.see(order))["status"] == "FAILED"
    assert (await shop.pay(order, "nonce_good"))[0] == 200


@pytest.mark.asyncio
async def test_a_late_success_of_a_failed_attempt_pays_the_order(shop: Any, gateway: Any) -> None:
    order = await shop.order()
    await shop.pay(order, "nonce_declined")
    charge = {**gateway.charges[0], "status": "succeeded", "amount_captured": 4200}

    await shop.event("charge.succeeded", charge)

    await shop.until(order, status="PAID", fulfilments=1)


@pytest.mark.asyncio
async def test_a_charge_made_by_hand_for_the_order_pays_it(shop: Any, gateway: Any) -> None:
    order = await shop.order()
    charge = {"id": "txn_hand", "status": "succeeded", "amount": 4200, "currency": "usd", "order_id": order}

    await shop.event("charge.succeeded", charge)

    assert (await shop.until(order, status="PAID"))["attempts"][0]["charge_id"] == "txn_hand"


@pytest.mark.parametrize("capture", [True, False])
@pytest.mark.asyncio
async def test_a_charge_made_by_hand_that_does_not_fit_the_order_is_given_back(stage: Any, capture: bool) -> None:
    order = await stage.order(amount=4200)
    await stage.client.charge(order_id=order, amount=1, capture=capture)
    await stage.deliver(await stage.event("charge.succeeded" if capture else "charge.authorized"))
    assert (await stage.see(order))["status"] == "PENDING"

    await stage.calm()
    await stage.round()

    (charge,) = await stage.charges()
    assert (charge["status"], charge["amount_refunded"]) == (("succeeded", 1) if capture else ("voided", 0))
    assert (await stage.pay(order))[0] == 200


@pytest.mark.asyncio
async def test_a_second_successful_charge_of_one_order_is_given_back_once(shop: Any, gateway: Any) -> None:
    await shop.restart(reconcile_every_s=0.02)
    order = await shop.order()
    await shop.pay(order)
    second = {**gateway.charges[0], "id": "txn_2", "metadata": {}, "payment_nonce": "nonce_x"}
    gateway.charges.append(second)

    for event_id in ("evt_1", "evt_2"):
        await shop.event("charge.succeeded", second, event_id=event_id)

    await eventually(lambda: gateway.refunds)
    seen = await shop.see(order)
    assert (seen["status"], seen["amount_refunded"], seen["fulfilments"]) == ("PAID", 0, 1)
    assert [(each["charge_id"], each["amount"]) for each in gateway.refunds] == [("txn_2", 4200)]


@pytest.mark.asyncio
async def test_a_success_of_a_cancelled_order_is_given_back(shop: Any, gateway: Any) -> None:
    await shop.restart(reconcile_every_s=0.02)
    order = await shop.order()
    await shop.call("POST", f"/orders/{order}/cancel")
    charge = {"id": "txn_9", "status": "succeeded", "amount": 4200, "currency": "usd", "order_id": order}
    gateway.charges.append({**charge, "amount_refunded": 0})

    await shop.event("charge.succeeded", charge)

    await eventually(lambda: gateway.refunds)
    assert (await shop.see(order))["status"] == "CANCELLED"
