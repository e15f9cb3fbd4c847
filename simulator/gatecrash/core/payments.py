"""Charges: made, settled, captured, voided, expired. Which state allows what is a table."""

from typing import Annotated

from msgspec import Meta, Struct

from gatecrash.core import ledger, payment_methods, timers, tokens
from gatecrash.core.banks import TEST_ACCOUNTS
from gatecrash.core.cards import APPROVED, TEST_CARDS, Behaviour, expired
from gatecrash.core.clock import DAY, rfc3339
from gatecrash.core.errors import Refused
from gatecrash.core.facts import emit
from gatecrash.core.money import Amount, check_currency
from gatecrash.core.records import Charge, Nonce, PaymentMethod, Subscription
from gatecrash.core.transaction import Context

AUTHORIZATION_LIFE = 7 * DAY
# a debit that the bank has not answered by then never will be
PROCESSING_LIFE = 14 * DAY
# from the money being taken to the customer's bank asking for it back
DISPUTED_AFTER = 1 * DAY

STATUSES = ("succeeded", "authorized", "requires_action", "processing", "voided", "expired", "failed")

# operation → (states that allow it, the code of the refusal, what to do instead)
ALLOWED: dict[str, tuple[frozenset[str], str, str]] = {
    "capture": (
        frozenset({"authorized"}),
        "charge_not_capturable",
        "only an authorized charge can be captured",
    ),
    "void": (
        frozenset({"authorized", "processing"}),
        "charge_not_voidable",
        "only a charge that is authorized or processing can be voided; refund what was captured",
    ),
    "refund": (
        frozenset({"succeeded", "authorized"}),
        "charge_not_refundable",
        "only what was captured can be refunded; a charge that is processing can be voided",
    ),
}

Text = Annotated[str, Meta(min_length=1, max_length=255)]
Metadata = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=40)], Annotated[str, Meta(max_length=500)]],
    Meta(max_length=50),
]


class CreateCharge(Struct, forbid_unknown_fields=True):
    """Paid with a nonce or with a saved payment method."""

    amount: Amount
    currency: str
    payment_nonce: Text | None = None
    payment_method: Text | None = None
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
    if (params.payment_nonce is None) == (params.payment_method is None):
        missing = params.payment_nonce is None
        given = (
            "neither payment_nonce nor payment_method was sent" if missing else "both payment_nonce and payment_method were sent"
        )
        raise Refused("parameter_missing" if missing else "parameter_invalid", f"{given}; send one of them.", "payment_nonce")


def create_charge(ctx: Context, params: CreateCharge, subscription_id: str | None = None, ref: str | None = None) -> Charge:
    """Charge a card or bank account, or only authorize a card. A decline is a result too: a charge with status `failed`.

    `subscription_id`: the subscription that it renews, or starts if it is not declined. `ref`: the dialect's object that it is
    an attempt of; the core never reads it.
    """
    charge_id = ctx.ids.new("txn")
    source: Nonce | PaymentMethod
    if params.payment_nonce is not None:
        source, number = tokens.take_nonce(ctx, params.payment_nonce, charge_id)
    else:
        assert params.payment_method is not None, "one or the other"
        source, number = payment_methods.take_payment_method(ctx, params.payment_method)
    charge = Charge(
        id=charge_id, status="failed", amount=params.amount, currency=params.currency, capture=params.capture,
        order_id=params.order_id, metadata=params.metadata or {}, card=source.card, bank_account=source.bank_account,
        payment_nonce=params.payment_nonce, payment_method=params.payment_method, subscription_id=subscription_id, ref=ref,
        created_at=ctx.now,
    )  # fmt: skip
    if source.card is None and ctx.decline_code is None:
        _debit(ctx, charge, number)
        return charge
    behaviour = TEST_CARDS.get(number, APPROVED)  # a bank account comes here to be declined
    too_old = source.card is not None and expired(source.card, ctx.now)
    charge.decline_code = ctx.decline_code or behaviour.decline_code or ("expired_card" if too_old else None)
    if charge.decline_code is not None:
        if subscription_id is not None and ctx.tx.get(Subscription, subscription_id) is None:
            charge.subscription_id = None  # it does not begin
        ctx.tx.insert(charge)
        emit(ctx, "charge.failed", charge)
    elif params.capture:
        charge.status, charge.amount_captured = "succeeded", params.amount
        ctx.tx.insert(charge)
        _take(ctx, charge, params.amount, behaviour)
        emit(ctx, "charge.succeeded", charge)
    else:
        charge.status, charge.expires_at = "authorized", ctx.now + AUTHORIZATION_LIFE
        ctx.tx.insert(charge)
        timers.set_timer(ctx, timers.CHARGE_EXPIRES, charge.id, charge.expires_at)
        emit(ctx, "charge.authorized", charge)
    return charge


