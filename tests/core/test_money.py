"""Money: which amounts and currencies there are."""

import msgspec
import pytest

from gatecrash.core.errors import Refused
from gatecrash.core.money import AMOUNT_MAX, EXPONENTS, Amount, check_currency, decimal, shown


@pytest.mark.parametrize(
    ("code", "exponent"), [("usd", 2), ("eur", 2), ("gbp", 2), ("jpy", 0), ("krw", 0), ("isk", 0), ("kwd", 3), ("bhd", 3)]
)
def test_a_currency_has_the_exponent_of_iso_4217(code: str, exponent: int) -> None:
    assert EXPONENTS[code] == exponent
    check_currency(code)


def test_every_currency_is_three_lower_case_letters() -> None:
    assert len(EXPONENTS) > 150
    assert all(len(code) == 3 and code.isalpha() and code.islower() for code in EXPONENTS)


@pytest.mark.parametrize("code", ["xxx", "us", "", "dollars", "u$d", "ｕｓｄ", "x" * 5000])
def test_an_unknown_currency_is_refused_by_name(code: str) -> None:
    with pytest.raises(Refused) as refused:
        check_currency(code)
    assert (refused.value.code, refused.value.param) == ("currency_unknown", "currency")
    assert repr(code[:20]) in refused.value.detail
    assert len(refused.value.detail) < 200


def test_a_currency_in_capitals_is_refused_with_the_spelling_that_works() -> None:
    with pytest.raises(Refused, match="write it as 'usd'"):
        check_currency("USD")


@pytest.mark.parametrize("amount", [1, 4200, AMOUNT_MAX])
def test_an_amount_within_bounds_is_taken(amount: int) -> None:
    assert msgspec.convert(amount, Amount) == amount


@pytest.mark.parametrize("amount", [0, -1, AMOUNT_MAX + 1, 10**30, 1.5, "100", True, None])
def test_anything_else_is_no_amount(amount: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(amount, Amount)


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [
        (4200, "usd", "42.00"),
        (5, "eur", "0.05"),
        (4200, "jpy", "4200"),
        (1234, "kwd", "1.234"),
        (-5, "usd", "-0.05"),
        (4200, "", "4200"),
    ],
)
def test_money_is_shown_with_the_currencys_own_digits(amount: int, currency: str, written: str) -> None:
    assert decimal(amount, currency) == written
    assert shown(amount, currency) == f"{written} {currency}".strip()
