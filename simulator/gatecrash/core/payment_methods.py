"""Saved payment methods: a nonce's card or bank account, kept to be charged again."""

from typing import Annotated

from msgspec import Meta, Struct

from gatecrash.core import tokens
from gatecrash.core.cards import DECLINES, TEST_CARDS
from gatecrash.core.errors import Refused
from gatecrash.core.records import PaymentMethod
from gatecrash.core.transaction import Context


class CreatePaymentMethod(Struct, forbid_unknown_fields=True):
    payment_nonce: Annotated[str, Meta(min_length=1, max_length=255)]


def create_payment_method(ctx: Context, params: CreatePaymentMethod) -> PaymentMethod:
    """Save what a nonce stands for. The issuer is asked whether the card is good; nothing is charged."""
    method_id = ctx.ids.new("pm")
    nonce, number = tokens.take_nonce(ctx, params.payment_nonce, method_id)
    if nonce.card is not None:
        behaviour = TEST_CARDS[number]
        if behaviour.decline_code is not None and not behaviour.saves:
            raise Refused(
                "card_declined",
                f"{DECLINES[behaviour.decline_code]} The card was not saved; ask for another one, and take a new key.",
                decline_code=behaviour.decline_code,
            )
    method = PaymentMethod(
        id=method_id, card=nonce.card, bank_account=nonce.bank_account, sealed_number=ctx.vault.seal(number, method_id),
        created_at=ctx.now,
    )  # fmt: skip
    ctx.tx.insert(method)
    return method


def get_payment_method(ctx: Context, method_id: str) -> PaymentMethod:
    method = ctx.tx.get(PaymentMethod, method_id)
    if method is None:
        raise Refused(
            "resource_missing",
            f"no payment method {method_id[:60]!r} in this sandbox; check the id and the key together.",
            "id",
        )
    return method


def take_payment_method(ctx: Context, method_id: str) -> tuple[PaymentMethod, str]:
    """A saved method for a charge, with the number it stands for."""
    method = ctx.tx.get(PaymentMethod, method_id)
    if method is None:
        raise Refused(
            "payment_method_unknown",
            f"no payment method {method_id[:60]!r} in this sandbox; save one with POST /v1/payment_methods.",
            "payment_method",
        )
    return method, ctx.vault.open(method.sealed_number, method.id)
