"""Nonces and client tokens: single use, short lives, and only test cards."""

import pytest

from gatecrash.core.clock import HOUR
from gatecrash.core.errors import Refused
from gatecrash.core.records import ClientToken, Nonce
from gatecrash.core.tokens import CreateClientToken, create_client_token, sandbox_of_client_token, take_nonce, use_client_token
from tests.support.core import Core


@pytest.mark.parametrize("number", ["4242 4242 4242 4242", "4242-4242-4242-4242", "4242424242424242"])
def test_a_card_becomes_a_nonce_however_it_is_spaced(core: Core, number: str) -> None:
    nonce = core.nonce(number)
    assert nonce.card == {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2040}
    assert nonce.expires_at == core.now + 3 * HOUR
    assert nonce.used_by is None


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("4242424242424241", "card_number_invalid"),
        ("424242", "card_number_invalid"),
        ("4242x42424242424", "card_number_invalid"),
        ("４２４２４２４２４２４２４２４２", "card_number_invalid"),
        ("4" * 20, "card_number_invalid"),
        ("4539578763621486", "card_not_a_test_card"),
        ("5425233430109903", "card_not_a_test_card"),
        ("000000000000", "card_not_a_test_card"),
    ],
)
def test_a_number_that_is_no_test_card_is_refused_and_not_repeated(core: Core, number: str, code: str) -> None:
    with pytest.raises(Refused) as refused:
        core.nonce(number)
    assert (refused.value.code, refused.value.param) == (code, "card.number")
    assert number not in refused.value.detail
    assert "4242 four times over" in refused.value.detail
    assert core.find(Nonce) == []


@pytest.mark.parametrize(("month", "year", "fine"), [(1, 2026, True), (12, 2026, True), (12, 2025, False), (12, 2000, False)])
def test_a_card_is_good_until_the_end_of_its_month_in_the_sandbox(core: Core, month: int, year: int, fine: bool) -> None:
    if fine:
        core.nonce(exp_month=month, exp_year=year)
        return
    with pytest.raises(Refused, match=f"expired in {month:02d}/{year}; in this sandbox it is 01/2026"):
        core.nonce(exp_month=month, exp_year=year)


def test_a_nonce_pays_once(core: Core) -> None:
    nonce = core.nonce()
    taken, number = core.do(take_nonce, nonce.id, "txn_1")
    assert (taken.used_by, number) == ("txn_1", "4242424242424242")
    with pytest.raises(Refused, match="was used by txn_1") as refused:
        core.do(take_nonce, nonce.id, "txn_2")
    assert refused.value.code == "nonce_used"


def test_a_nonce_lives_for_three_hours_to_the_millisecond(core: Core) -> None:
    early, late = core.nonce(), core.nonce()
    core.now += 3 * HOUR - 1
    core.do(take_nonce, early.id, "txn_1")
    core.now += 1
    with pytest.raises(Refused, match="expired at 2026-01-31T15:00:00"):
        core.do(take_nonce, late.id, "txn_2")


def test_a_nonce_that_nobody_made_is_refused_by_name(core: Core) -> None:
    with pytest.raises(Refused) as refused:
        core.do(take_nonce, "nonce_none", "txn_1")
    assert (refused.value.code, refused.value.param) == ("nonce_unknown", "payment_nonce")


@pytest.mark.parametrize("name", ["core", "with_under_scores", "a-b", "x" * 64])
def test_a_client_token_tells_its_sandbox(name: str) -> None:
    bench = Core(sandbox=name)
    token = bench.do(create_client_token, CreateClientToken())
    bench.close()
    assert sandbox_of_client_token(token.id) == name


@pytest.mark.parametrize("text", ["", "ctok_test_", "ctok_test_x", "sk_test_me", "whatever_me_1"])
def test_what_is_no_client_token_tells_none(text: str) -> None:
    assert not sandbox_of_client_token(text)


def test_a_client_token_is_good_once_for_an_hour(core: Core) -> None:
    one, late = (core.do(create_client_token, CreateClientToken()) for _ in range(2))
    core.do(use_client_token, one.id)
    assert core.get(ClientToken, one.id).used
    with pytest.raises(Refused, match="used already"):
        core.do(use_client_token, one.id)
    core.now += HOUR
    with pytest.raises(Refused, match="expired at"):
        core.do(use_client_token, late.id)
    with pytest.raises(Refused, match="unknown"):
        core.do(use_client_token, "ctok_test_core_nothing")
