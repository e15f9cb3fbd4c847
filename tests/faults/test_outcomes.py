"""Forcing the next outcome: of a card, an order, or the whole sandbox. What is forced is a result like any other."""

from typing import Any

import pytest

from tests.faults.aid import armed
from tests.support.client import Client
from tests.webhooks.receiver import Receiver


async def declined(client: Client, code: str, **params: Any) -> None:
    reply = await client.try_charge(**params)
    assert reply.expect(402)["decline_code"] == code


@pytest.mark.parametrize(
    ("match", "struck", "spared"),
    [
        ({}, {}, None),
        ({"card": "4444"}, {"card": "mastercard"}, {"card": "visa"}),
        ({"order_id": "one"}, {"order_id": "one"}, {"order_id": "two"}),
        ({"card": "4242", "order_id": "one"}, {"order_id": "one"}, {"card": "mastercard", "order_id": "one"}),
    ],
)
@pytest.mark.asyncio
async def test_the_next_charge_of_whom_it_is_for_is_declined_once(
    client: Client, match: dict[str, Any], struck: dict[str, Any], spared: dict[str, Any] | None
) -> None:
    rule = (await client.post("/_gatecrash/outcomes", {**match, "decline_code": "insufficient_funds"})).expect(201)
    assert (rule["station"], rule["kind"], rule["times"]) == ("operation.executed", "decline", 1)
    if spared is not None:
        await client.charge(**spared)
    await declined(client, "insufficient_funds", **struck)
    await client.charge(**struck)


@pytest.mark.asyncio
async def test_a_forced_decline_is_stored_told_and_leaves_the_books_alone(client: Client, shop: Receiver) -> None:
    await shop.register(client)
    await client.add_fault("operation.executed", "decline", params={"decline_code": "lost_card"})
    nonce = await client.make_nonce()
    replies = [await client.try_charge(payment_nonce=nonce, idem="k") for _ in range(2)]
    assert {(reply.status, reply.raw) for reply in replies} == {(402, replies[0].raw)}
    assert replies[0]["decline_code"] == "lost_card"
    assert replies[1].headers["Idempotent-Replayed"] == "true"
    (hit,) = await shop.got(1)
    assert (hit.json["type"], hit.json["data"]["decline_code"]) == ("charge.failed", "lost_card")
    (charge,) = (await client.get("/v1/charges"))["data"]
    assert (charge["status"], charge["id"]) == ("failed", replies[0]["charge_id"])
    books = await client.books()
    assert (books["balanced"], books["transfers"]) == (True, 0)
    (await client.try_charge(payment_nonce=nonce)).refused(400, "nonce_used", "payment_nonce")


@pytest.mark.asyncio
async def test_a_replay_and_other_operations_do_not_use_a_forced_outcome_up(client: Client) -> None:
    nonce = await client.make_nonce()
    (await client.try_charge(payment_nonce=nonce, idem="k")).expect(201)
    rule = (await client.post("/_gatecrash/outcomes", {})).expect(201)
    assert rule["match"] == {"operation": "charges.create"}
    (await client.try_charge(payment_nonce=nonce, idem="k")).expect(201)
    await client.get("/v1/charges")
    assert not (await armed(client, rule["id"]))["fired"]
    await declined(client, "generic_decline")


@pytest.mark.asyncio
async def test_every_charge_is_declined_until_the_rule_is_removed(client: Client) -> None:
    rule = (await client.post("/_gatecrash/outcomes", {"times": None})).expect(201)
    for _ in range(3):
        await declined(client, "generic_decline")
    (await client.call("DELETE", f"/_gatecrash/faults/{rule['id']}")).expect(200)
    await client.charge()


@pytest.mark.parametrize(
    "asked",
    [{"decline_code": "bad_mood"}, {"card": "4242424242424242"}, {"card": "42"}, {"times": 0}, {"operation": "charges.get"}],
)
@pytest.mark.asyncio
async def test_what_cannot_be_forced_is_refused(client: Client, asked: dict[str, Any]) -> None:
    assert (await client.post("/_gatecrash/outcomes", asked)).status == 400
    assert (await client.get("/_gatecrash/faults"))["data"] == []


@pytest.mark.asyncio
async def test_a_decline_is_for_charges_alone(client: Client) -> None:
    rule = {"station": "operation.executed", "kind": "decline", "match": {"operation": "refunds.create"}}
    (await client.post("/_gatecrash/faults", rule)).refused(400, "fault_rule_invalid", "match.operation")
