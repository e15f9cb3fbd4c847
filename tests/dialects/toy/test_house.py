"""What the house does for every dialect, done for another than native: rules, outcomes, journal, lint, snapshots, webhooks."""

import hmac
from base64 import b64encode
from typing import Any

import aiohttp
import pytest

from tests.dialects.toy.speaker import Toy, done, refused
from tests.server.aid import lost
from tests.support.cards import CARDS
from tests.webhooks.receiver import Hit, Receiver

pytestmark = pytest.mark.asyncio


async def rule_refused(toy: Toy, match: dict[str, Any], station: str = "request.received", kind: str = "close") -> str:
    reply = await toy.control.post("/_gatecrash/faults", {"station": station, "kind": kind, "match": match})
    return str(reply.refused(400, "fault_rule_invalid", f"match.{next(iter(match))}")["detail"])


@pytest.mark.parametrize(
    "match",
    [
        {"operation": "charges.create"}, {"call": "intents.confirm"}, {"dialect": "toy"}, {"order_id": "o1", "amount": 4200},
        {"card": CARDS["visa"][-4:]}, {"idempotency_key": "k1"},
    ],
)  # fmt: skip
async def test_a_rule_strikes_by_the_cores_words_and_by_the_dialects(toy: Toy, match: dict[str, Any]) -> None:
    intent, card = await toy.intent(), await toy.card()
    await toy.control.add_fault("operation.committed", "close", match=match)
    assert await lost(toy.post(f"/intents/{intent}/confirm", card=card, once="k1")) is None
    assert (await toy.get(f"/intents/{intent}"))["state"] == "taken", "it was done, and only its answer was lost"
    assert done(await toy.post(f"/intents/{intent}/confirm", card=card, once="k1"))["state"] == "taken"


async def test_a_misspelt_name_in_a_rule_is_refused_with_the_nearest(toy: Toy) -> None:
    assert "intents.confirm" in await rule_refused(toy, {"call": "intents.confrm"})
    assert "toy" in await rule_refused(toy, {"dialect": "tooy"})
    assert "INTENT_TAKEN" in await rule_refused(toy, {"event_type": "INTENT_TAKN"}, "webhook.due", "drop")


@pytest.mark.parametrize("station", ["operation.claimed", "operation.executed"])
async def test_a_fault_between_claim_and_commit_leaves_nothing_of_a_dialects_own(toy: Toy, station: str) -> None:
    intent, card = await toy.intent(), await toy.card()
    await toy.control.add_fault(station, "reset", match={"operation": "charges.create"})
    assert await lost(toy.post(f"/intents/{intent}/confirm", card=card, once="k")) is None
    assert (await toy.get(f"/intents/{intent}"))["state"] == "new"
    assert done(await toy.post(f"/intents/{intent}/confirm", card=card, once="k"))["state"] == "taken"


async def test_a_forced_outcome_declines_its_charges(toy: Toy) -> None:
    body = {"decline_code": "insufficient_funds", "order_id": "o1"}
    (await toy.control.post("/_gatecrash/outcomes", body)).expect(201)
    assert (await toy.paid(order="o2"))["state"] == "taken"
    assert (await toy.paid(order="o1"))["why"] == "insufficient_funds"
    assert (await toy.paid(order="o1"))["state"] == "taken"


async def test_a_fault_in_a_header_strikes_its_call(toy: Toy) -> None:
    intent, card = await toy.intent(), await toy.card()
    path, decline = f"/intents/{intent}/confirm", {"Gatecrash-Fault": "operation.executed=decline;decline_code=lost_card"}
    assert done(await toy.post(path, card=card, headers=decline))["why"] == "lost_card"
    refused(await toy.call("GET", f"/intents/{intent}", headers=decline), 422, "fault_rule_invalid")


async def test_the_journal_tells_its_calls_with_their_bodies_parsed(toy: Toy) -> None:
    intent = await toy.paid()
    entries = await toy.control.journal("request")
    assert [entry["call"] for entry in entries] == ["intents.create", "cards.create", "intents.confirm"]
    made, card, confirmed = entries
    assert made["body"] == {"amount": "4200", "currency": "usd", "order": {"id": "o1"}}
    assert (made["operation"], made["dialect"], made["order_id"]) == ("intents.create", "toy", "o1")
    assert (confirmed["operation"], confirmed["charge_id"]) == ("charges.create", intent["id"])
    assert CARDS["visa"] not in str(await toy.control.journal())
    assert card["source"] is None
    refused(await toy.post("/intents", raw=b"\xff\x00"), 400, "body_malformed")
    last = (await toy.control.journal())[-2:]
    assert (last[0]["body"], last[1]["status"], last[1]["code"]) == (None, 400, "body_malformed")


async def test_lint_finds_what_its_clients_do_wrong(toy: Toy) -> None:
    (await toy.control.post("/_gatecrash/strict", {"strict": True})).expect(200)
    intent, card = await toy.intent(), await toy.card()
    await toy.control.add_fault("operation.committed", "close", match={"operation": "charges.create"})
    assert await lost(toy.post(f"/intents/{intent}/confirm", card=card, once="k1")) is None
    refused(await toy.post(f"/intents/{intent}/confirm", card=card, once="k2"), 422, "parameter_invalid")
    refused(await toy.post(f"/intents/{intent}/confirm", card=await toy.card(), once="k1"), 409, "idempotency_key_reused")
    found = [entry["rule"] for entry in await toy.control.journal("finding")]
    assert found == ["post_without_key", "new_key_after_unknown", "key_reused"]
    listed = (await toy.control.get("/_gatecrash/lint")).expect(200)["data"]
    assert [finding["rule"] for finding in listed] == found


