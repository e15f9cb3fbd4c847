"""Whom a rule matches: every field that is given must be equal, and a field that is not known matches nothing."""

from typing import Any

import pytest

from gatecrash.faults.rule import Labels, Match
from tests.support.client import Client

KNOWN: dict[str, Any] = {
    "operation": "charges.create",
    "call": "charges.create",
    "dialect": "native",
    "path": "/v1/charges",
    "order_id": "order-1",
    "idempotency_key": "key-1",
    "event_type": "charge.succeeded",
    "amount": 4200,
    "attempt": 2,
    "card": "4242",
}
OTHER: dict[str, Any] = {
    "operation": "charges.get",
    "call": "charges.get",
    "dialect": "stripe",
    "path": "/v1/charges/txn_1",
    "order_id": "order-2",
    "idempotency_key": "key-2",
    "event_type": "charge.failed",
    "amount": 4201,
    "attempt": 1,
    "card": "4444",
}


def test_every_label_is_a_match_field_and_has_an_example_here() -> None:
    assert set(Labels.__struct_fields__) == set(Match.__struct_fields__) == set(KNOWN) == set(OTHER)


@pytest.mark.parametrize("field", KNOWN)
def test_a_field_that_is_given_must_be_equal(field: str) -> None:
    labels = Labels(**KNOWN)
    assert Match(**{field: KNOWN[field]}).fits(labels)
    assert not Match(**{field: OTHER[field]}).fits(labels)
    assert not Match(**{field: KNOWN[field]}).fits(Labels()), "what is not known is equal to nothing"


@pytest.mark.parametrize("field", KNOWN)
def test_one_field_that_differs_is_enough_not_to_match(field: str) -> None:
    assert Match(**KNOWN).fits(Labels(**KNOWN))
    assert not Match(**KNOWN).fits(Labels(**{**KNOWN, field: OTHER[field]}))


def test_a_match_without_fields_matches_everything() -> None:
    assert Match().fits(Labels())
    assert Match().fits(Labels(**KNOWN))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("operation", "charges.create"),
        ("dialect", "native"),
        ("path", "/v1/charges"),
        ("order_id", "wanted"),
        ("idempotency_key", "wanted"),
        ("amount", 777),
        ("card", "4242"),
    ],
)
@pytest.mark.asyncio
async def test_a_rule_strikes_the_request_it_matches_and_no_other(client: Client, field: str, value: Any) -> None:
    nonce = await client.make_nonce()
    rule = await client.add_fault("request.received", "status", params={"status": 503}, match={field: value}, times=None)
    struck = await client.try_charge(payment_nonce=nonce, order_id="wanted", amount=777, idem="wanted")
    assert struck.status == 503
    others = await client.get("/v1/refunds")
    assert others.status == (503 if field == "dialect" else 200)
    counted = (await client.get(f"/_gatecrash/faults/{rule}")).json
    # only the dialect is that of both requests
    assert (counted["seen"], counted["fired"]) == ((2, 2) if field == "dialect" else (1, 1))
