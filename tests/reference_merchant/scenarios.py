"""For each mutant the smallest traffic that shows its bug. The reference merchant gets through all of it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.reference_merchant.stage import Stage
from tests.support.waiting import eventually

Scenario = Callable[[Stage], Awaitable[None]]
SCENARIOS: dict[str, Scenario] = {}
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
HOUR, DAY = 3600, 86400
IMPATIENT = {"gateway_timeout_s": 1.0}  # with the gateway; elsewhere a call that hangs is still waiting when the shop is killed


def exposes(*names: str) -> Callable[[Scenario], Scenario]:
    def note(scenario: Scenario) -> Scenario:
        for name in names:
            assert name not in SCENARIOS
            SCENARIOS[name] = scenario
        return scenario

    return note


# --- keys, and how answers are read


@exposes("no_key", "new_key_retry", "neterr_failed")
async def a_lost_answer(stage: Stage) -> None:
    order = await stage.order()
    await stage.fault("operation.committed", "reset")
    await stage.pay(order)
    await stage.pay_again(order)
    await stage.calm(order)


@exposes("new_key_timeout")
async def a_late_answer(stage: Stage) -> None:
    await stage.open(**IMPATIENT)
    order = await stage.order()
    await stage.fault("operation.committed", "hang")
    await stage.pay(order)
    await stage.pay_again(order)
    await stage.calm(order)


@exposes("timeout_failed", "final_503", "naive")
async def late_answers_to_one_who_stays_and_one_who_leaves(stage: Stage) -> None:
    await stage.open(**IMPATIENT)
    stays, leaves = await stage.order(), await stage.order()
    for order in (stays, leaves):
        await stage.fault("operation.committed", "hang", times=2)
        await stage.pay(order)
        await stage.mend()
    await stage.pay_again(stays)
    await stage.calm(stays, leaves)


@exposes("key_in_memory")
async def a_crash_after_the_charge_and_a_customer_who_returns(stage: Stage) -> None:
    order = await stage.order()
    await stage.fault("operation.committed", "hang")
    await stage.begin(order)
    await stage.struck()
    await stage.calm(order)
    await stage.pay_again(order)


@exposes("charge_first")
async def a_crash_after_the_charge(stage: Stage) -> None:
    order = await stage.order()
    await stage.fault("operation.committed", "hang")
    await stage.begin(order)
    await stage.struck()
    await stage.calm(order)


@exposes("key_from_token")
async def a_page_loaded_anew_while_the_outcome_is_unknown(stage: Stage) -> None:
    order = await stage.order()
    await stage.lose_the_answer()
    await stage.pay(order)
    await stage.pay(order)
    await stage.calm(order)


@exposes("key_per_channel")
async def a_webhook_before_the_answer(stage: Stage) -> None:
    await stage.open(**IMPATIENT)
    order = await stage.order()
    await stage.fault("operation.committed", "hang")
    click = await stage.begin(order)
    await stage.struck()
    await stage.deliver(await stage.event("charge.succeeded"))
    await stage.pay_again(order)
    await click
    await stage.calm(order)


@exposes("key_after_decline")
async def a_declined_card_and_then_a_good_one(stage: Stage) -> None:
    order = await stage.order()
    await stage.pay(order, "declined")
    await stage.pay(order)


@exposes("key_new_amount")
async def a_cart_edited_after_a_payment_was_refused(stage: Stage) -> None:
    first, order = await stage.order(), await stage.order()
    used = await stage.nonce()
    await stage.pay(first, nonce=used)
    await stage.pay(order, nonce=used)
    assert (await stage.shop.call("PUT", f"/orders/{order}", {"amount": 950}))[0] == 200
    await stage.pay(order)


@exposes("key_collides")
async def two_orders_of_one_customer(stage: Stage) -> None:
    for _ in range(2):
        await stage.pay(await stage.order(amount=4200, customer_id="ada"))


@exposes("key_expired")
async def a_shop_that_is_down_for_longer_than_keys_live(stage: Stage) -> None:
    order = await stage.order()
    await stage.lose_the_answer()
    await stage.pay(order)
    await stage.shop.stop()
    await stage.client.advance(25 * HOUR)
    await stage.calm(order)
    await stage.pay_again(order)


@exposes("cached_500")
async def a_500_after_the_charge(stage: Stage) -> None:
    order = await stage.order()
    await stage.fault("operation.committed", "status", params={"status": 500})
    await stage.pay(order)
    await stage.calm(order)


@exposes("conflict_409")
async def a_call_repeated_while_it_is_in_flight(stage: Stage) -> None:
    await stage.open(**IMPATIENT)
    order = await stage.order()
    await stage.fault("operation.claimed", "delay", params={"seconds": 600})
    await stage.pay(order)
    await stage.calm(order)
    await eventually(stage.charges)


@exposes("timeout_paid")
async def a_request_that_never_arrives(stage: Stage) -> None:
    await stage.open(**IMPATIENT)
    order = await stage.order()
    await stage.fault("request.received", "hang", times=2)
    await stage.pay(order)
    await stage.calm(order)


@exposes("retry_storm")
async def a_burst_of_503(stage: Stage) -> None:
    order = await stage.order()
    await stage.fault("request.received", "status", params={"status": 503}, times=50)
    await stage.pay(order)
    await stage.calm(order)


@exposes("ignore_429")
async def a_rate_limit_and_a_customer_who_leaves(stage: Stage) -> None:
    order = await stage.order()
    limit = {"status": 429, "headers": {"Retry-After": "1"}, "body": {"code": "rate_limited"}}
    await stage.fault("request.received", "status", params=limit)
    await stage.pay(order)
    await stage.calm(order)


# --- the browser


@exposes("redirect_paid")
async def a_forged_return(stage: Stage) -> None:
    order = await stage.order()
    address = f"{stage.shop.url}/return?order_id={order}&status=succeeded"
    async with stage.shop.http.get(address, allow_redirects=False) as answer:
        assert answer.status == 303


@exposes("double_click")
async def two_clicks_at_once(stage: Stage) -> None:
    await stage.open(**IMPATIENT)
    order = await stage.order()
    await stage.fault("operation.claimed", "delay", params={"seconds": 600})
    clicks = [await stage.begin(order), await stage.begin(order)]
    await asyncio.gather(*clicks)
    await stage.calm(order)


@exposes("two_tabs")
async def a_paid_order_in_another_tab(stage: Stage) -> None:
    order = await stage.order()
    await stage.pay(order)
    await stage.pay(order)
    await stage.calm(order)


@exposes("client_amount")
async def a_browser_that_names_its_own_price(stage: Stage) -> None:
    order = await stage.order()
    await stage.pay(order, amount=1)
    await stage.pay_again(order)


@exposes("money_unit")
async def odd_cents_and_yen(stage: Stage) -> None:
    await stage.pay(await stage.order(items=[{"sku": "spoon"}]))
    await stage.pay(await stage.order(amount=500, currency="jpy"))


@exposes("pan_log")
async def a_card_number_where_none_belongs(stage: Stage) -> None:
    order = await stage.order()
    await stage.shop.call("POST", "/create-payment", {"order_id": order, "payment_nonce": "4242424242424242"})


# --- webhooks


def a_forgery(order: str) -> dict[str, Any]:
    data = {"id": "txn_forged", "status": "succeeded", "amount": 4200, "currency": "usd", "order_id": order}
    return {"id": "evt_forged", "type": "charge.succeeded", "timestamp": "2026-01-01T00:00:00Z", "data": data}


@exposes("unsigned_ok", "sig_presence")
async def a_forged_webhook(stage: Stage) -> None:
    await stage.deliver(a_forgery(await stage.order()), genuine=False, secret=OTHER_SECRET)


@exposes("old_secret")
async def a_webhook_forged_with_a_retired_secret(stage: Stage) -> None:
    await stage.open(webhook_secrets=(SECRET, f"{OTHER_SECRET}@{int(stage.shop.now) - DAY}"))
    await stage.deliver(a_forgery(await stage.order()), genuine=False, secret=OTHER_SECRET)


@exposes("no_tolerance")
async def an_old_webhook_replayed(stage: Stage) -> None:
    order = await stage.order()
    await stage.lose_the_answer()
    await stage.pay(order)
    await stage.deliver(await stage.event("charge.succeeded"), genuine=False, at=stage.shop.now - DAY)
    await stage.calm(order)


@exposes("reserialised")
async def a_webhook_without_white_space(stage: Stage) -> None:
    await stage.pay(await stage.order())
    for _ in range(2):
        await stage.deliver(await stage.event("charge.succeeded"))


@exposes("skew_strict")
async def a_gateway_whose_clock_is_a_minute_ahead(stage: Stage) -> None:
    await stage.pay(await stage.order())
    for _ in range(2):
        await stage.deliver(await stage.event("charge.succeeded"), at=stage.shop.now + 60)


@exposes("one_secret")
async def a_secret_being_rotated(stage: Stage) -> None:
    await stage.pay(await stage.order())
    for _ in range(2):
        await stage.deliver(await stage.event("charge.succeeded"), secret=(OTHER_SECRET, SECRET))


@exposes("no_dedupe")
async def a_webhook_twice(stage: Stage) -> None:
    order = await stage.order()
    await stage.pay(order)
    for _ in range(2):
        await stage.deliver(await stage.event("charge.succeeded"))
    await stage.calm(order)


@exposes("dedupe_memory")
async def a_webhook_twice_with_a_crash_in_between(stage: Stage) -> None:
    order = await stage.order()
    await stage.pay(order)
    await stage.deliver(await stage.event("charge.succeeded"))
    await stage.crash()
    await stage.deliver(await stage.event("charge.succeeded"))
    await stage.calm(order)


@exposes("dedupe_late")
async def a_webhook_twice_at_once(stage: Stage) -> None:
    order = await stage.order()
    await stage.pay(order)
    event = await stage.event("charge.succeeded")
    await asyncio.gather(*(stage.deliver(event) for _ in range(3)))
    await stage.calm(order)


@exposes("dedupe_first")
async def a_crash_while_a_webhook_is_worked_on(stage: Stage) -> None:
    order = await stage.order()
    await stage.lose_the_answer()
    await stage.pay(order)
    await stage.dark()
    await stage.fault("request.received", "hang", "charges.get")
    event = await stage.event("charge.succeeded")
    await stage.deliver_until_struck(event)
    await stage.crash()
    await stage.deliver(event)


@exposes("slow_hook")
async def a_webhook_while_the_status_call_is_slow(stage: Stage) -> None:
    order = await stage.order()
    await stage.pay(order)
    await stage.fault("request.received", "hang", "charges.get", times=None)
    for _ in range(2):
        await stage.deliver_until_struck(await stage.event("charge.succeeded"))


@exposes("ack_early")
async def a_crash_after_the_acknowledgement(stage: Stage) -> None:
    order = await stage.order()
    await stage.lose_the_answer()
    await stage.pay(order)
    await stage.dark()
    await stage.fault("request.received", "hang", "charges.get", times=None)
    assert await stage.deliver(await stage.event("charge.succeeded")) == 200
    await stage.crash()


@exposes("ack_unknown")
async def a_webhook_before_its_order(stage: Stage) -> None:
    await stage.client.charge(order_id="cart-7")
    event = await stage.event("charge.succeeded")
    status = await stage.deliver(event)
    await stage.order(id="cart-7", amount=4200)
    if status >= 300:
        await stage.deliver(event)


@exposes("reject_unknown")
async def a_type_of_event_that_the_shop_did_not_know(stage: Stage) -> None:
    await stage.pay(await stage.order(amount=4200, capture="later"))
    for _ in range(2):
        await stage.deliver(await stage.event("charge.authorized"))


@exposes("failure_final")
async def a_decline_that_a_webhook_tells_before_the_next_card(stage: Stage) -> None:
    order = await stage.order()
    await stage.pay(order, "declined")
    await stage.deliver(await stage.event("charge.failed"))
    await stage.pay(order)


@exposes("processing_paid")
async def a_bank_debit_that_is_refused(stage: Stage) -> None:
    order = await stage.order()
    await stage.pay(order, "bank_insufficient_funds")
    await stage.goods_out()
    await stage.client.advance(3 * DAY)
    await stage.deliver(await stage.event("charge.failed"))


# --- bookkeeping


@exposes("failed_after_ok")
async def a_late_failure_of_an_earlier_attempt(stage: Stage) -> None:
    order = await stage.order()
    await stage.pay(order, "declined")
    await stage.pay(order)
    await stage.deliver(await stage.event("charge.failed"))


@exposes("stale_attempt")
async def a_late_failure_while_another_attempt_is_unknown(stage: Stage) -> None:
    order = await stage.order()
    await stage.pay(order, "declined")
    await stage.lose_the_answer()
    await stage.pay(order)
    await stage.deliver(await stage.event("charge.failed"))
    await stage.pay_again(order)
    await stage.calm(order)


@exposes("snapshot_wins")
async def an_old_event_after_a_newer_one(stage: Stage) -> None:
    order = await stage.order(amount=4200, capture="later")
    await stage.pay(order)
    await stage.modify("ship", order)
    await stage.deliver(await stage.event("charge.authorized"))


@exposes("amount_unchecked")
async def a_signed_event_of_a_smaller_charge(stage: Stage) -> None:
    order = await stage.order()
    await stage.client.charge(order_id=order, amount=1)
    await stage.deliver(await stage.event("charge.succeeded"))
    await stage.calm(order)


@exposes("fulfil_sep_tx")
async def a_crash_between_paid_and_the_parcel(stage: Stage) -> None:
    order = await stage.order()
    await stage.fault("request.received", "hang", "charges.get")
    click = await stage.begin(order)
    await stage.done_or_struck(click)
    await stage.calm(order)


@exposes("hold_expiry")
async def a_webhook_after_the_goods_were_held_long_enough(stage: Stage) -> None:
    order = await stage.order()
    await stage.lose_the_answer()
    await stage.pay(order)
    await stage.dark()
    await stage.open(reconcile_every_s=0.02, hold_s=HOUR)
    stage.shop.now += HOUR
    await stage.round()
    await stage.deliver(await stage.event("charge.succeeded"))
    await stage.calm(order)


# --- captures and refunds


@exposes("double_capture")
async def a_lost_answer_to_a_capture(stage: Stage) -> None:
    order = await stage.order(amount=4200, capture="later")
    await stage.pay(order)
    await stage.fault("operation.committed", "reset", "charges.capture")
    await stage.modify("ship", order, 1200)


@exposes("capture_cancelled")
async def an_order_cancelled_before_it_is_shipped(stage: Stage) -> None:
    order = await stage.order(amount=4200, capture="later")
    await stage.pay(order, "mastercard")
    await stage.modify("cancel", order)
    await stage.modify("ship", order)


@exposes("auth_expired")
async def an_order_shipped_after_its_authorization(stage: Stage) -> None:
    order = await stage.order(amount=4200, capture="later")
    await stage.pay(order, "mastercard")
    await stage.client.advance(7 * DAY)
    await stage.modify("ship", order)


@exposes("refund_twice")
async def a_lost_answer_to_a_refund(stage: Stage) -> None:
    order = await stage.order()
    await stage.pay(order)
    await stage.fault("operation.committed", "reset", "refunds.create")
    await stage.modify("refund", order, 1000)
    await stage.calm(order)


@exposes("refund_echo")
async def the_webhook_of_a_refund(stage: Stage) -> None:
    order = await stage.order()
    await stage.pay(order)
    await stage.modify("refund", order, 1000)
    await stage.deliver(await stage.event("refund.succeeded"))
    await stage.calm(order)


@exposes("refund_by_id")
async def the_webhook_of_a_refund_before_its_answer(stage: Stage) -> None:
    order = await stage.order()
    await stage.pay(order)
    await stage.fault("operation.committed", "hang", "refunds.create")
    refunding = asyncio.create_task(stage.modify("refund", order, 1000))
    await stage.done_or_struck(refunding)
    await stage.deliver(await stage.event("refund.succeeded"))
    await stage.mend()
    await refunding
    await stage.calm(order)


@exposes("refund_key_amount")
async def two_equal_refunds(stage: Stage) -> None:
    order = await stage.order()
    await stage.pay(order)
    for _ in range(2):
        await stage.modify("refund", order, 1000)


@exposes("refund_never_fails")
async def a_refund_that_comes_back(stage: Stage) -> None:
    order = await stage.order()
    await stage.pay(order, "refund_failing")
    await stage.modify("refund", order)
    await stage.client.advance(HOUR)
    await stage.deliver(await stage.event("refund.failed"))


@exposes("refund_pending")
async def a_refund_that_stays_pending(stage: Stage) -> None:
    order = await stage.order()
    await stage.pay(order, "refund_pending")
    await stage.modify("refund", order, 1000)
    await stage.client.advance(HOUR)
    await stage.deliver(await stage.event("refund.succeeded"))


@exposes("refund_believed")
async def a_refund_of_a_disputed_charge(stage: Stage) -> None:
    order = await stage.order()
    await stage.pay(order, "disputed")
    await stage.client.advance(2 * DAY)
    await stage.modify("refund", order)


@exposes("dispute_shipped")
async def an_order_shipped_although_it_is_disputed(stage: Stage) -> None:
    order = await stage.order(amount=4200, currency="usd", capture="later")
    await stage.pay(order, "disputed")
    await stage.modify("ship", order, 1000)
    await stage.client.advance(2 * DAY)
    await stage.deliver(await stage.event("dispute.funds_withdrawn"))
    await stage.modify("ship", order)


@exposes("dispute_refunded")
async def a_refund_on_top_of_a_dispute(stage: Stage) -> None:
    order = await stage.order(amount=4200, currency="usd", capture="later")
    await stage.pay(order, "disputed")
    await stage.modify("ship", order, 1000)
    await stage.client.advance(2 * DAY)
    await stage.modify("ship", order, 3200)  # nobody has told the shop yet
    await stage.deliver(await stage.event("dispute.funds_withdrawn"))
    await stage.modify("refund", order, 500)


@exposes("refund_elsewhere")
async def a_refund_that_somebody_else_makes(stage: Stage) -> None:
    order = await stage.order()
    await stage.pay(order)
    [charge] = await stage.charges()
    (await stage.client.post(f"/v1/charges/{charge['id']}/refunds", {})).expect(201)
    stage.asked["refund", order] = charge["amount"]  # by staff, at the gateway itself
    await stage.deliver(await stage.event("refund.succeeded"))


@exposes("cancel_blindly")
async def an_order_cancelled_while_it_is_paid(stage: Stage) -> None:
    order = await stage.order()
    await stage.fault("operation.executed", "hang")
    click = await stage.begin(order)
    await stage.done_or_struck(click)
    await stage.modify("cancel", order)
    await stage.mend()
    await click


@exposes("refund_unheard")
async def a_refund_that_never_arrives(stage: Stage) -> None:
    order = await stage.order()
    await stage.pay(order)
    await stage.fault("request.received", "reset", "refunds.create", times=None)
    await stage.modify("refund", order, 1000)
    await stage.calm(order)
    await stage.round()


@exposes("refund_again")
async def the_webhook_of_a_refund_that_may_be_made_again(stage: Stage) -> None:
    order = await stage.order()
    await stage.pay(order)
    await stage.modify("refund", order, 1000)
    await stage.deliver(await stage.event("refund.succeeded"))
    await stage.calm(order)


@exposes("refund_on_copy")
async def the_webhook_of_a_payment_twice(stage: Stage) -> None:
    order = await stage.order()
    await stage.pay(order)
    for _ in range(2):
        await stage.deliver(await stage.event("charge.succeeded"))
    await stage.calm(order)


# --- reconciliation


@exposes("dark_is_unpaid")
async def a_lost_answer_and_look_ups_that_fail(stage: Stage) -> None:
    await stage.open(reconcile_every_s=0.02)
    order = await stage.order()
    await stage.lose_the_answer()
    await stage.fault("request.received", "status", "charges.list", params={"status": 503}, times=None)
    await stage.pay(order)
    await stage.round()
    await stage.mend()
    await stage.pay_again(order)
    await stage.calm(order)


@exposes("recon_none")
async def a_lost_answer_to_one_who_leaves(stage: Stage) -> None:
    order = await stage.order()
    await stage.lose_the_answer()
    await stage.pay(order)
    await stage.calm(order)


@exposes("recon_404", "recon_by_order")
async def a_crash_before_the_call_arrives(stage: Stage) -> None:
    order = await stage.order()
    await stage.pay(order, "declined")
    await stage.fault("request.received", "hang")
    await stage.begin(order)
    await stage.struck()
    await stage.calm(order)
    await stage.pay_again(order)
