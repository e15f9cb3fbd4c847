"""Keeping card numbers and secrets out of everything that is kept or shown."""

import re
from typing import Any

from gatecrash.core.cards import TEST_CARDS, brand_of, luhn_valid

# 13 to 19 digits, as people write them: in one run, or parted by single blanks or dashes
_RUN = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")
_SECRET_WORDS = re.compile(r"\b(whsec_|[sr]k_live_|ctok_test_)[A-Za-z0-9+/=_-]+")
_SECRET_FIELDS = frozenset({"card", "number", "cvc", "cvv", "secret", "client_token", "authorization", "password", "holder_name"})
# quick tests on raw JSON, before any real work: every digit looks the same, blanks and dashes are skipped
_SHAPE = bytes(ord("0") if chr(byte).isdigit() and byte < 128 else byte for byte in range(256))
_LONG_NUMBER = b"0" * 13
_SUSPECT = (b"whsec_", b"k_live_", b"ctok_test_", *(b'"%s"' % name.encode() for name in sorted(_SECRET_FIELDS)))
# fields under a card that may be shown
_CARD_FACE = frozenset({"brand", "last4", "exp_month", "exp_year"})

MASK = "[removed]"


def find_card_number(text: str) -> str | None:
    """The first thing in `text` that is a known test card, or that any reader would take for a real card."""
    for match in _RUN.finditer(text):
        digits = re.sub(r"\D", "", match.group())
        if digits in TEST_CARDS or (len(digits) in (15, 16) and luhn_valid(digits) and brand_of(digits) != "unknown"):
            return match.group()
    return None


def mask(text: str) -> str:
    """`text` with every long run of digits that could be a card number, and every secret key, replaced."""
    text = _SECRET_WORDS.sub(lambda match: match.group(1) + MASK, text)
    return _RUN.sub(lambda match: MASK if luhn_valid(re.sub(r"\D", "", match.group())) else match.group(), text)


def suspicious(raw: bytes) -> bool:
    """Whether raw JSON could hold a card number or a secret, and so must be looked at closely. Errs on the side of care."""
    lowered = raw.lower()
    return has_long_number(raw) or any(word in lowered for word in _SUSPECT)


def has_long_number(raw: bytes) -> bool:
    """Whether raw JSON holds a run of digits as long as a card number, or escapes that could hide one."""
    return _LONG_NUMBER in raw.translate(_SHAPE, b" -") or b"\\u" in raw


def redact(value: Any) -> Any:
    """A JSON value with secret fields and card numbers replaced, at any depth, keys included."""
    if isinstance(value, dict):
        return {mask(str(key)): _redact_field(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [redact(inner) for inner in value]
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value if mask(str(value)) == str(value) else MASK
    return value


def _redact_field(key: str, value: Any) -> Any:
    if key.lower() not in _SECRET_FIELDS:
        return redact(value)
    if key == "card" and isinstance(value, dict):
        return {inner: redact(v) if inner in _CARD_FACE else MASK for inner, v in value.items()}
    return MASK if value is not None else None
