"""Test cards by what they do, and cards as a browser sends them."""

from typing import Any

CARDS = {
    "visa": "4242424242424242",
    "mastercard": "5555555555554444",
    "amex": "378282246310005",
    "declined": "4000000000000002",
    "insufficient_funds": "4000000000009995",
    "authentication": "4000002500003155",
    "refund_pending": "4000000000007726",
    "refund_failing": "4000000000005126",
}


def card(name_or_number: str = "visa", **changes: Any) -> dict[str, Any]:
    """A card that is good for years, with `changes` to its fields."""
    number = CARDS.get(name_or_number, name_or_number)
    return {"number": number, "exp_month": 12, "exp_year": 2040, "cvc": "123", **changes}
