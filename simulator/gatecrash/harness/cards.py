"""Test cards and bank accounts by the name a story calls them; the numbers are the gateway's own test numbers."""

from types import MappingProxyType
from typing import Any

CARDS = MappingProxyType(
    {
        "visa": "4242424242424242",
        "mastercard": "5555555555554444",
        "amex": "378282246310005",
        "declined": "4000000000000002",
        "insufficient_funds": "4000000000009995",
        "lost_card": "4000000000009987",
        "stolen_card": "4000000000009979",
        "expired_card": "4000000000000069",
        "incorrect_cvc": "4000000000000127",
        "processing_error": "4000000000000119",
        "refund_pending": "4000000000007726",  # pays; a refund takes ten minutes
        "refund_fails": "4000000000005126",  # pays; a refund is done, and comes back after ten minutes
        "disputed": "4000000000000259",  # pays; the customer's bank takes the money back after a day
    }
)
#: Bank accounts: a debit is under way for days, and then paid, or not.
ACCOUNTS = MappingProxyType({"bank_debit": "000123456789", "bank_debit_fails": "000222222227"})
NUMBERS = MappingProxyType({**CARDS, **ACCOUNTS})

#: Those that pay at once, and nothing comes after it.
PLAIN_CARDS = ("visa", "mastercard", "amex")
#: Those that pay, sooner or later; the others are declined.
GOOD_CARDS = frozenset({*PLAIN_CARDS, "refund_pending", "refund_fails", "disputed", "bank_debit"})
#: Those whose bank may take the money back.
DISPUTED_CARDS = frozenset({"disputed"})
#: Those that pay, and of which the gateway has more to tell later.
ODD_CARDS = ("refund_pending", "refund_fails", "disputed")
DECLINED_CARDS = tuple(name for name in CARDS if name not in GOOD_CARDS)
_ROUTING_NUMBER = "110000000"


def token_fields(name: str) -> dict[str, Any]:
    """What the customer types into the payment form, for ``POST /v1/tokens``: ``{card: {number, exp_month, exp_year, cvc}}`` or
    ``{bank_account: {routing_number, account_number}}``. Raises KeyError for a name that is not in NUMBERS.
    """
    if name in ACCOUNTS:
        return {"bank_account": {"routing_number": _ROUTING_NUMBER, "account_number": ACCOUNTS[name]}}
    return {"card": _card_fields(CARDS[name])}


def _card_fields(number: str) -> dict[str, Any]:
    return {
        "number": number,
        "exp_month": 12,
        "exp_year": 2034,
        "cvc": "1234" if len(number) == 15 else "123",
    }
