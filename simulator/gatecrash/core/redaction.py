"""Keeping card numbers, account numbers and secrets out of everything that is kept or shown."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from gatecrash.core.banks import TEST_ACCOUNTS
from gatecrash.core.cards import TEST_CARDS, brand_of, luhn_valid

# 12 digits or more, as people write them: in one run, or in groups parted by blanks or dashes
_RUN = re.compile(r"[0-9](?:[ -]*[0-9]){11,}")
_SECRET_WORDS = re.compile(r"\b(whsec_|whsk_|[sr]k_live_|ctok_test_)[A-Za-z0-9+/=_-]+")
_SECRET_FIELDS = frozenset({
    "card", "bank_account", "number", "account_number", "cvc", "cvv", "secret", "client_token", "authorization", "password",
    "holder_name",
})  # fmt: skip
# quick tests on raw JSON, before any real work: every digit looks the same, blanks and dashes are skipped
_SHAPE = bytes(ord("0") if chr(byte).isdigit() and byte < 128 else byte for byte in range(256))
_LONG_NUMBER = b"0" * 12
_SUSPECT = (b"whsec_", b"whsk_", b"k_live_", b"ctok_test_", *(b'"%s"' % name.encode() for name in sorted(_SECRET_FIELDS)))
# what may be shown of a card and of a bank account
_FACES = {
    "card": frozenset({"brand", "last4", "exp_month", "exp_year"}),
    "bank_account": frozenset({"bank_name", "routing_number", "last4"}),
}

_TEST_NUMBERS = (*TEST_CARDS, *TEST_ACCOUNTS)

MASK = "[removed]"
# a longer run of digits and blanks is no honest text, and is not searched but taken for the worst
_RUN_MAX = 400


def find_card_number(text: str) -> str | None:
    """The first thing in `text` that is a known test card or account, or that any reader would take for a real card."""
    for match in _RUN.finditer(text):
        run = match.group()
        if (
            len(run) > _RUN_MAX
            or _holds_test_number(run)
            or any(len(digits) in (15, 16) and luhn_valid(digits) and brand_of(digits) != "unknown" for digits in _numbers(run))
        ):
            return run
    return None


def _numbers(run: str) -> Iterator[str]:
    """Every number of 13 to 19 digits in a run: some groups of it, whole. So `4242 4242 4242 4242 12/40` hides no card."""
    groups = re.findall("[0-9]+", run)
    for first in range(len(groups)):
        digits = ""
        for group in islice(groups, first, first + 19):
            digits += group
            if len(digits) > 19:
                break
            if len(digits) >= 13:
                yield digits


def _holds_test_number(run: str) -> bool:
    digits = re.sub("[ -]", "", run)
    return any(number in digits for number in _TEST_NUMBERS)


def _could_be_card(run: str) -> bool:
    return len(run) > _RUN_MAX or _holds_test_number(run) or any(luhn_valid(digits) for digits in _numbers(run))


def mask(text: str) -> str:
    """`text` with every long run of digits that could be a card number, and every secret key, replaced."""
    text = _SECRET_WORDS.sub(lambda match: match.group(1) + MASK, text)
    return _RUN.sub(lambda match: MASK if _could_be_card(match[0]) else match[0], text)


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
    if isinstance(value, dict) and (face := _FACES.get(key)) is not None:
        return {inner: redact(v) if inner in face else MASK for inner, v in value.items()}
    return MASK if value is not None else None
