"""Saved payment methods and what is charged to them every month."""

from datetime import UTC, datetime
from typing import Any

import pytest

from gatecrash.core import subscriptions
from gatecrash.core.clock import DAY, HOUR, LONGEST_JUMP, months_after, rfc3339
from gatecrash.core.errors import Refused
from gatecrash.core.ledger import books
from gatecrash.core.payment_methods import CreatePaymentMethod, create_payment_method
from gatecrash.core.payments import CreateCharge, VoidCharge, check_create, create_charge, void_charge
from gatecrash.core.records import Charge, Nonce, PaymentMethod, Subscription, Timer
from gatecrash.core.subscriptions import (
    RETRIES_AFTER,
    CancelSubscription,
    CreateSubscription,
    UpdateSubscription,
    cancel_subscription,
    create_subscription,
    update_subscription,
)
from tests.support.core import Core


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


def subscribe(core: Core, method: PaymentMethod | str = "visa", **terms: Any) -> Subscription:
    saved = core.save(method) if isinstance(method, str) else method
    subscription = core.do(create_subscription, CreateSubscription(saved.id, 900, "usd", **terms))
    assert isinstance(subscription, Subscription)
    return subscription


def now(core: Core, subscription: Subscription) -> Subscription:
    found = core.get(Subscription, subscription.id)
    assert isinstance(found, Subscription)
    return found


def charges(core: Core) -> list[tuple[str, str]]:
    return [(charge.status, rfc3339(charge.created_at)[:10]) for charge in core.find(Charge)]


# --- saved payment methods


def test_what_is_saved_is_charged_again_and_again(core: Core) -> None:
    method = core.save("mastercard")
    assert method.card is not None
    assert method.card["last4"] == "4444"
    core.now += 400 * DAY  # no nonce lives that long
    for _ in range(2):
        charge = core.do(create_charge, CreateCharge(100, "usd", payment_method=method.id))
        assert (charge.status, charge.payment_method, charge.payment_nonce) == ("succeeded", method.id, None)


def test_a_nonce_is_saved_once_and_then_pays_no_more(core: Core) -> None:
    nonce = core.nonce()
    method = core.do(create_payment_method, CreatePaymentMethod(nonce.id))
    assert core.get(Nonce, nonce.id).used_by == method.id
    for params in (CreatePaymentMethod(nonce.id), CreateCharge(1, "usd", nonce.id)):
        with pytest.raises(Refused, match=f"was used by {method.id}") as refused:
            core.do(create_payment_method if isinstance(params, CreatePaymentMethod) else create_charge, params)  # type: ignore[arg-type]
        assert refused.value.code == "nonce_used"


def test_a_number_is_sealed_for_its_payment_method_alone(core: Core) -> None:
    method = core.save()
    (nonce,) = core.find(Nonce)
    assert core.vault.open(method.sealed_number, method.id) == core.vault.open(nonce.sealed_number, nonce.id)
    with pytest.raises(Exception):  # noqa: B017 - whatever the cipher raises
        core.vault.open(method.sealed_number, nonce.id)


def test_a_card_that_is_declined_is_not_saved_but_for_the_one_that_is(core: Core) -> None:
    with pytest.raises(Refused) as refused:
        core.save("insufficient_funds")
    assert (refused.value.code, refused.value.extra) == ("card_declined", {"decline_code": "insufficient_funds"})
    assert [nonce.used_by for nonce in core.find(Nonce)] == [None]
    method = core.save("saves_then_declines")
    charge = core.do(create_charge, CreateCharge(1, "usd", payment_method=method.id))
    assert (charge.status, charge.decline_code) == ("failed", "generic_decline")