async def test_a_webhook_of_money_is_no_leave_to_charge_again(toy: Toy, shop: Receiver) -> None:
    """Lint knows INTENT_TAKEN for the charge.succeeded that it tells of."""
    await toy.hook(shop)
    intent, card = await toy.intent(), await toy.card()
    await toy.control.add_fault("operation.committed", "close", match={"operation": "charges.create"})
    assert await lost(toy.post(f"/intents/{intent}/confirm", card=card, once="k1")) is None
    await toy.control.advance(0)
    await shop.got(1)
    again = Toy(toy.http, toy.url, toy.control)
    refused(await again.post(f"/intents/{intent}/confirm", card=card, once="k2"), 422, "parameter_invalid")
    assert "new_key_after_unknown" in [each["rule"] for each in (await toy.control.get("/_gatecrash/lint"))["data"]]


async def test_snapshots_and_resets_take_documents_timers_and_keys_along(toy: Toy) -> None:
    intent = await toy.paid(hold="true")
    received = done(await toy.post(f"/intents/{intent['id']}/captures", once="k"))
    sandbox = f"/_gatecrash/sandboxes/{toy.control.sandbox}"
    (await toy.control.post(f"{sandbox}/snapshot", {"name": "held"})).expect(201)
    await toy.control.advance(60)
    assert (await toy.get(f"/intents/{intent['id']}"))["state"] == "taken"
    (await toy.control.post(f"{sandbox}/restore", {"name": "held"})).expect(200)
    assert await toy.get(f"/intents/{intent['id']}") == intent
    again = await toy.post(f"/intents/{intent['id']}/captures", once="k")
    assert (done(again), again.headers["Toy-Again"]) == (received, "yes")
    await toy.control.advance(60)
    assert (await toy.get(f"/intents/{intent['id']}"))["state"] == "taken", "its timer came back too"
    (await toy.control.post("/_gatecrash/reset")).expect(200)
    refused(await toy.call("GET", f"/intents/{intent['id']}"), 404, "resource_missing")


def sealed(hit: Hit, secret: str) -> bool:
    at, seal = hit.headers["Toy-Seal"].split()
    return bool(seal == b64encode(hmac.digest(secret.encode(), at.encode() + hit.body, "sha512")).decode())


async def test_webhooks_bear_its_names_and_its_signature_and_are_retried(toy: Toy, shop: Receiver) -> None:
    shop.answers = [500, 200]
    secret = await toy.hook(shop)
    intent = await toy.paid()
    await toy.control.advance(24 * 3600)
    first, second = await shop.got(2)
    assert first.json == second.json
    assert (first.json["kind"], first.json["about"]) == ("INTENT_TAKEN", intent)
    assert sealed(first, secret)
    done(await toy.post(f"/intents/{intent['id']}/refunds", amount=100))
    await toy.control.advance(60)
    assert [hit.json["kind"] for hit in (await shop.got(4))[2:]] == ["MONEY_BACK", "MODIFICATION_DONE"]
    deliveries = await toy.control.journal("delivery")
    assert [(entry["event_type"], entry.get("fact"), entry["outcome"]) for entry in deliveries] == [
        ("INTENT_TAKEN", "charge.succeeded", "failed"), ("INTENT_TAKEN", "charge.succeeded", "succeeded"),
        ("MONEY_BACK", "refund.succeeded", "succeeded"), ("MODIFICATION_DONE", None, "succeeded"),
    ]  # fmt: skip


@pytest.mark.parametrize("event_type", ["charge.succeeded", "INTENT_TAKEN"])
async def test_a_rule_on_webhooks_strikes_by_the_fact_and_by_the_dialects_own_type(
    toy: Toy, shop: Receiver, event_type: str
) -> None:
    secret = await toy.hook(shop)
    rule = await toy.control.add_fault("webhook.due", "forge", match={"event_type": event_type})
    await toy.paid()
    await toy.control.advance(0)
    (hit,) = await shop.got(1)
    assert not sealed(hit, secret)
    assert (await toy.control.get(f"/_gatecrash/faults/{rule}"))["fired"] == 1
    (fault,) = await toy.control.journal("fault")
    assert (fault["event_type"], fault["fact"]) == ("INTENT_TAKEN", "charge.succeeded")


async def test_an_endpoint_hears_its_own_dialect_only(toy: Toy, shop: Receiver) -> None:
    await shop.register(toy.control)
    await toy.paid()
    await toy.control.advance(0)
    (hit,) = await shop.got(1)
    assert (hit.json["type"], "Toy-Seal" in hit.headers) == ("charge.succeeded", False)


async def test_a_browser_may_send_a_card_and_a_server_may_not(toy: Toy, http: aiohttp.ClientSession) -> None:
    refused(await toy.post("/cards", number=CARDS["visa"], exp_month=12, exp_year=2040, cvc="123"), 403, "secret_key_not_allowed")
    async with http.options(f"{toy.url}/cards", headers={"Origin": "http://shop.example"}) as preflight:
        assert preflight.headers["Access-Control-Allow-Origin"]
