"""What answers say by a profile: words, numbers, booleans, null, several values at once, HTTP statuses, decimals."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gatecrash.harness import answers
from gatecrash.harness.merchant_profile import MerchantProfile, parse
from gatecrash.harness.templates import Call
from gatecrash.harness.world import Reply, SetupFailed

PAGE = Call(method="GET", path="/orders/7")
PROFILE = """
name = "shop"
url = "http://127.0.0.1:1"
[pay]
path = "/pay"
body = { nonce = "{nonce}" }
PAY
[read_order]
path = "/orders/{order_id}"
READ
[statuses]
STATUSES
"""


def shop(statuses: str = "", *, pay: str = "", read: str = "") -> MerchantProfile:
    text = PROFILE.replace("PAY\n", f"{pay}\n").replace("READ\n", f"{read}\n").replace("STATUSES\n", statuses)
    return parse(text, Path("merchant.toml"))


def status(profile: MerchantProfile, body: Any) -> str:
    return answers.page(profile, PAGE, Reply(200, body), "usd").status


@pytest.mark.parametrize(
    ("statuses", "body", "told"),
    [
        ("PAID = [true]\nPENDING = [false]", {"status": True}, "PAID"),
        ("PAID = [true]\nPENDING = [false]", {"status": False}, "PENDING"),
        ("PAID = [2]", {"status": 2}, "PAID"),
        ("PAID = [2]", {"status": 2.0}, "PAID"),
        ('PENDING = ["null"]\nPAID = ["*"]', {"status": None}, "PENDING"),
        ('PENDING = ["null"]\nPAID = ["*"]', {}, "PENDING"),
        ('PENDING = ["null"]\nPAID = ["*"]', {"status": "2026-12-01T00:00:00Z"}, "PAID"),
        ('REFUNDED = [{ "/a/back" = true }]\nPAID = [{ "/a/paid" = true }]', {"a": {"paid": True, "back": True}}, "REFUNDED"),
        ('REFUNDED = [{ "/a/back" = true }]\nPAID = [{ "/a/paid" = true }]', {"a": {"paid": True, "back": False}}, "PAID"),
        ('FAILED = [{ "/paid" = false, "/error" = "card" }]\nPENDING = [{ "/paid" = false }]', {"paid": False}, "PENDING"),
        ('PENDING = [{ "/error" = "null" }]', {"error": None}, "PENDING"),
    ],
)
def test_a_status_may_be_a_boolean_a_number_null_or_several_values(statuses: str, body: Any, told: str) -> None:
    assert status(shop(statuses), body) == told


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"status": 3}, "says 3, which is not explained there; write it behind what it means here, as in PENDING = [3]"),
        ({"status": False}, "says false, which is not explained there"),
        ({"status": "odd"}, "says 'odd', which is not explained there"),
        ({"status": None}, 'if it is null at first, write that in [statuses], as in PENDING = ["null"]'),
        ({}, "expected a 2xx with the order's status at '/status'"),
    ],
)
def test_a_status_that_nobody_explained_is_told_with_the_line_to_write(body: Any, told: str) -> None:
    with pytest.raises(SetupFailed) as refused:
        status(shop("PAID = [2]"), body)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply(202), "PENDING"),
        (Reply(204), "PENDING"),
        (Reply(202, {"status": "paid"}), "PAID"),
        (Reply(402, text="no"), "FAILED"),
        (Reply(200, text="Thank you!"), "PAID"),
        (Reply(500, text="declined"), "FAILED"),
        (Reply(422, {"status": "failed"}), "FAILED"),
    ],
)
def test_the_http_status_speaks_where_the_body_has_no_word(reply: Reply, told: str) -> None:
    assert answers.outcome(shop(pay='codes = { 200 = "PAID", 500 = "FAILED" }'), PAGE, reply) == told


def test_a_2xx_without_a_word_is_no_outcome_where_no_code_is_explained() -> None:
    with pytest.raises(answers.Unpromised, match=r"or an HTTP status that says it all \(pay.codes\)"):
        answers.outcome(shop(), PAGE, Reply(200, text="Thank you!"))


@pytest.mark.parametrize(
    ("written", "currency", "minor"),
    [("12.34", "usd", 1234), (12.34, "usd", 1234), (0, "usd", 0), ("500", "jpy", 500), (0.29, "usd", 29)],
)
def test_what_was_refunded_is_read_in_minor_units_also_from_decimals(written: Any, currency: str, minor: int) -> None:
    decimal = shop(read='refunded = "/back"\namounts = "decimal"')
    assert answers.page(decimal, PAGE, Reply(200, {"status": "PAID", "back": written}), currency).refunded == minor


def test_a_decimal_where_minor_units_were_promised_says_which_line_to_add() -> None:
    with pytest.raises(answers.Unpromised, match=r'write amounts = "decimal" in \[read_order\] where 12.34 is meant'):
        answers.page(shop(read='refunded = "/back"'), PAGE, Reply(200, {"status": "PAID", "back": 12.34}), "usd")


@pytest.mark.parametrize("found", ["", "a\r\nSet-Cookie: x", None, True, 1.5, [7]])
def test_an_order_id_is_a_printable_text_or_a_number(found: Any) -> None:
    told: Callable[[Any], Any] = lambda value: answers.order_id(shop(), PAGE, Reply(201), value)  # noqa: E731
    assert told("o-7") == "o-7"
    assert told(7) == 7
    with pytest.raises(answers.Unpromised):
        told(found)
