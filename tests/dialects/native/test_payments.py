"""Native payment calls over HTTP: every route, its success and what it refuses."""

import pytest

from tests.support.cards import CARDS, card
from tests.support.client import Client
from tests.support.gateway import LiveGateway

pytestmark = pytest.mark.asyncio

CHARGE = {
    "object", "id", "status", "amount", "amount_captured", "amount_refunded", "amount_disputed", "disputed", "currency",
    "capture", "order_id", "metadata", "card", "bank_account", "payment_nonce", "payment_method", "subscription_id",
    "decline_code", "created_at", "expires_at",
}  # fmt: skip
REFUND = {"object", "id", "charge_id", "order_id", "status", "amount", "currency", "reason", "created_at"}


async def test_a_client_token_has_the_shape_of_the_contract(client: Client) -> None:
    reply = (await client.post("/v1/client_tokens")).expect(201)
    token = reply.json
    assert token.keys() == {"object", "id", "client_token", "used", "created_at", "expires_at"}
    assert token["id"] == token["client_token"]
    assert (token["object"], token["used"]) == ("client_token", False)
    assert (token["created_at"], token["expires_at"]) == ("2026-01-31T12:00:00.000Z", "2026-01-31T13:00:00.000Z")
    assert reply.content_type == "application/json"
    assert reply.headers["Request-Id"].startswith("req_")


async def test_a_nonce_is_made_with_a_publishable_key_or_a_client_token(client: Client) -> None:
    token = (await client.post("/v1/client_tokens"))["id"]
    for key in ("pk", token):
        nonce = (await client.post("/v1/tokens", {"card": card(holder_name="A. Body")}, key=key)).expect(201).json
        assert nonce.keys() == {"object", "id", "card", "bank_account", "used", "created_at", "expires_at"}
        assert nonce["card"] == {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2040}
        assert (nonce["object"], nonce["used"], nonce["expires_at"]) == ("nonce", False, "2026-01-31T15:00:00.000Z")


async def test_a_client_token_is_good_for_one_card(client: Client) -> None:
    token = (await client.post("/v1/client_tokens"))["id"]
    refused = await client.post("/v1/tokens", {"card": card("4242424242424241")}, key=token)
    refused.refused(400, "card_number_invalid", "card.number")  # and is not used up by that
    (await client.post("/v1/tokens", {"card": card()}, key=token)).expect(201)
    (await client.post("/v1/tokens", {"card": card()}, key=token)).refused(401, "client_token_invalid")


async def test_a_client_token_that_expired_or_never_was_opens_nothing(client: Client, gateway: LiveGateway) -> None:
    token = (await client.post("/v1/client_tokens"))["id"]
    gateway.clock.advance(3600)
    for bad in (token, f"ctok_test_{client.sandbox}_00000001nothing"):
        (await client.post("/v1/tokens", {"card": card()}, key=bad)).refused(401, "client_token_invalid")


async def test_a_charge_has_the_shape_of_the_contract(client: Client) -> None:
    nonce = await client.make_nonce("mastercard")
    sent = {"amount": 4200, "currency": "eur", "payment_nonce": nonce, "order_id": "o1", "metadata": {"a": "b", "ü": "🦊"}}
    reply = (await client.post("/v1/charges", sent)).expect(201)
    charge = reply.json
    assert charge.keys() == CHARGE
    assert {name: charge[name] for name in sent} == sent
    assert (charge["object"], charge["status"], charge["amount_captured"], charge["amount_refunded"]) == (
        "charge", "succeeded", 4200, 0,
    )  # fmt: skip
    assert charge["card"] == {"brand": "mastercard", "last4": "4444", "exp_month": 12, "exp_year": 2040}
    assert charge["decline_code"] is charge["expires_at"] is None
    assert charge["capture"] is True
    assert await client.get_charge(charge["id"]) == charge


async def test_an_authorization_holds_for_seven_days(client: Client) -> None:
    charge = await client.charge(capture=False)
    assert (charge["status"], charge["amount_captured"], charge["expires_at"]) == ("authorized", 0, "2026-02-07T12:00:00.000Z")
    assert (await client.advance(7 * 86_400 - 1))["timers_fired"] == 0
    assert (await client.get_charge(charge["id"]))["status"] == "authorized"
    assert (await client.advance(1))["timers_fired"] == 1
    assert (await client.get_charge(charge["id"]))["status"] == "expired"


@pytest.mark.parametrize(
    ("name", "decline_code"),
    [
        ("declined", "generic_decline"),
        ("insufficient_funds", "insufficient_funds"),
        ("authentication", "authentication_required"),
    ],
)
async def test_a_decline_is_a_result_with_a_failed_charge(client: Client, name: str, decline_code: str) -> None:
    reply = (await client.try_charge(name, order_id="o1")).refused(402, "card_declined")
    assert reply["decline_code"] == decline_code
    charge = await client.get_charge(reply["charge_id"])
    assert (charge["status"], charge["decline_code"], charge["amount_captured"]) == ("failed", decline_code, 0)
    again = await client.try_charge(payment_nonce=charge["payment_nonce"])
    again.refused(400, "nonce_used", "payment_nonce")
    assert (await client.books())["accounts"] == []