def test_a_saved_card_is_declined_once_it_has_expired(core: Core) -> None:
    method = core.save(exp_month=2, exp_year=2026)
    assert core.do(create_charge, CreateCharge(1, "usd", payment_method=method.id)).status == "succeeded"
    core.now = at("2026-02-28T23:59:59")
    assert core.do(create_charge, CreateCharge(1, "usd", payment_method=method.id)).status == "succeeded"
    core.now = at("2026-03-01T00:00:00")
    charge = core.do(create_charge, CreateCharge(1, "usd", payment_method=method.id))
    assert (charge.status, charge.decline_code) == ("failed", "expired_card")


@pytest.mark.parametrize(
    ("means", "code"),
    [({}, "parameter_missing"), ({"payment_nonce": "nonce_1", "payment_method": "pm_1"}, "parameter_invalid")],
)
def test_a_charge_is_paid_in_one_way(means: dict[str, str], code: str) -> None:
    with pytest.raises(Refused) as refused:
        check_create(CreateCharge(1, "usd", **means))
    assert (refused.value.code, refused.value.param) == (code, "payment_nonce")


def test_a_method_that_nobody_saved_is_refused_by_name(core: Core) -> None:
    for work in (
        lambda: core.do(create_charge, CreateCharge(1, "usd", payment_method="pm_none")),
        lambda: core.do(create_subscription, CreateSubscription("pm_none", 1, "usd")),
    ):
        with pytest.raises(Refused) as refused:
            work()
        assert (refused.value.code, refused.value.param) == ("payment_method_unknown", "payment_method")
    assert core.find(Charge) == []


# --- months


@pytest.mark.parametrize(
    ("anchor", "following"),
    [
        ("2026-01-31T12:00:00", ["2026-02-28T12:00:00", "2026-03-31T12:00:00", "2026-04-30T12:00:00", "2026-05-31T12:00:00"]),
        ("2027-12-29T00:00:00", ["2028-01-29T00:00:00", "2028-02-29T00:00:00", "2028-03-29T00:00:00"]),
        ("2026-11-15T23:59:59", ["2026-12-15T23:59:59", "2027-01-15T23:59:59"]),
    ],
)
def test_months_are_counted_from_the_anchor(anchor: str, following: list[str]) -> None:
    assert [months_after(at(anchor), n) for n in range(1, len(following) + 1)] == [at(each) for each in following]
    assert months_after(at(anchor) + 7, 1) == at(following[0]) + 7


def test_the_month_after_the_last_never_comes() -> None:
    last = at("9999-12-31T23:59:59") + 999
    assert months_after(last, 1) == last + 1


# --- subscriptions


def test_a_subscription_charges_now_and_on_the_same_day_of_every_month(core: Core) -> None:
    subscription = subscribe(core, order_id="o1", metadata={"plan": "gold"})
    assert (subscription.status, subscription.current_period_end) == ("active", at("2026-02-28T12:00:00"))
    core.pass_time(150 * DAY)
    assert charges(core) == [
        ("succeeded", day) for day in ("2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31", "2026-06-30")
    ]
    for charge in core.find(Charge):
        assert (charge.order_id, charge.metadata, charge.subscription_id) == ("o1", {"plan": "gold"}, subscription.id)
    renewed = now(core, subscription)
    assert (renewed.current_period_start, renewed.current_period_end) == (at("2026-06-30T12:00:00"), at("2026-07-31T12:00:00"))
    assert renewed.next_attempt_at == renewed.current_period_end
    assert [name for name, _ in core.told()] == [
        "charge.succeeded", "subscription.created", *("charge.succeeded", "subscription.renewed") * 5,
    ]  # fmt: skip
    assert core.do(books)["orders"][0]["net"] == 6 * 900
    assert len(core.find(Timer)) == 1


def test_ten_years_are_a_hundred_and_twenty_renewals(core: Core) -> None:
    subscription = subscribe(core)
    core.pass_time(at("2036-01-31T12:00:00") - core.now)
    assert now(core, subscription).renewals == 120
    assert core.do(books)["balanced"]


