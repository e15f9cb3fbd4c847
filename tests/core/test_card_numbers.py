"""Ids are no card numbers: of many kinds of honest ids none is refused and none is lost; and every test card is found."""

import random
import uuid
from collections.abc import Callable

import pytest

from gatecrash.core.banks import TEST_ACCOUNTS
from gatecrash.core.cards import TEST_CARDS
from gatecrash.core.idempotency import Policy, parse_key
from gatecrash.core.params import screen
from gatecrash.core.redaction import is_card, mask, redact

EXAMPLES = 3_000
POLICY = Policy()
_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_NOW = 1_769_860_800_000


def _luhn(digits: str) -> str:
    """`digits` and their check digit."""
    return next(digits + check for check in "0123456789" if _sum(digits + check) % 10 == 0)


def _sum(digits: str) -> int:
    return sum(int(digit) if place % 2 == 0 else sum(divmod(2 * int(digit), 10)) for place, digit in enumerate(reversed(digits)))


def _digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choice("0123456789") for _ in range(count))


def _ean(rng: random.Random) -> str:
    digits = _digits(rng, 12)
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return digits + str(-total % 10)


def _iban(rng: random.Random) -> str:
    country, length = rng.choice([("DE", 18), ("FR", 23), ("BE", 12), ("ES", 20), ("NL", 14), ("PL", 24)])
    account = _digits(rng, length)
    number = int(account + "".join(str(int(char, 36)) for char in country) + "00")
    iban = f"{country}{98 - number % 97:02}{account}"
    return " ".join(iban[at : at + 4] for at in range(0, len(iban), 4)) if rng.random() < 0.5 else iban


def _imei(rng: random.Random) -> str:
    imei = _luhn(rng.choice(["35", "86", "01", "99"]) + _digits(rng, 12))
    return rng.choice([imei, f"{imei[:2]}-{imei[2:8]}-{imei[8:14]}-{imei[14]}"])


def _phone(rng: random.Random) -> str:
    number = rng.choice(["+49", "+371", "+1", "+44", "+62", "0049", "0"]) + _digits(rng, rng.randint(9, 12))
    return rng.choice([number, f"{number[:3]} {number[3:7]} {number[7:]}", f"{number[:3]}-{number[3:6]}-{number[6:]}"])


def _ulid(rng: random.Random) -> str:
    value = (_NOW << 80) | rng.getrandbits(80)
    return "".join(_BASE32[value >> shift & 31] for shift in range(125, -5, -5))


def _snowflake(rng: random.Random) -> str:
    """Of 15 to 19 digits; those that are shaped like a card as often as chance has it, and one in ten that surely is."""
    if rng.random() < 0.1:
        return _luhn(rng.choice(["4", "51", "55", "6011", "3530", "62"]).ljust(6, "7") + _digits(rng, 9))
    return str(rng.randrange(10**14, 2**63))


HONEST: dict[str, Callable[[random.Random], str]] = {
    "UUID": lambda rng: str(uuid.UUID(int=rng.getrandbits(128), version=4)),
    "UUID of digits": lambda rng: "-".join(_digits(rng, count) for count in (8, 4, 4, 4, 12)),
    "UUID in hex": lambda rng: uuid.UUID(int=rng.getrandbits(128), version=4).hex,
    "short hex": lambda rng: f"{rng.getrandbits(64):016x}",
    "ULID": _ulid,
    "snowflake": _snowflake,
    "order and milliseconds": lambda rng: f"order-{_NOW + rng.randrange(10**10)}",
    "milliseconds": lambda rng: str(_NOW + rng.randrange(10**10)),
    "nanoseconds": lambda rng: str((_NOW + rng.randrange(10**10)) * 10**6 + rng.randrange(10**6)),
    "date and number": lambda rng: f"2026-01-{rng.randint(1, 28):02}-{_digits(rng, 16)}",
    "groups of four": lambda rng: "-".join(_digits(rng, 4) for _ in range(4)),
    "phone": _phone,
    "IMEI": _imei,
    "IBAN": _iban,
    "EAN": _ean,
}


def check_honest(make: Callable[[random.Random], str], rng: random.Random) -> None:
    """An id is taken as a key, an order and metadata, and stands in the journal as it was sent."""
    text = make(rng)
    assert not is_card(text), text
    assert parse_key(text, POLICY) == text
    sent = {"order_id": text, "metadata": {"id": text}, "payment_nonce": text}
    assert screen(sent) == sent, text
    entry = {"idempotency_key": text, "order_id": text, "path": f"/v1/charges/{text}", "body": sent}
    assert redact(entry) == entry, text


@pytest.mark.parametrize("kind", HONEST)
def test_an_honest_id_is_neither_refused_nor_masked(kind: str) -> None:
    rng = random.Random(kind)
    for _ in range(EXAMPLES):
        check_honest(HONEST[kind], rng)


GAPS = (
    "",
    " ",
    "-",
    ".",
    "_",
    "/",
    "\n",
    "\t",
    "\u00a0",
    "\u2009",
    "\u202f",
    "\u3000",
    "\u200b",
    "\u2013",
    "\u2010",
    "%20",
    "%2D",
    "+",
)
DIGITS = ("0", "\uff10", "\u0660", "\u0966", "\U0001d7ce", "\U0001d7f6")


def spell(number: str, rng: random.Random) -> str:
    """The number in one of many spellings: how digits look, what stands between groups, and how long those are."""
    zero, gap, size = ord(rng.choice(DIGITS)), rng.choice(GAPS), rng.choice([1, 2, 4, 5, 6, 20])
    text = gap.join(number[at : at + size] for at in range(0, len(number), size))
    return text if "%" in gap else "".join(chr(zero + int(char)) if char in "0123456789" else char for char in text)


def check_found(number: str, rng: random.Random) -> None:
    text = spell(number, rng)
    assert is_card(text), text
    assert not is_card(mask(f"my card: {text}, thanks")), text


@pytest.mark.parametrize("number", [*TEST_CARDS, *TEST_ACCOUNTS])
def test_a_test_number_is_found_in_every_spelling(number: str) -> None:
    rng = random.Random(number)
    for _ in range(400):
        check_found(number, rng)
