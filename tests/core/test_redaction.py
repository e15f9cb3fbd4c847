"""Card numbers and secrets stay out of whatever is kept or shown, however they are dressed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatecrash.core.banks import TEST_ACCOUNTS
from gatecrash.core.card_numbers import card_spans, holds_known_number
from gatecrash.core.cards import TEST_CARDS
from gatecrash.core.redaction import MASK, has_long_number, mask, mask_value, redact, suspicious

VISA = "4242424242424242"
ESCAPED = "".join(f"\\u{ord(digit):04x}" for digit in VISA)

# as text
DRESSES = {
    "bare": VISA,
    "blanks": "4242 4242 4242 4242",
    "dashes": "4242-4242-4242-4242",
    "wide gaps": "4242  4242 - 4242  4242",
    "odd groups": "42 4242424242 4242-42",
    "in a sentence": "card 4242424242424242, please",
    "with its expiry": "4242424242424242 12/40",
    "with its expiry, groups": "4242 4242 4242 4242 12 40",
    "with its security code": "4242424242424242 123",
    "after an order number": "17 4242 4242 4242 4242",
    "glued to more digits": "4242424242424242123",
    "two of them": "4242424242424242 5555555555554444",
    "amex, as printed": "3782 822463 10005",
    "no test card, but could be one": "4539 5787 6362 1486",
    "no test card, with its expiry": "4539 5787 6362 1486 12/40",
    "no test card, in a sentence": "paid with 4539578763621486.",
    "no test card, in a path": "see /pay/4539578763621486/now, please",
    "no test amex, as printed": "3714 496353 98431",
    "points": "4242.4242.4242.4242",
    "underlines": "4242_4242_4242_4242",
    "slashes": "4242/4242/4242/4242",
    "pluses, as in a form": "4242+4242+4242+4242",
    "lines": "4242\n4242\r\n4242\t4242",
    "no-break spaces": "4242\u00a04242\u00a04242\u00a04242",
    "thin spaces": "4242\u20094242\u20094242\u20094242",
    "zero-width spaces": "4242\u200b4242\u200b4242\u200b4242",
    "soft hyphens": "4242\u00ad4242\u00ad4242\u00ad4242",
    "en dashes": "4242\u20134242\u20134242\u20134242",
    "minus signs": "4242\u22124242\u22124242\u22124242",
    "middle dots": "4242\u00b74242\u00b74242\u00b74242",
    "full-width digits": "".join(chr(0xFF10 + int(digit)) for digit in VISA),
    "full-width points": "4242\uff0e4242\uff0e4242\uff0e4242",
    "Arabic digits": "".join(chr(0x0660 + int(digit)) for digit in VISA),
    "mathematical digits": "".join(chr(0x1D7CE + int(digit)) for digit in VISA),
    "blanks of a URL": "4242%204242%204242%204242",
    "no-break spaces of a URL": "4242%C2%A04242%C2%A04242%C2%A04242",
    "digits of a URL": "".join(f"%{ord(digit):02x}" for digit in VISA),
    "escapes in a text": "".join(f"\\u{ord(digit):04x}" for digit in VISA),
    "escaped lines in a text": "4242\\n4242\\n4242\\n4242",
    "glued to letters": "x4242424242424242y",
    "an account": "000123456789",
    "an account, groups": "000-123 456 789",
    "an account and more": "account 000123456789 17, please",
}
# as raw JSON
RAW = {
    "escaped": f'{{"a":"{ESCAPED}"}}',
    "one digit escaped": '{"a":"424242424242\\u0034242"}',
    "escaped in capitals": '{"a":"\\u0034\\u0032' + VISA[2:] + '"}',
    "a number": f'{{"a":{VISA}}}',
    "a whole float": f'{{"a":{VISA}.0}}',
    "a number with an exponent": '{"a":4.242424242424242e15}',
    "a key": f'{{"{VISA}":1}}',
    "an escaped key": f'{{"{ESCAPED}":1}}',
    "nested": f'{{"a":{{"b":[{{"c":["x","{VISA}"]}}]}}}}',
    "metadata": '{"metadata":{"note":"4242 4242 4242 4242"}}',
}


def digits_of(value: Any) -> str:
    return "".join(char for char in json.dumps(value) if char in "0123456789")


@pytest.mark.parametrize("text", DRESSES.values(), ids=DRESSES)
def test_a_card_number_is_found_and_masked_in_any_dress(text: str) -> None:
    masked = mask(text)
    assert MASK in masked
    assert card_spans(masked) == []
    assert not holds_known_number(masked)
    assert VISA not in digits_of(masked)
    assert suspicious(json.dumps({"a": text}).encode())
    assert has_long_number(json.dumps({"a": text}).encode())


@pytest.mark.parametrize("raw", RAW.values(), ids=RAW)
def test_a_card_number_in_json_is_suspected_while_raw_and_gone_when_redacted(raw: str) -> None:
    assert suspicious(raw.encode())
    assert has_long_number(raw.encode())
    redacted = redact(json.loads(raw))
    assert VISA not in digits_of(redacted)
    assert MASK in json.dumps(redacted)


@pytest.mark.parametrize("number", [*TEST_CARDS, *TEST_ACCOUNTS])
def test_every_test_card_and_account_is_found(number: str) -> None:
    assert holds_known_number(number)
    assert mask(number) == mask_value(number) == MASK


@pytest.mark.parametrize(
    "text",
    [
        "txn_0000001akefnabrmqrkp",
        "550e8400-e29b-41d4-a716-446655440000",
        "order-2026-01-31-000017",
        "2026-01-31T12:00:00.000Z",
        "+49 30 901820",
        "1769860800000",
        "123456789012",
        "00000000000000000000000000",
        "07045483-f17b-4766-9377-06461174b813",
        "order-1769860800000",
        "order-4539578763621486",
        "x4539578763621486y",
        "+371 44963539843",
        "+371449635398439",
        "4539 5787 6362 1486 1234",
        "1234 4539 5787 6362 1486",
        "0.4539578763621486",
        "DE75 5121 0800 1245 1261 99",
        "4006381333931",
        "0000000123456789",
    ],
)
def test_what_is_no_card_number_is_let_be(text: str) -> None:
    assert mask(text) == mask_value(text) == text


@pytest.mark.parametrize(
    "text", ["txn_0000001akefnabrmqrkp", "550e8400-e29b-41d4-a716-446655440000", "2026-01-31T12:00:00.000Z", 42, 1.5]
)
def test_what_could_never_be_a_card_number_is_not_masked(text: Any) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("text", ["4539578763621486", "4539-5787-6362-1486", "txn/4539578763621486"])
def test_a_single_word_that_is_only_shaped_like_a_card_is_an_id(text: str) -> None:
    assert redact({"order_id": text, "metadata": {"order": text}}) == {"order_id": text, "metadata": {"order": text}}
    assert MASK in mask(f"paid with {text}, thanks") or not card_spans(text)


def test_two_order_ids_never_look_the_same() -> None:
    ids = [f"Order {4539578763621486 + i}" for i in range(200)]
    assert [redact({"order_id": text})["order_id"] for text in ids] == ids


@pytest.mark.parametrize(
    "secret", ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "sk_live_abc123", "rk_live_abc123", "ctok_test_me_00000001abc"]
)
def test_secrets_are_masked_behind_the_prefix_that_tells_what_they_were(secret: str) -> None:
    masked = mask(f"the secret {secret} leaked")
    assert secret not in masked
    assert secret[:6] in masked
    assert MASK in masked
    assert suspicious(f'{{"x":"{secret}"}}'.encode())


@pytest.mark.parametrize(
    "field",
    [
        "number",
        "cvc",
        "cvv",
        "secret",
        "client_token",
        "authorization",
        "password",
        "holder_name",
        "account_number",
        "CVC",
        "Number",
    ],
)
def test_fields_that_hold_secrets_are_masked_whatever_they_hold(field: str) -> None:
    for value in ("x", 7, ["x"], {"a": "x"}):
        assert redact({"deep": [{field: value}]}) == {"deep": [{field: MASK}]}
    assert suspicious(json.dumps({field: "x"}, separators=(",", ":")).encode())


def test_an_absent_secret_is_shown_as_absent() -> None:
    assert redact({"secret": None, "holder_name": None}) == {"secret": None, "holder_name": None}


def test_of_a_card_only_its_face_is_kept() -> None:
    card = {"number": VISA, "cvc": "123", "exp_month": 12, "exp_year": 2040, "brand": "visa", "last4": "4242", "new_field": "x"}
    assert redact({"card": card}) == {
        "card": {
            "number": MASK, "cvc": MASK, "exp_month": 12, "exp_year": 2040, "brand": "visa", "last4": "4242", "new_field": MASK,
        }
    }  # fmt: skip
    assert redact({"card": VISA}) == {"card": MASK}


def test_redacting_keeps_what_harms_nobody() -> None:
    value = {"a": [1, 1.5, True, None, "text"], "b": {"c": "d"}, "amount": 4200}
    assert redact(value) == value


@given(
    number=st.sampled_from(sorted(TEST_CARDS)),
    gaps=st.lists(st.sampled_from(["", " ", "-", "  ", " - "]), min_size=15, max_size=18),
    before=st.text("abc:,. \n", max_size=5),
    after=st.text("abc:,. /\n", max_size=5),
)
def test_however_a_test_card_is_spaced_it_is_found(number: str, gaps: list[str], before: str, after: str) -> None:
    text = before + "".join(digit + gap for digit, gap in zip(number, [*gaps, *[""] * 19], strict=False)) + after
    assert holds_known_number(text)
    assert number not in digits_of(mask(text))
    assert suspicious(json.dumps(text).encode())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_redacting_twice_is_redacting_once(value: Any) -> None:
    once = redact(value)
    assert redact(once) == once
