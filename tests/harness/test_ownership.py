"""Whose order charges, events and calls are about, whatever the shop calls its orders at the gateway."""

from typing import Any

import pytest

from gatecrash.harness.history import Attempt, Charge, History, Order
from gatecrash.harness.ownership import Calls, Objects

NONCES = {"nonce_1": "o1", "nonce_2": "o2"}


def charge(number: int, reference: str | None, nonce: str | None = None) -> dict[str, Any]:
    return {"id": f"txn_{number}", "order_id": reference, "source": nonce or f"nonce_{number}"}


@pytest.mark.parametrize("references", [("o1", "o2"), ("R-7", "R-8"), (None, None), ("shop", "shop"), ("o2", "o1")])
def test_a_charge_and_what_follows_from_it_belong_to_the_order_of_its_nonce(references: tuple[str | None, str | None]) -> None:
    charges = [charge(number, reference) for number, reference in enumerate(references, 1)]
    objects = Objects(charges, NONCES)
    for number, (made, reference) in enumerate(zip(charges, references, strict=True), 1):
        refund = {"object_id": f"re_{number}", "charge_id": made["id"], "order_id": reference}
        subscription = {"object_id": f"sub_{number}", "charge_id": made["id"], "order_id": reference}
        assert {objects.order_of(each) for each in (made, refund, subscription)} == {f"o{number}"}


def test_a_charge_without_a_known_nonce_is_found_by_the_reference_of_one_that_has() -> None:
    objects = Objects(
        [charge(1, "R-7"), charge(3, "R-7", nonce="nonce_of_a_colleague"), charge(4, "o2", nonce="another")], NONCES
    )
    assert [objects.order_of({"id": f"txn_{number}"}) for number in (3, 4)] == ["o1", "o2"]
    shared = Objects([charge(1, "shop"), charge(2, "shop"), charge(3, "shop", nonce="unknown")], NONCES)
    assert shared.order_of({"id": "txn_3"}) == "shop", "it says nothing of whose it is"


def call(number: int, reference: str | None, *, nonce: str | None = None, charge_id: str | None = None) -> list[dict[str, Any]]:
    common = {"request_id": f"req_{number}", "order_id": reference, "operation": "whatever"}
    return [{"kind": "request", "source": nonce, "charge_id": charge_id, **common}, {"kind": "answer", "status": 200, **common}]


@pytest.mark.parametrize("reference", ["o1", "R-7", None, "o2"])
def test_a_call_is_about_the_order_of_its_nonce_its_charge_or_its_reference(reference: str | None) -> None:
    orders = tuple(
        Order(id=name, amount=1, currency="usd", attempts=(Attempt(card="visa", nonce=nonce, told="PAID"),))
        for nonce, name in NONCES.items()
    )
    charges = (
        Charge(
            id="txn_1", order="o1", status="succeeded", amount=1, amount_captured=1, amount_refunded=0, currency="usd"
        ),
    )  # fmt: skip
    journal = [
        *call(1, reference, nonce="nonce_1"),
        *call(2, None, charge_id="txn_1"),
        *call(3, reference),
        *call(4, "never heard of"),
    ]
    calls = Calls(History(story="s", merchant="m", orders=orders, charges=charges, journal=tuple(journal)))
    looked_for = None if reference is None else "o1"
    assert [calls.order_of(entry) for entry in journal] == ["o1"] * 4 + [looked_for] * 2 + [None] * 2
    assert calls.may_be_about(journal[0], orders[0])
    assert not calls.may_be_about(journal[1], orders[1])
    assert calls.may_be_about(journal[-1], orders[1]), "nothing tells whose it is"