def test_a_subscription_whose_first_charge_is_declined_never_begins(core: Core) -> None:
    method = core.save("saves_then_declines")
    failed = core.do(create_subscription, CreateSubscription(method.id, 900, "usd"))
    assert isinstance(failed, Charge)
    assert (failed.status, failed.subscription_id) == ("failed", None)
    assert core.find(Subscription) == core.find(Timer) == []
    assert [name for name, _ in core.told()] == ["charge.failed"]


def test_a_renewal_that_is_declined_is_tried_again_and_then_given_up(core: Core) -> None:
    subscription = subscribe(core, core.save(exp_month=2, exp_year=2026))
    core.pass_time(at("2026-03-31T12:00:00") - core.now)
    late = now(core, subscription)
    assert (late.status, late.failed_attempts) == ("past_due", 1)
    assert late.next_attempt_at == core.now + RETRIES_AFTER[0]
    core.pass_time(sum(RETRIES_AFTER))
    over = now(core, subscription)
    assert (over.status, over.cancel_reason, over.failed_attempts, over.next_attempt_at) == (
        "canceled", "payment_failed", 1 + len(RETRIES_AFTER), None,
    )  # fmt: skip
    assert over.canceled_at == core.now
    assert charges(core) == [
        ("succeeded", "2026-01-31"), ("succeeded", "2026-02-28"), ("failed", "2026-03-31"), ("failed", "2026-04-01"),
        ("failed", "2026-04-04"), ("failed", "2026-04-09"), ("failed", "2026-04-16"),
    ]  # fmt: skip
    assert {charge.subscription_id for charge in core.find(Charge)} == {subscription.id}
    names = [name for name, _ in core.told()]
    assert names[-10:] == ["charge.failed", "subscription.past_due"] * 4 + ["charge.failed", "subscription.canceled"]
    core.pass_time(400 * DAY)
    assert len(core.find(Charge)) == 7
    assert core.find(Timer) == []


def test_a_new_payment_method_pays_what_is_past_due_at_once_and_keeps_the_day(core: Core) -> None:
    subscription = subscribe(core, core.save(exp_month=1, exp_year=2026))
    core.pass_time(at("2026-03-05T00:00:00") - core.now)
    assert now(core, subscription).status == "past_due"
    other = core.save("mastercard")
    core.do(update_subscription, UpdateSubscription(subscription.id, other.id))
    core.pass_time(0)
    paid = now(core, subscription)
    assert (paid.status, paid.failed_attempts, paid.payment_method) == ("active", 0, other.id)
    assert paid.next_attempt_at == paid.current_period_end == at("2026-03-31T12:00:00")
    assert [name for name, _ in core.told()][-3:] == ["subscription.updated", "charge.succeeded", "subscription.renewed"]


def test_a_new_payment_method_charges_nothing_before_its_day(core: Core) -> None:
    subscription = subscribe(core)
    core.do(update_subscription, UpdateSubscription(subscription.id, core.save("mastercard").id))
    core.pass_time(27 * DAY)
    assert len(core.find(Charge)) == 1
    core.pass_time(2 * DAY)
    assert [charge.card["last4"] for charge in core.find(Charge)] == ["4242", "4444"]


def test_a_subscription_that_is_canceled_charges_no_more(core: Core) -> None:
    subscription = subscribe(core)
    canceled = core.do(cancel_subscription, CancelSubscription(subscription.id))
    assert (canceled.status, canceled.cancel_reason, canceled.canceled_at) == ("canceled", "requested", core.now)
    core.pass_time(400 * DAY)
    assert len(core.find(Charge)) == 1
    other = core.save()
    for work in (
        lambda: core.do(cancel_subscription, CancelSubscription(subscription.id)),
        lambda: core.do(update_subscription, UpdateSubscription(subscription.id, other.id)),
    ):
        with pytest.raises(Refused) as refused:
            work()
        assert (refused.value.code, refused.value.param) == ("subscription_canceled", "id")


# --- bank accounts, which take their time


