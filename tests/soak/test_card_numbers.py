"""The hunt of tests/core/test_card_numbers.py, for a million ids of each kind and as many spellings."""

import random

import pytest

from gatecrash.core.banks import TEST_ACCOUNTS
from gatecrash.core.cards import TEST_CARDS
from tests.core.test_card_numbers import HONEST, check_found, check_honest

MILLION = 1_000_000


@pytest.mark.parametrize("kind", HONEST)
def test_of_a_million_honest_ids_none_is_refused_or_masked(kind: str) -> None:
    rng = random.Random(f"{kind}, a million")
    for _ in range(MILLION):
        check_honest(HONEST[kind], rng)


def test_of_a_million_spellings_of_test_numbers_each_is_found() -> None:
    rng = random.Random("a million spellings")
    numbers = (*TEST_CARDS, *TEST_ACCOUNTS)
    for _ in range(MILLION):
        check_found(rng.choice(numbers), rng)