async def test_captures_are_partial_and_repeated_and_never_beyond(client: Client) -> None:
    charge = await client.charge(amount=1000, capture=False)
    path = f"/v1/charges/{charge['id']}/capture"
    assert (await client.post(path, {"amount": 300})).expect(200)["status"] == "authorized"
    (await client.post(path, {"amount": 701})).refused(400, "amount_exceeds_authorized", "amount")
    done = (await client.post(path)).expect(200).json
    assert done.keys() == CHARGE
    assert (done["status"], done["amount_captured"]) == ("succeeded", 1000)
    (await client.post(path)).refused(400, "charge_not_capturable", "id")


async def test_a_void_releases_what_was_not_captured(client: Client) -> None:
    whole, part = [await client.charge(amount=1000, capture=False) for _ in range(2)]
    await client.post(f"/v1/charges/{part['id']}/capture", {"amount": 1})
    assert (await client.post(f"/v1/charges/{whole['id']}/void")).expect(200)["status"] == "voided"
    voided = (await client.post(f"/v1/charges/{part['id']}/void")).expect(200)
    assert (voided["status"], voided["amount_captured"]) == ("succeeded", 1)
    for charge in (whole, part):
        (await client.post(f"/v1/charges/{charge['id']}/void")).refused(400, "charge_not_voidable", "id")
        (await client.post(f"/v1/charges/{charge['id']}/capture")).refused(400, "charge_not_capturable", "id")


async def test_refunds_are_partial_and_repeated_and_never_beyond(client: Client) -> None:
    charge = await client.charge(amount=1000, order_id="o1")
    path = f"/v1/charges/{charge['id']}/refunds"
    reply = (await client.post(path, {"amount": 400, "reason": "too small"})).expect(201)
    assert reply.json.keys() == REFUND
    assert (reply["status"], reply["order_id"], reply["reason"]) == ("succeeded", "o1", "too small")
    assert (await client.get(f"/v1/refunds/{reply['id']}")).expect(200).json == reply.json
    (await client.post(path, {"amount": 601})).refused(400, "amount_exceeds_captured", "amount")
    assert (await client.post(path)).expect(201)["amount"] == 600
    (await client.post(path)).refused(400, "amount_exceeds_captured", "amount")
    assert (await client.get_charge(charge["id"]))["amount_refunded"] == 1000
    listed = (await client.get(f"/v1/refunds?charge_id={charge['id']}")).expect(200)["data"]
    assert [refund["amount"] for refund in listed] == [600, 400]


@pytest.mark.parametrize(
    ("name", "first", "last", "refunded"),
    [("refund_pending", "pending", "succeeded", 500), ("refund_failing", "succeeded", "failed", 0)],
)
async def test_some_refunds_change_their_mind_ten_minutes_later(
    client: Client, name: str, first: str, last: str, refunded: int
) -> None:
    charge = await client.charge(name, amount=500)
    refund = (await client.post(f"/v1/charges/{charge['id']}/refunds")).expect(201)
    assert refund["status"] == first
    await client.advance(600)
    assert (await client.get(f"/v1/refunds/{refund['id']}"))["status"] == last
    assert (await client.get_charge(charge["id"]))["amount_refunded"] == refunded
    assert (await client.books())["orders"][0]["refunded"] == refunded


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/charges/{}"),
        ("POST", "/v1/charges/{}/capture"),
        ("POST", "/v1/charges/{}/void"),
        ("POST", "/v1/charges/{}/refunds"),
        ("GET", "/v1/refunds/{}"),
        ("GET", "/v1/webhook_endpoints/{}"),
        ("DELETE", "/v1/webhook_endpoints/{}"),
        ("POST", "/v1/webhook_endpoints/{}/rotate_secret"),
        ("GET", "/v1/events/{}"),
        ("GET", "/v1/events/{}/deliveries"),
        ("POST", "/v1/events/{}/resend"),
    ],
)
async def test_what_is_not_in_the_sandbox_is_not_there(client: Client, method: str, path: str) -> None:
    other = client.other()
    theirs = (await other.charge())["id"]
    for name in ("nothing", theirs, "x" * 3000, "%F0%9F%A6%8A", "%ff", "4242424242424242"):
        reply = (await client.call(method, path.format(name))).refused(404, "resource_missing", "id")
        assert b"4242424242424242" not in reply.raw
        assert len(reply.raw) < 500
    odd = (await client.call(method, path.format("%00"))).refused(400, "parameter_invalid", "id")
    assert b"U+0000" in odd.raw


async def test_the_same_seed_gives_the_same_answers(client: Client) -> None:
    other = LiveGateway()
    await other.start()
    twin = Client(client.http, other.url, client.sandbox)
    mine, theirs = [await one.try_charge(idem="k") for one in (client, twin)]
    assert mine.raw == theirs.raw
    await other.stop()


@pytest.mark.parametrize("name", CARDS)
async def test_no_answer_holds_the_card_number(client: Client, name: str) -> None:
    nonce = await client.make_nonce(name)
    replies = [await client.try_charge(payment_nonce=nonce), await client.get("/v1/charges"), await client.get("/v1/events")]
    assert all(CARDS[name].encode() not in reply.raw for reply in replies)
    assert CARDS[name] not in str(await client.journal())