def _debit(ctx: Context, charge: Charge, number: str) -> None:
    """A bank takes days to answer; until then no money has moved."""
    if not charge.capture:
        raise Refused(
            "capture_not_deferrable",
            "capture was false; a bank account cannot be authorized and captured later. Leave capture out; a charge that is "
            "processing can be voided.",
            "capture",
        )
    charge.status, charge.expires_at = "processing", ctx.now + PROCESSING_LIFE
    ctx.tx.insert(charge)
    settles_after = TEST_ACCOUNTS[number].settles_after
    if settles_after is None:
        timers.set_timer(ctx, timers.CHARGE_EXPIRES, charge.id, charge.expires_at)
    else:
        timers.set_timer(ctx, timers.CHARGE_SETTLES, charge.id, ctx.now + settles_after)
    emit(ctx, "charge.processing", charge)


def settle_charge(ctx: Context, charge_id: str) -> Charge:
    """The bank has answered: the money came, or it did not."""
    charge = get_charge(ctx, charge_id)
    assert charge.status == "processing", "a charge that is voided has no timer any more"
    behaviour = behaviour_of(ctx, charge)
    if behaviour.decline_code is not None:
        charge.status, charge.decline_code = "failed", behaviour.decline_code
    else:
        charge.status, charge.amount_captured = "succeeded", charge.amount
    ctx.tx.update(charge, "status", "decline_code", "amount_captured")
    if charge.status == "succeeded":
        _take(ctx, charge, charge.amount, behaviour)
    emit(ctx, f"charge.{charge.status}", charge)
    return charge


def _take(ctx: Context, charge: Charge, amount: int, behaviour: Behaviour) -> None:
    """Enter what was taken. Some customers ask their bank to have it back."""
    ledger.post(ctx, "capture", charge, amount)
    if behaviour.dispute is not None and charge.amount_captured == amount:
        timers.set_timer(ctx, timers.DISPUTE_OPENS, charge.id, ctx.now + DISPUTED_AFTER)


def behaviour_of(ctx: Context, charge: Charge) -> Behaviour:
    """What the card or bank account behind a charge does."""
    source: Nonce | PaymentMethod | None
    if charge.payment_nonce is not None:
        source = ctx.tx.get(Nonce, charge.payment_nonce)
    else:
        assert charge.payment_method is not None, "one or the other"
        source = ctx.tx.get(PaymentMethod, charge.payment_method)
    assert source is not None, "what a charge was paid with is kept"
    number = ctx.vault.open(source.sealed_number, source.id)
    return TEST_CARDS[number] if source.card is not None else TEST_ACCOUNTS[number].behaviour


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
    _take(ctx, charge, amount, behaviour_of(ctx, charge))
    emit(ctx, "charge.captured", charge)
    return charge


def void_charge(ctx: Context, params: VoidCharge) -> Charge:
    """Release what is authorized and not captured, or call back a debit that the bank has not answered."""
    charge = get_charge(ctx, params.id)
    require(charge, "void")
    for kind in (timers.CHARGE_EXPIRES, timers.CHARGE_SETTLES):
        timers.clear_timer(ctx, kind, charge.id)
    return _release(ctx, charge, "voided")


def expire_charge(ctx: Context, charge_id: str) -> Charge:
    """The authorization's seven days are over, or the bank never answered."""
    charge = get_charge(ctx, charge_id)
    return _release(ctx, charge, "expired") if charge.status in ("authorized", "processing") else charge


def _release(ctx: Context, charge: Charge, how: str) -> Charge:
    # what was captured stays captured: such a charge has succeeded, with the smaller amount
    charge.status = "succeeded" if charge.amount_captured else how
    ctx.tx.update(charge, "status")
    emit(ctx, f"charge.{how}", charge)
    return charge
