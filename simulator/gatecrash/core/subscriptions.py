"""Subscriptions: a saved payment method is charged now, and again every month.

A renewal that is declined is tried again; after the last try the subscription ends. Each period is counted from the day of
the first, so 31 January is followed by 28 February and 31 March.
"""

from typing import Literal

from msgspec import Struct

from gatecrash.core import payment_methods, payments, timers
from gatecrash.core.clock import DAY, LONGEST_JUMP, months_after
from gatecrash.core.errors import Refused
from gatecrash.core.facts import emit
from gatecrash.core.money import Amount, check_currency
from gatecrash.core.payments import Metadata, Text
from gatecrash.core.records import Charge, Subscription
from gatecrash.core.transaction import Context

STATUSES = ("active", "past_due", "canceled")
CANCEL_REASONS = ("requested", "payment_failed")

# after a charge that failed: how long until each further try
RETRIES_AFTER = (1 * DAY, 3 * DAY, 5 * DAY, 7 * DAY)


class CreateSubscription(Struct, forbid_unknown_fields=True):
    payment_method: Text
    amount: Amount
    currency: str
    interval: Literal["month"] = "month"
    order_id: Text | None = None
    metadata: Metadata | None = None


class UpdateSubscription(Struct, forbid_unknown_fields=True):
    id: str
    payment_method: Text


class CancelSubscription(Struct, forbid_unknown_fields=True):
    id: str


def check_create(params: CreateSubscription) -> None:
    check_currency(params.currency)


def create_subscription(ctx: Context, params: CreateSubscription) -> Subscription | Charge:
    """Charge for the first period. If that is declined there is no subscription, only the failed charge."""
    subscription_id = ctx.ids.new("sub")
    terms = payments.CreateCharge(
        params.amount, params.currency, payment_method=params.payment_method, order_id=params.order_id, metadata=params.metadata
    )
    charge = payments.create_charge(ctx, terms, subscription_id)
    if charge.status == "failed":
        return charge
    subscription = Subscription(
        id=subscription_id, status="active", payment_method=params.payment_method, amount=params.amount, currency=params.currency,
        interval=params.interval, order_id=params.order_id, metadata=params.metadata or {}, latest_charge_id=charge.id,
        anchor_at=ctx.now, current_period_start=ctx.now, current_period_end=months_after(ctx.now, 1), created_at=ctx.now,
    )  # fmt: skip
    ctx.tx.insert(subscription)
    _next(ctx, subscription, timers.SUBSCRIPTION_RENEWS, subscription.current_period_end)
    emit(ctx, "subscription.created", subscription)
    return subscription


def get_subscription(ctx: Context, subscription_id: str) -> Subscription:
    subscription = ctx.tx.get(Subscription, subscription_id)
    if subscription is None:
        raise Refused(
            "resource_missing",
            f"no subscription {subscription_id[:60]!r} in this sandbox; check the id and the key together.",
            "id",
        )
    return subscription


def update_subscription(ctx: Context, params: UpdateSubscription) -> Subscription:
    """Charge another payment method from now on; one that is past due is tried again with it at once."""
    subscription = _running(ctx, params.id)
    subscription.payment_method = payment_methods.take_payment_method(ctx, params.payment_method)[0].id
    ctx.tx.update(subscription, "payment_method")
    waiting = payments.get_charge(ctx, subscription.latest_charge_id).status == "processing"
    if subscription.status == "past_due" and not waiting:
        _next(ctx, subscription, timers.SUBSCRIPTION_RETRIES, ctx.now)
    emit(ctx, "subscription.updated", subscription)
    return subscription


def cancel_subscription(ctx: Context, params: CancelSubscription) -> Subscription:
    """End it now. What was paid stays paid."""
    return _end(ctx, _running(ctx, params.id), "requested")


def _running(ctx: Context, subscription_id: str) -> Subscription:
    subscription = get_subscription(ctx, subscription_id)
    if subscription.status == "canceled":
        raise Refused("subscription_canceled", f"subscription {subscription.id} is canceled; make a new one.", "id")
    return subscription


