"""Mutants: the shop with one decision replaced, and the constraints that stand behind the decisions."""

import asyncio
import sqlite3
from typing import Any

import pytest

from reference_merchant import mutants
from reference_merchant.decisions import Decisions
from reference_merchant.store import Store

MODIFIED = "INSERT INTO modifications VALUES "


@pytest.mark.parametrize("name", mutants.names())
def test_each_mutant_tells_its_bug_and_relaxes_rules_that_there_are(name: str) -> None:
    mutant = mutants.load(name)
    module = __import__(mutant.__module__, fromlist=["__doc__"])

    assert mutant is not Decisions
    assert module.__doc__
    store = Store()
    store.relax(mutant.relaxes)
    store.close()


@pytest.mark.asyncio
async def test_the_naive_shop_charges_again_after_a_lost_answer(shop: Any, gateway: Any) -> None:
    await shop.restart(mutant="naive")
    gateway.faults = ["lost"]
    order = await shop.order()

    status, answer = await shop.pay(order, "nonce_a")
    assert (status, answer["status"]) == (402, "FAILED")
    assert (await shop.event("charge.succeeded", gateway.charges[0]))[0] == 200
    assert (await shop.pay(order, "nonce_b"))[0] == 200

    assert len(gateway.charges) == 2


@pytest.mark.asyncio
async def test_the_naive_shop_charges_at_each_click(shop: Any, gateway: Any) -> None:
    await shop.restart(mutant="naive")
    order = await shop.order()

    answers = await asyncio.gather(shop.pay(order, "nonce_a"), shop.pay(order, "nonce_b"))

    assert [status for status, _ in answers] == [200, 200]
    assert len(gateway.charges) == 2
    await shop.restart()  # over books that break the rules it relaxes
    assert (await shop.see(order))["status"] == "PAID"


@pytest.mark.asyncio
async def test_a_mutant_of_one_line_is_enough_to_pay_for_a_smaller_charge(shop: Any, gateway: Any) -> None:
    class AmountUnchecked(Decisions):
        def fits(self, attempt: Any, charge: Any) -> bool:
            return True

    shop.decisions = AmountUnchecked(shop.config)
    await shop.restart()
    order = await shop.order()
    charge = {"id": "txn_9", "status": "succeeded", "amount": 1, "currency": "usd", "order_id": order}

    await shop.event("charge.succeeded", charge)

    assert (await shop.see(order))["status"] == "PAID"


@pytest.mark.parametrize(
    ("rule", "sql"),
    [
        ("one_open_attempt", "INSERT INTO attempts VALUES ('b', 'o', 2, 'k2', 'n2', '{}', 5, 'usd', 'open', 0, 't2', '', 0)"),
        ("key_of_one_attempt", "INSERT INTO attempts VALUES ('b', 'o', 2, 'k', 'n2', '{}', 5, 'usd', 'refused', 0, 't2', '', 0)"),
        ("nonce_tried_once", "INSERT INTO attempts VALUES ('b', 'o', 2, 'k2', 'n', '{}', 5, 'usd', 'refused', 0, 't2', '', 0)"),
        (
            "charge_of_one_attempt",
            "INSERT INTO attempts VALUES ('b', 'o', 2, 'k2', 'n2', '{}', 5, 'usd', 'refused', 0, 't', '', 0)",
        ),
        ("paid_needs_a_charge", "UPDATE orders SET status = 'PAID', paid_by = 'a'"),
        ("paid_stays_paid", "UPDATE orders SET status = 'FAILED' WHERE id = 'p'"),
        ("one_parcel_per_order", "INSERT INTO outbox VALUES ('p', 'pending')"),
        ("fulfilled_once", "INSERT INTO fulfilments VALUES ('p', 1)"),
        ("one_open_modification", MODIFIED + "('n', 'p', 't9', 'void', 'asked', 'k3', '', 5, 0, 'open', 'r2', 0)"),
        ("key_of_one_modification", MODIFIED + "('n', 'p', 't8', 'void', 'asked', 'k', '', 5, 0, 'failed', 'r2', 0)"),
        ("refund_booked_once", MODIFIED + "('n', 'p', 't8', 'refund', 'asked', 'k3', '', 5, 0, 'failed', 'r', 0)"),
        ("surplus_returned_once", MODIFIED + "('n', 'p', 't9', 'void', 'surplus', 'k3', '', 5, 0, 'failed', 'r2', 0)"),
        ("event_applied_once", "INSERT INTO events VALUES ('evt_1', 't', 1)"),
    ],
)
def test_the_schema_holds_the_rule_also_where_the_code_forgets_it(rule: str, sql: str) -> None:
    def books() -> Store:
        store = Store()
        store.execute("INSERT INTO orders VALUES ('o', NULL, '[]', 5, 'usd', 'now', 'PENDING', NULL, 0, 0)")
        store.execute("INSERT INTO attempts VALUES ('a', 'o', 1, 'k', 'n', '{}', 5, 'usd', 'open', 0, 't', '', 0)")
        store.execute("INSERT INTO orders VALUES ('p', NULL, '[]', 5, 'usd', 'now', 'PENDING', NULL, 0, 0)")
        store.execute("INSERT INTO attempts VALUES ('c', 'p', 1, 'k9', 'n', '{}', 5, 'usd', 'succeeded', 0, 't9', '', 0)")
        store.execute("UPDATE orders SET status = 'PAID', paid_by = 'c' WHERE id = 'p'")
        store.execute(MODIFIED + "('m', 'p', 't9', 'refund', 'asked', 'k', '', 1, 0, 'open', 'r', 0)")
        store.execute(MODIFIED + "('s', 'p', 't9', 'refund', 'surplus', 'k2', '', 1, 0, 'failed', 'r1', 0)")
        store.execute("INSERT INTO outbox VALUES ('p', 'done')")
        store.execute("INSERT INTO fulfilments VALUES ('p', 0)")
        store.execute("INSERT INTO events VALUES ('evt_1', 't', 0)")
        return store

    strict = books()
    with pytest.raises(sqlite3.IntegrityError):
        strict.execute(sql)
    strict.close()

    relaxed = books()
    relaxed.relax([rule])
    relaxed.execute(sql)
    relaxed.close()


def test_a_rule_that_there_is_not_cannot_be_relaxed() -> None:
    store = Store()
    with pytest.raises(ValueError, match="no index or trigger named 'nonsense'"):
        store.relax(["nonsense"])
    store.close()
