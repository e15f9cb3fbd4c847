"""What a client may send: each field is checked, unknown ones are refused by name, card data always.

A card goes from the browser straight to the gateway. One that turns up here is refused without being
repeated, neither in the answer nor in the log.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any

from aiohttp import web

from .errors import RefusedError

AMOUNT_MAX = 99_999_999
CURRENCIES = frozenset(
    {"aud", "bhd", "brl", "cad", "chf", "clp", "czk", "dkk", "eur", "gbp", "hkd", "huf"}
    | {"inr", "jpy", "krw", "kwd", "mxn", "nok", "nzd", "pln", "sek", "sgd", "tnd", "usd"}
)
CARD_FIELDS = frozenset(
    {"card", "number", "card_number", "cardnumber", "pan", "cvc", "cvv", "cvv2", "security_code"}
    | {"exp_month", "exp_year", "expiry", "expiration"}
)
IDENTIFIER = re.compile(r"[A-Za-z0-9_.:~-]{1,200}", re.ASCII)


async def json_object(request: web.Request, fields: Collection[str]) -> dict[str, Any]:
    """The request's body as an object with no fields but `fields`; an empty body is an empty object."""
    raw = await request.read()
    if not raw.strip():
        return {}
    if request.content_type != "application/json":
        raise RefusedError(415, "unsupported_media_type", "send JSON with Content-Type: application/json")
    try:
        body = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        raise RefusedError(400, "invalid_json", "the body is not valid JSON in UTF-8") from None
    if not isinstance(body, dict):
        raise RefusedError(400, "invalid_body", "the body must be a JSON object")
    refuse_card_data(body)
    for name in body:
        if name not in fields:
            shown = name if IDENTIFIER.fullmatch(name) else "(unprintable)"
            expected = ", ".join(sorted(fields)) or "none"
            raise RefusedError(400, "unknown_field", f"unknown field {shown}; known are: {expected}", shown)
    return body


def refuse_card_data(value: Any, depth: int = 0) -> None:
    """Refuse fields named like a card's, and whatever reads like a card number, at any depth."""
    refusal = RefusedError(
        400,
        "card_data_refused",
        "card data goes from the browser to the gateway; send the shop a payment_nonce",
    )
    if depth > 8:
        raise RefusedError(400, "invalid_body", "the body is nested too deeply")
    if isinstance(value, dict):
        for name, inner in value.items():
            if name.lower() in CARD_FIELDS or looks_like_card_number(name):
                raise refusal
            refuse_card_data(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            refuse_card_data(inner, depth + 1)
    elif not isinstance(value, bool) and isinstance(value, str | int) and looks_like_card_number(str(value)):
        raise refusal


def looks_like_card_number(text: str) -> bool:
    """13 to 19 digits, perhaps grouped, with a correct check digit (ISO/IEC 7812)."""
    digits = re.sub(r"[ -]", "", text)
    if not re.fullmatch(r"[0-9]{13,19}", digits):
        return False
    doubled = [int(digit) * (1 + position % 2) for position, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def identifier(body: dict[str, Any], name: str, *, required: bool = True) -> str | None:
    """A field with an id: 1 to 200 letters, digits and `_ . : ~ -`."""
    value = body.get(name)
    if value is None and not required:
        return None
    if value is None:
        raise RefusedError(400, "missing_field", f"{name} is missing", name)
    if not isinstance(value, str) or not IDENTIFIER.fullmatch(value):
        raise RefusedError(400, "invalid_field", f"{name} must be an id of 1 to 200 letters, digits and _.:~-", name)
    return value


def whole_number(value: Any, name: str, most: int = AMOUNT_MAX) -> int:
    """A whole number from 1 to `most`; `299.0` is 299, as JSON has one kind of number."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise RefusedError(400, "invalid_field", f"{name} must be a whole number from 1 to {most}", name)
    return value


def currency(body: dict[str, Any]) -> str:
    """A currency that the shop sells in, lower-case."""
    value = body.get("currency", "usd")
    if not isinstance(value, str) or value not in CURRENCIES:
        known = ", ".join(sorted(CURRENCIES))
        raise RefusedError(400, "invalid_field", f"currency must be one of {known}", "currency")
    return value
