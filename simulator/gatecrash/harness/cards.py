"""Test cards by the name a story calls them; the numbers are the gateway's own test numbers."""

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
    }
)

#: Those that pay; the others are declined.
GOOD_CARDS = frozenset({"visa", "mastercard", "amex"})


def card_fields(name: str) -> dict[str, Any]:
    """What the customer types into the card form: ``{number, exp_month, exp_year, cvc}`` for ``POST
    /v1/tokens``.

    Raises KeyError for a name that is not in CARDS.
    """
    number = CARDS[name]
    return {
        "number": number,
        "exp_month": 12,
        "exp_year": 2034,
        "cvc": "1234" if len(number) == 15 else "123",
    }
