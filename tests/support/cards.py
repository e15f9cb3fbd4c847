"""Test cards and bank accounts by what they do, and both as a browser sends them."""

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
    "saves_then_declines": "4000000000000341",
    "disputed": "4000000000000259",
    "inquired": "4000000000001976",
}
ACCOUNTS = {
    "bank": "000123456789",
    "bank_closed": "000111111113",
    "bank_insufficient_funds": "000222222227",
    "bank_disputed": "000555555559",
    "bank_silent": "000999999991",
}


def card(name_or_number: str = "visa", **changes: Any) -> dict[str, Any]:
    """A card that is good for years, with `changes` to its fields."""
    number = CARDS.get(name_or_number, name_or_number)
    return {"number": number, "exp_month": 12, "exp_year": 2040, "cvc": "123", **changes}


def bank_account(name_or_number: str = "bank", **changes: Any) -> dict[str, Any]:
    return {"routing_number": "110000000", "account_number": ACCOUNTS.get(name_or_number, name_or_number), **changes}


def token_of(name_or_number: str = "visa", **changes: Any) -> dict[str, Any]:
    """What to send to POST /v1/tokens for a card or an account."""
    if name_or_number in ACCOUNTS or name_or_number in ACCOUNTS.values():
        return {"bank_account": bank_account(name_or_number, **changes)}
    return {"card": card(name_or_number, **changes)}
