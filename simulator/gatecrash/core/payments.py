"""Charges: made, captured, voided, expired. Which state allows what is a table."""

from typing import Annotated

from msgspec import Meta, Struct

from gatecrash.core import ledger, timers, tokens
from gatecrash.core.cards import TEST_CARDS
from gatecrash.core.clock import DAY, rfc3339
from gatecrash.core.errors import Refused
from gatecrash.core.events import emit
from gatecrash.core.money import Amount, check_currency
from gatecrash.core.records import Charge
from gatecrash.core.transaction import Context

AUTHORIZATION_LIFE = 7 * DAY

STATUSES = ("succeeded", "authorized", "requires_action", "processing", "voided", "expired", "failed")

# operation → (states that allow it, the code of the refusal, what to do instead)
ALLOWED: dict[str, tuple[frozenset[str], str, str]] = {
    "capture": (
        frozenset({"authorized"}),
        "charge_not_capturable",
        "only an authorized charge can be captured",
    ),
    "void": (
        frozenset({"authorized"}),
        "charge_not_voidable",
        "only an authorized charge can be voided; refund what was captured",
    ),
    "refund": (
        frozenset({"succeeded", "authorized"}),
        "charge_not_refundable",
        "only what was captured can be refunded",
    ),
}

Text = Annotated[str, Meta(min_length=1, max_length=255)]
Metadata = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=40)], Annotated[str, Meta(max_length=500)]],
    Meta(max_length=50),
]


class CreateCharge(Struct, forbid_unknown_fields=True):
    amount: Amount
    currency: str
    payment_nonce: Text
    capture: bool = True
    order_id: Text | None = None
    metadata: Metadata | None = None


class CaptureCharge(Struct, forbid_unknown_fields=True):
    id: str
    amount: Amount | None = None


class VoidCharge(Struct, forbid_unknown_fields=True):
    id: str


def check_create(params: CreateCharge) -> None:
    check_currency(params.currency)


def create_charge(ctx: Context, params: CreateCharge) -> Charge:
    """Charge a card, or only authorize it. A decline is a result too: a charge with status `failed`."""
    charge_id = ctx.ids.new("txn")
    nonce, number = tokens.take_nonce(ctx, params.payment_nonce, charge_id)
    decline_code = TEST_CARDS[number].decline_code
    charge = Charge(
        id=charge_id, status="failed", amount=params.amount, currency=params.currency, capture=params.capture,
        order_id=params.order_id, metadata=params.metadata or {}, card=nonce.card, payment_nonce=nonce.id,
        decline_code=decline_code, created_at=ctx.now,
    )  # fmt: skip
    if decline_code is not None:
        ctx.tx.insert(charge)
        emit(ctx, "charge.failed", charge)
    elif params.capture:
        charge.status, charge.amount_captured = "succeeded", params.amount
        ctx.tx.insert(charge)
        ledger.post(ctx, "capture", charge, params.amount)
        emit(ctx, "charge.succeeded", charge)
    else:
        charge.status, charge.expires_at = "authorized", ctx.now + AUTHORIZATION_LIFE
        ctx.tx.insert(charge)
        timers.set_timer(ctx, timers.CHARGE_EXPIRES, charge.id, charge.expires_at)
        emit(ctx, "charge.authorized", charge)
    return charge


def get_charge(ctx: Context, charge_id: str) -> Charge:
    charge = ctx.tx.get(Charge, charge_id)
    if charge is None:
        raise Refused(
            "resource_missing",
            f"no charge {charge_id[:60]!r} in this sandbox; check the id and the key together.",
            "id",
        )
    return charge


def require(charge: Charge, operation: str) -> None:
    """Refuse an operation that the charge's status does not allow."""
    states, code, advice = ALLOWED[operation]
    if charge.status not in states:
        raise Refused(code, f"charge {charge.id} is {charge.status}; {advice}.", "id")


def capture_charge(ctx: Context, params: CaptureCharge) -> Charge:
    """Take part or the rest of what was authorized. The charge has succeeded once all of it is taken."""
    charge = get_charge(ctx, params.id)
    require(charge, "capture")
    if charge.expires_at is not None and charge.expires_at <= ctx.now:
        raise Refused(
            "charge_not_capturable",
            f"the authorization of charge {charge.id} expired at {rfc3339(charge.expires_at)}; charge the customer again.",
            "id",
        )
    left = charge.amount - charge.amount_captured
    amount = left if params.amount is None else params.amount
    if amount > left:
        raise Refused(
            "amount_exceeds_authorized",
            f"amount was {amount}; charge {charge.id} has {left} {charge.currency} left to capture "
            f"({charge.amount} authorized, {charge.amount_captured} captured).",
            "amount",
        )
    charge.amount_captured += amount
    if charge.amount_captured == charge.amount:
        charge.status = "succeeded"
        timers.clear_timer(ctx, timers.CHARGE_EXPIRES, charge.id)
    ctx.tx.update(charge, "status", "amount_captured")
    ledger.post(ctx, "capture", charge, amount)
    emit(ctx, "charge.captured", charge)
    return charge


def void_charge(ctx: Context, params: VoidCharge) -> Charge:
    """Release what is authorized and not captured."""
    charge = get_charge(ctx, params.id)
    require(charge, "void")
    timers.clear_timer(ctx, timers.CHARGE_EXPIRES, charge.id)
    return _release(ctx, charge, "voided")


def expire_charge(ctx: Context, charge_id: str) -> None:
    """The authorization's seven days are over."""
    charge = ctx.tx.get(Charge, charge_id)
    if charge is not None and charge.status == "authorized":
        _release(ctx, charge, "expired")


def _release(ctx: Context, charge: Charge, how: str) -> Charge:
    # what was captured stays captured: such a charge has succeeded, with the smaller amount
    charge.status = "succeeded" if charge.amount_captured else how
    ctx.tx.update(charge, "status")
    emit(ctx, f"charge.{how}", charge)
    return charge
