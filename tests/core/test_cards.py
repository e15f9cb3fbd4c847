"""Test cards: each could be a real one by its look, and does what it is published to do."""

import pytest

from gatecrash.core.banks import TEST_ACCOUNTS
from gatecrash.core.cards import DECLINES, TEST_CARDS, Behaviour, brand_of, luhn_valid
from gatecrash.core.disputes import OPENINGS
from gatecrash.core.refunds import BEHAVIOURS


@pytest.mark.parametrize("number", TEST_CARDS)
def test_a_test_card_is_a_well_formed_card_of_a_known_brand(number: str) -> None:
    assert luhn_valid(number)
    assert brand_of(number) != "unknown"
    assert 12 <= len(number) <= 19


@pytest.mark.parametrize(("number", "behaviour"), TEST_CARDS.items())
def test_what_a_test_card_does_is_explained(number: str, behaviour: Behaviour) -> None:
    assert behaviour.decline_code is None or DECLINES[behaviour.decline_code].endswith(".")
    assert behaviour.refund in BEHAVIOURS
    assert behaviour.dispute is None or behaviour.dispute in OPENINGS


def test_every_decline_has_a_card_or_account_that_causes_it() -> None:
    behaviours = [*TEST_CARDS.values(), *(debit.behaviour for debit in TEST_ACCOUNTS.values())]
    assert {behaviour.decline_code for behaviour in behaviours} - {None} == set(DECLINES)


@pytest.mark.parametrize(
    ("number", "brand"),
    [
        ("4242424242424242", "visa"),
        ("5555555555554444", "mastercard"),
        ("2223003122003222", "mastercard"),
        ("378282246310005", "amex"),
        ("6011111111111117", "discover"),
        ("3566002020360505", "jcb"),
        ("36227206271667", "diners"),
        ("6200000000000005", "unionpay"),
        ("6304000000000000", "maestro"),
        ("9999999999999995", "unknown"),
    ],
)
def test_the_brand_is_told_by_the_first_digits(number: str, brand: str) -> None:
    assert brand_of(number) == brand


def test_luhn_catches_any_one_digit_that_is_wrong() -> None:
    number = "4242424242424242"
    for place in range(len(number)):
        for digit in "0123456789":
            changed = number[:place] + digit + number[place + 1 :]
            assert luhn_valid(changed) == (changed == number)


def test_luhn_catches_two_digits_that_were_swapped() -> None:
    assert not luhn_valid("4222424242424242".replace("4222", "2442", 1))
    assert luhn_valid("79927398713")
    assert not luhn_valid("79927398731")
