"""Refunds: never more than was captured and is not disputed. Some test cards settle them late, or take them back."""

from typing import Annotated

from msgspec import Meta, Struct

from gatecrash.core import ledger, timers
from gatecrash.core.clock import MINUTE
from gatecrash.core.errors import Refused
from gatecrash.core.facts import emit
from gatecrash.core.money import Amount
from gatecrash.core.payments import behaviour_of, get_charge, require
from gatecrash.core.records import Refund
from gatecrash.core.transaction import Context

SETTLES_AFTER = 10 * MINUTE

# how the card's refunds behave → (status at first, timer that changes it)
BEHAVIOURS: dict[str, tuple[str, str | None]] = {
    "succeeded": ("succeeded", None),
    "pending": ("pending", timers.REFUND_SETTLES),
    "failing": ("succeeded", timers.REFUND_FAILS),
}


class CreateRefund(Struct, forbid_unknown_fields=True):
    id: str
    amount: Amount | None = None
    reason: Annotated[str, Meta(min_length=1, max_length=255)] | None = None


def create_refund(ctx: Context, params: CreateRefund) -> Refund:
    """Give back part or the rest of what was captured. The books move at once, and back again if the refund fails."""
    charge = get_charge(ctx, params.id)
    require(charge, "refund")
    if charge.amount_captured == 0:
        raise Refused("charge_not_refundable", f"nothing of charge {charge.id} is captured yet; void it instead.", "id")
    left = charge.amount_captured - charge.amount_refunded - charge.amount_disputed
    amount = left if params.amount is None else params.amount
    if amount > left or left == 0:
        raise Refused(
            "amount_exceeds_captured",
            f"amount was {amount}; charge {charge.id} has {left} {charge.currency} left to refund "
            f"({charge.amount_captured} captured, {charge.amount_refunded} refunded, {charge.amount_disputed} disputed).",
            "amount",
        )
    status, timer = BEHAVIOURS[behaviour_of(ctx, charge).refund]
    refund = Refund(
        id=ctx.ids.new("re"), charge_id=charge.id, order_id=charge.order_id, status=status, amount=amount,
        currency=charge.currency, reason=params.reason, created_at=ctx.now,
    )  # fmt: skip
    charge.amount_refunded += amount
    ctx.tx.update(charge, "amount_refunded")
    ctx.tx.insert(refund)
    ledger.post(ctx, "refund", charge, amount)
    if timer is not None:
        timers.set_timer(ctx, timer, refund.id, ctx.now + SETTLES_AFTER)
    if status == "succeeded":
        emit(ctx, "refund.succeeded", refund)
    return refund


def get_refund(ctx: Context, refund_id: str) -> Refund:
    refund = ctx.tx.get(Refund, refund_id)
    if refund is None:
        raise Refused(
            "resource_missing",
            f"no refund {refund_id[:60]!r} in this sandbox; check the id and the key together.",
            "id",
        )
    return refund


def settle_refund(ctx: Context, refund_id: str) -> None:
    """A pending refund reaches the card."""
    refund = get_refund(ctx, refund_id)
    refund.status = "succeeded"
    ctx.tx.update(refund, "status")
    emit(ctx, "refund.succeeded", refund)


def fail_refund(ctx: Context, refund_id: str) -> None:
    """The bank sends the money back: it is the merchant's again, and can be refunded again."""
    refund = get_refund(ctx, refund_id)
    charge = get_charge(ctx, refund.charge_id)
    refund.status = "failed"
    charge.amount_refunded -= refund.amount
    ctx.tx.update(refund, "status")
    ctx.tx.update(charge, "amount_refunded")
    ledger.post(ctx, "refund_failed", charge, refund.amount)
    emit(ctx, "refund.failed", refund)
