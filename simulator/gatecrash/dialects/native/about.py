"""What a native call is about: read from its parameters, and from the store where a fault rule needs more."""

from typing import Any

from gatecrash.core.records import Charge, Dispute, Nonce, PaymentMethod, Refund, Subscription
from gatecrash.core.transaction import Context
from gatecrash.dialects.interface import About

# calls whose parameter `id` names something that belongs to an order
_NAMED: dict[str, type[Charge | Dispute | Refund | Subscription]] = {
    **dict.fromkeys(("charges.get", "charges.capture", "charges.void", "refunds.create"), Charge),
    **dict.fromkeys(("disputes.get", "disputes.evidence", "disputes.accept"), Dispute),
    **dict.fromkeys(("subscriptions.get", "subscriptions.update", "subscriptions.cancel"), Subscription),
}


def about(name: str, params: Any, ctx: Context | None) -> About:
    """The order, amount, source, card and charge of a call; the card and the order of what it names only with a context."""
    nonce, method = getattr(params, "payment_nonce", None), getattr(params, "payment_method", None)
    named = _NAMED.get(name)
    order_id, charge_id = getattr(params, "order_id", None), params.id if named is Charge else None
    card: dict[str, Any] | None = None
    if ctx is not None:
        found: Any
        if named is not None:
            found = ctx.tx.get(named, params.id)
            order_id = getattr(found, "order_id", None)
        elif nonce is not None:
            found = ctx.tx.get(Nonce, nonce)
        else:
            found = None if method is None else ctx.tx.get(PaymentMethod, method)
        card = getattr(found, "card", None)
    return About(order_id, getattr(params, "amount", None), nonce or method, None if card is None else card["last4"], charge_id)