def test_a_renewal_from_a_bank_account_is_paid_days_later(core: Core) -> None:
    subscription = subscribe(core, "bank")
    assert subscription.status == "active"
    core.pass_time(60 * DAY)
    assert core.told() == [
        ("charge.processing", 0), ("subscription.created", 0), ("charge.succeeded", 3 * DAY),
        ("charge.processing", 28 * DAY), ("charge.succeeded", 31 * DAY), ("subscription.renewed", 31 * DAY),
        ("charge.processing", 59 * DAY),
    ]  # fmt: skip
    assert now(core, subscription).next_attempt_at == at("2026-04-30T12:00:00")


def test_a_bank_that_does_not_pay_makes_it_past_due_days_later(core: Core) -> None:
    subscription = subscribe(core, "bank_insufficient_funds")
    core.pass_time(2 * DAY)
    late = now(core, subscription)
    assert (late.status, late.failed_attempts, late.next_attempt_at) == ("past_due", 1, core.now + DAY)
    core.do(update_subscription, UpdateSubscription(subscription.id, core.save().id))
    core.pass_time(0)
    assert now(core, subscription).status == "active"
    assert core.do(books)["balanced"]


def test_a_bank_that_never_pays_ends_it(core: Core) -> None:
    subscription = subscribe(core, "bank_closed")
    core.pass_time(60 * DAY)
    assert now(core, subscription).cancel_reason == "payment_failed"
    assert [status for status, _ in charges(core)] == ["failed"] * 5


def test_a_method_that_is_changed_while_a_bank_is_asked_waits_for_its_answer(core: Core) -> None:
    subscription = subscribe(core, "bank_closed")
    core.pass_time(3 * DAY + HOUR)  # failed, and tried again an hour ago
    assert [status for status, _ in charges(core)] == ["failed", "processing"]
    core.do(update_subscription, UpdateSubscription(subscription.id, core.save().id))
    core.pass_time(DAY)
    assert len(core.find(Charge)) == 2
    core.pass_time(10 * DAY)
    assert [status for status, _ in charges(core)] == ["failed", "failed", "succeeded"]
    assert now(core, subscription).status == "active"


def test_a_debit_that_is_called_back_does_not_stop_the_next(core: Core) -> None:
    subscription = subscribe(core, "bank")
    core.do(void_charge, VoidCharge(subscription.latest_charge_id))
    core.pass_time(32 * DAY)
    assert [status for status, _ in charges(core)] == ["voided", "succeeded"]


def test_what_a_bank_pays_after_the_end_is_kept_and_changes_nothing(core: Core) -> None:
    subscription = subscribe(core, "bank")
    core.do(cancel_subscription, CancelSubscription(subscription.id))
    core.pass_time(4 * DAY)
    assert charges(core) == [("succeeded", "2026-01-31")]
    assert now(core, subscription).status == "canceled"
    assert core.find(Timer) == []


# --- far away


def test_a_jump_over_more_than_ten_years_of_renewals_is_refused(core: Core) -> None:
    far = core.now + 1000 * 365 * DAY
    core.do(subscriptions.check_jump, far)
    subscription = subscribe(core)
    core.do(subscriptions.check_jump, core.now + LONGEST_JUMP)
    with pytest.raises(Refused, match=f"1000 years ahead, and subscription {subscription.id} would be charged") as refused:
        core.do(subscriptions.check_jump, far)
    assert (refused.value.code, refused.value.param) == ("parameter_invalid", "now")
    core.do(cancel_subscription, CancelSubscription(subscription.id))
    core.do(subscriptions.check_jump, far)


def test_at_the_end_of_time_nothing_renews(core: Core) -> None:
    core.now = at("9999-12-31T23:59:59") + 999
    subscription = subscribe(core, "bank")  # no card is good for so long
    core.pass_time(0)
    assert (now(core, subscription).renewals, len(core.find(Charge))) == (0, 1)