def renew(ctx: Context, subscription_id: str) -> None:
    """The period is over, and the next is charged."""
    subscription = get_subscription(ctx, subscription_id)
    subscription.renewals += 1
    subscription.current_period_start = subscription.current_period_end
    subscription.current_period_end = months_after(subscription.anchor_at, subscription.renewals + 1)
    ctx.tx.update(subscription, "renewals", "current_period_start", "current_period_end")
    _charge(ctx, subscription)


def retry(ctx: Context, subscription_id: str) -> None:
    """A charge for this period failed; try again."""
    _charge(ctx, get_subscription(ctx, subscription_id))


def answered(ctx: Context, charge: Charge) -> None:
    """A charge that was processing has come to its end."""
    subscription = ctx.tx.get(Subscription, charge.subscription_id) if charge.subscription_id is not None else None
    if subscription is not None and subscription.status != "canceled" and subscription.latest_charge_id == charge.id:
        _book(ctx, subscription, charge)


def check_jump(ctx: Context, until: int) -> None:
    """Refuse to move the clock over more renewals than ten years hold."""
    if until - ctx.now <= LONGEST_JUMP:
        return
    for status in ("active", "past_due"):
        for subscription in ctx.tx.find(Subscription, status=status):
            raise Refused(
                "parameter_invalid",
                f"now would be {(until - ctx.now) // (365 * DAY)} years ahead, and subscription {subscription.id} would be "
                "charged every month on the way; cancel it first, or move at most ten years at once.",
                "now",
            )


def _charge(ctx: Context, subscription: Subscription) -> None:
    terms = payments.CreateCharge(
        subscription.amount, subscription.currency, payment_method=subscription.payment_method, order_id=subscription.order_id,
        metadata=subscription.metadata,
    )  # fmt: skip
    charge = payments.create_charge(ctx, terms, subscription.id)
    subscription.latest_charge_id = charge.id
    ctx.tx.update(subscription, "latest_charge_id")
    _book(ctx, subscription, charge)


def _book(ctx: Context, subscription: Subscription, charge: Charge) -> None:
    """What a charge's outcome means for its subscription."""
    if charge.status == "succeeded":
        told = subscription.renewals > 0 or subscription.status == "past_due"
        subscription.status, subscription.failed_attempts = "active", 0
        ctx.tx.update(subscription, "status", "failed_attempts")
        _next(ctx, subscription, timers.SUBSCRIPTION_RENEWS, max(ctx.now, subscription.current_period_end))
        if told:
            emit(ctx, "subscription.renewed", subscription)
    elif charge.status == "processing":
        # if nothing more is heard of it, the next period comes all the same
        _next(ctx, subscription, timers.SUBSCRIPTION_RENEWS, max(ctx.now, subscription.current_period_end))
    else:
        subscription.failed_attempts += 1
        if subscription.failed_attempts > len(RETRIES_AFTER):
            ctx.tx.update(subscription, "failed_attempts")
            _end(ctx, subscription, "payment_failed")
            return
        subscription.status = "past_due"
        ctx.tx.update(subscription, "status", "failed_attempts")
        retries_at = ctx.now + RETRIES_AFTER[subscription.failed_attempts - 1]
        _next(ctx, subscription, timers.SUBSCRIPTION_RETRIES, retries_at)
        emit(ctx, "subscription.past_due", subscription)


def _next(ctx: Context, subscription: Subscription, kind: str, at: int) -> None:
    """What comes next for a subscription, instead of whatever was to come."""
    _clear_timers(ctx, subscription)
    subscription.next_attempt_at = at
    ctx.tx.update(subscription, "next_attempt_at")
    timers.set_timer(ctx, kind, subscription.id, at)


def _end(ctx: Context, subscription: Subscription, reason: str) -> Subscription:
    _clear_timers(ctx, subscription)
    subscription.status, subscription.cancel_reason = "canceled", reason
    subscription.canceled_at, subscription.next_attempt_at = ctx.now, None
    ctx.tx.update(subscription, "status", "cancel_reason", "canceled_at", "next_attempt_at")
    emit(ctx, "subscription.canceled", subscription)
    return subscription


def _clear_timers(ctx: Context, subscription: Subscription) -> None:
    for kind in (timers.SUBSCRIPTION_RENEWS, timers.SUBSCRIPTION_RETRIES):
        timers.clear_timer(ctx, kind, subscription.id)
