"""Keeping card numbers, account numbers and secrets out of everything that is kept or shown."""

import re
from typing import Any

from gatecrash.core.card_numbers import card_spans, holds_known_number, is_word, plain, readings

_SECRET_WORDS = re.compile(r"\b(whsec_|whsk_|[sr]k_live_|ctok_test_)[A-Za-z0-9+/=_-]+")
_SECRET_FIELDS = frozenset({
    "card", "bank_account", "number", "account_number", "cvc", "cvv", "secret", "client_token", "authorization", "password",
    "holder_name",
})  # fmt: skip
# fields that say which is which: what they hold is never mistaken for a card, so that no two of them look the same
_ID_FIELDS = frozenset({"order_id", "idempotency_key"})
# quick tests on raw JSON, before any real work: every digit looks the same, and what may stand between two is skipped
_SHAPE = bytes(ord("0") if chr(byte).isdigit() and byte < 128 else byte for byte in range(256))
_GAPS = b" \t\r\n._/+-"
_LONG_NUMBER = b"0" * 12
_SUSPECT = (b"whsec_", b"whsk_", b"k_live_", b"ctok_test_", *(b'"%s"' % name.encode() for name in sorted(_SECRET_FIELDS)))
# what may be shown of a card and of a bank account
_FACES = {
    "card": frozenset({"brand", "last4", "exp_month", "exp_year"}),
    "bank_account": frozenset({"bank_name", "routing_number", "last4"}),
}

MASK = "[removed]"


def mask(text: str) -> str:
    """Free text with every card and account number, and every secret key, replaced."""
    text = _SECRET_WORDS.sub(lambda match: match.group(1) + MASK, text)
    for start, end in reversed(card_spans(text)):
        text = text[:start] + MASK + text[end:]
    # a number that shows only once escapes are undone has no place of its own
    return MASK if any(card_spans(reading) for reading in list(readings(text))[1:]) else text


def mask_value(text: str) -> str:
    """A value that may be an id: one that is a single word is replaced only for a known test number, free text as `mask` does."""
    return _mask_id(text) if is_word(text) else mask(text)


def is_card(text: str) -> bool:
    """Whether a value that should say which is which holds a test number, or a card as it is printed: in groups, with blanks."""
    return holds_known_number(text) or any(" " in plain(text)[start:end] for start, end in card_spans(text))


def _mask_id(text: str) -> str:
    masked = _SECRET_WORDS.sub(lambda match: match.group(1) + MASK, text)
    return mask(masked) if holds_known_number(masked) else masked


def suspicious(raw: bytes) -> bool:
    """Whether raw JSON could hold a card number or a secret, and so must be looked at closely. Errs on the side of care."""
    lowered = raw.lower()
    return has_long_number(raw) or any(word in lowered for word in _SUSPECT)


def has_long_number(raw: bytes) -> bool:
    """Whether raw JSON holds as many digits as a card number in a row, or escapes or Unicode that could hide some."""
    return b"\\" in raw or b"%" in raw or not raw.isascii() or _LONG_NUMBER in raw.translate(_SHAPE, _GAPS)


def redact(value: Any) -> Any:
    """A JSON value with secret fields and card numbers replaced, at any depth, keys included."""
    if isinstance(value, dict):
        return {mask_value(str(key)): _redact_field(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [redact(inner) for inner in value]
    if isinstance(value, str):
        return mask_value(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return MASK if holds_known_number(str(value)) else value
    return value


def _redact_field(key: str, value: Any) -> Any:
    if key.lower() not in _SECRET_FIELDS:
        return _mask_id(value) if key in _ID_FIELDS and isinstance(value, str) else redact(value)
    if isinstance(value, dict) and (face := _FACES.get(key)) is not None:
        return {inner: redact(v) if inner in face else MASK for inner, v in value.items()}
    return MASK if value is not None else None
