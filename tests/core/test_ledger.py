"""The books: double entries that balance, per currency and per order."""

import pytest

from gatecrash.core.ledger import ENTRIES, MERCHANT, NETWORK, books
from gatecrash.core.payments import CaptureCharge, capture_charge
from gatecrash.core.records import Transfer
from gatecrash.core.refunds import CreateRefund, create_refund, fail_refund
from tests.support.core import Core


def test_books_with_nothing_in_them_balance(core: Core) -> None:
    assert core.do(books) == {"balanced": True, "accounts": [], "orders": [], "transfers": 0}


def test_a_capture_is_owed_by_the_network_and_to_the_merchant(core: Core) -> None:
    core.charge(amount=4200, order_id="o1")
    assert core.do(books) == {
        "balanced": True,
        "accounts": [
            {"account": MERCHANT, "currency": "usd", "debits": 0, "credits": 4200, "balance": -4200},
            {"account": NETWORK, "currency": "usd", "debits": 4200, "credits": 0, "balance": 4200},
        ],
        "orders": [
            {"order_id": "o1", "currency": "usd", "captured": 4200, "refunded": 0, "disputed": 0, "net": 4200, "charges": 1}
        ],
        "transfers": 1,
    }


@pytest.mark.parametrize("card", ["declined", "insufficient_funds"])
def test_a_decline_leaves_no_trace_in_the_books(core: Core, card: str) -> None:
    core.charge(card)
    core.charge(capture=False)
    assert core.find(Transfer) == []


def test_currencies_never_mix(core: Core) -> None:
    core.charge(amount=100, currency="usd", order_id="o1")
    core.charge(amount=300, currency="jpy", order_id="o1")
    told = core.do(books)
    assert told["balanced"]
    assert {(a["account"], a["currency"], a["balance"]) for a in told["accounts"]} == {
        (NETWORK, "usd", 100), (MERCHANT, "usd", -100), (NETWORK, "jpy", 300), (MERCHANT, "jpy", -300),
    }  # fmt: skip
    assert [(o["currency"], o["net"]) for o in told["orders"]] == [("jpy", 300), ("usd", 100)]


def test_an_order_adds_up_over_its_charges_captures_and_refunds(core: Core) -> None:
    first = core.charge(amount=1000, order_id="o1", capture=False)
    core.do(capture_charge, CaptureCharge(first.id, 300))
    core.do(capture_charge, CaptureCharge(first.id, 200))
    core.charge(amount=70, order_id="o1")
    core.do(create_refund, CreateRefund(first.id, 120))
    core.charge(amount=9, order_id=None)
    orders = core.do(books)["orders"]
    assert {
        "order_id": "o1",
        "currency": "usd",
        "captured": 570,
        "refunded": 120,
        "disputed": 0,
        "net": 450,
        "charges": 2,
    } in orders
    assert {"order_id": None, "currency": "usd", "captured": 9, "refunded": 0, "disputed": 0, "net": 9, "charges": 1} in orders


def test_a_refund_that_comes_back_is_the_merchants_again(core: Core) -> None:
    charge = core.charge("refund_failing", amount=500, order_id="o1")
    refund = core.do(create_refund, CreateRefund(charge.id))
    core.do(fail_refund, refund.id)
    told = core.do(books)
    assert told["balanced"]
    assert [(o["captured"], o["refunded"], o["net"]) for o in told["orders"]] == [(500, 0, 500)]
    assert [transfer.reason for transfer in core.find(Transfer)] == ["capture", "refund", "refund_failed"]


def test_every_entry_has_two_different_sides() -> None:
    assert all(debit != credit for debit, credit in ENTRIES.values())
    assert ENTRIES["refund"] == tuple(reversed(ENTRIES["capture"])) == tuple(reversed(ENTRIES["refund_failed"]))
