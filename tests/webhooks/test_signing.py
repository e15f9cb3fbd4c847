"""Signatures: the public library of Standard Webhooks accepts them, also while two secrets overlap, and nothing else."""

import base64

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import WebhookVerificationError

from tests.support.client import Client
from tests.support.gateway import LiveGateway
from tests.webhooks.receiver import Hit, Receiver, only_delivery


async def rotate(client: Client, endpoint: str, **params: float) -> str:
    reply = await client.post(f"/v1/webhook_endpoints/{endpoint}/rotate_secret", params)
    return str(reply.expect(200)["secret"])


@pytest.mark.asyncio
async def test_the_public_library_accepts_a_delivery(server_client: Client, shop: Receiver) -> None:
    endpoint = await shop.register(server_client)
    charge = await server_client.charge(order_id="order-1")
    (hit,) = await shop.got(1)
    told = hit.verified_by(endpoint["secret"])
    (event,) = (await server_client.get("/v1/events"))["data"]
    assert told == event == hit.json
    assert (told["id"], told["type"], told["data"]) == (hit.id, "charge.succeeded", charge)
    assert hit.headers["Content-Type"] == "application/json"
    assert hit.path == "/hooks"


@pytest.mark.asyncio
async def test_a_secret_is_of_the_size_the_specification_asks_for(server_client: Client, shop: Receiver) -> None:
    secrets = {(await shop.register(server_client))["secret"] for _ in range(3)}
    assert len(secrets) == 3
    assert all(secret.startswith("whsec_") for secret in secrets)
    assert all(24 <= len(base64.b64decode(secret[6:], validate=True)) <= 64 for secret in secrets)


@pytest.mark.asyncio
async def test_another_secret_another_body_or_another_id_is_not_accepted(server_client: Client, shop: Receiver) -> None:
    endpoint = await shop.register(server_client)
    other = await shop.register(server_client.other())
    await server_client.charge()
    (hit,) = await shop.got(1)
    assert endpoint["secret"] != other["secret"]
    forged = hit._replace(headers={**hit.headers, "webhook-id": "evt_other"})
    for wrong, secret in (
        (hit, other["secret"]),
        (hit._replace(body=hit.body + b" "), endpoint["secret"]),
        (forged, endpoint["secret"]),
    ):
        with pytest.raises(WebhookVerificationError):
            wrong.verified_by(secret)


@pytest.mark.asyncio
async def test_while_two_secrets_overlap_both_accept_and_afterwards_only_the_new_one(
    server_client: Client, shop: Receiver
) -> None:
    endpoint = await shop.register(server_client)
    old = endpoint["secret"]
    (await server_client.post("/_gatecrash/clock", {"mode": "frozen"})).expect(200)
    new = await rotate(server_client, endpoint["id"], overlap_s=600)
    assert new != old
    await server_client.charge()
    await server_client.advance(599)
    await server_client.charge()
    during = list(await shop.got(2))
    for hit in during:
        assert len(hit.headers["webhook-signature"].split(" ")) == 2
        assert hit.verified_by(old) == hit.verified_by(new) == hit.json
    await server_client.advance(1)
    await server_client.charge()
    after = (await shop.got(3))[2]
    assert len(after.headers["webhook-signature"].split(" ")) == 1
    assert after.verified_by(new) == after.json
    with pytest.raises(WebhookVerificationError):
        after.verified_by(old)


@pytest.mark.asyncio
async def test_a_rotation_without_overlap_ends_the_old_secret_at_once(server_client: Client, shop: Receiver) -> None:
    endpoint = await shop.register(server_client)
    new = await rotate(server_client, endpoint["id"], overlap_s=0)
    await server_client.charge()
    (hit,) = await shop.got(1)
    assert hit.verified_by(new)
    with pytest.raises(WebhookVerificationError):
        hit.verified_by(endpoint["secret"])


@pytest.mark.asyncio
async def test_a_second_rotation_ends_the_first_secret(server_client: Client, shop: Receiver) -> None:
    endpoint = await shop.register(server_client)
    second = await rotate(server_client, endpoint["id"])
    third = await rotate(server_client, endpoint["id"])
    await server_client.charge()
    (hit,) = await shop.got(1)
    assert hit.verified_by(second) == hit.verified_by(third)
    with pytest.raises(WebhookVerificationError):
        hit.verified_by(endpoint["secret"])


@pytest.mark.asyncio
async def test_a_secret_is_shown_when_it_is_made_and_never_again(server_client: Client, shop: Receiver) -> None:
    endpoint = await shop.register(server_client)
    shown = [
        (await server_client.get(f"/v1/webhook_endpoints/{endpoint['id']}")).raw,
        (await server_client.get("/v1/webhook_endpoints")).raw,
        (await server_client.get("/_gatecrash/journal")).raw,
    ]
    assert all(endpoint["secret"].encode() not in raw and b"whsec_" not in raw for raw in shown)


@pytest.mark.asyncio
async def test_every_attempt_has_the_same_id_and_body_and_a_time_and_signature_of_its_own(
    client: Client, shop: Receiver, gateway: LiveGateway
) -> None:
    shop.answers = [500, 503, 204]
    await shop.register(client)
    await client.charge()
    await shop.got(1)
    gateway.clock.advance(5)
    await client.advance(5)
    gateway.clock.advance(300)
    await client.advance(300)
    first, second, third = await shop.got(3)
    assert first.id == second.id == third.id
    assert first.body == second.body == third.body
    stamps = [int(hit.headers["webhook-timestamp"]) for hit in (first, second, third)]
    assert [late - stamps[0] for late in stamps] == [0, 5, 305], "real time of the attempt, so that a tolerance holds"
    assert len({hit.headers["webhook-signature"] for hit in (first, second, third)}) == 3


@pytest.mark.asyncio
async def test_the_timestamp_is_real_time_when_the_sandbox_lives_in_another_year(
    client: Client, shop: Receiver, gateway: LiveGateway
) -> None:
    await shop.register(client)
    (await client.post("/_gatecrash/clock", {"now": "2039-01-01T00:00:00Z"})).expect(200)
    await client.charge()
    (hit,) = await shop.got(1)
    assert int(hit.headers["webhook-timestamp"]) == gateway.clock() // 1000
    assert hit.json["timestamp"].startswith("2039-01-01")
    await client.advance(0)
    (attempt,) = (await only_delivery(client))["attempts"]
    assert attempt["at"] == hit.json["timestamp"], "and the attempt is noted in sandbox time"


def verifies(public_key: str, hit: Hit) -> list[bool]:
    """Which of the signatures a public key verifies."""
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_")))
    signed = f"{hit.id}.{hit.headers['webhook-timestamp']}.".encode() + hit.body
    found = []
    for one in hit.headers["webhook-signature"].split(" "):
        assert one.startswith("v1a,")
        try:
            key.verify(base64.b64decode(one.removeprefix("v1a,")), signed)
            found.append(True)
        except InvalidSignature:
            found.append(False)
    return found


@pytest.mark.asyncio
async def test_with_v1a_the_merchant_holds_a_public_key_only_and_both_sign_after_a_rotation(
    client: Client, shop: Receiver
) -> None:
    made = await shop.register(client, signature_scheme="v1a")
    assert (made["signature_scheme"], made["secret"]) == ("v1a", None)
    await client.charge()
    (first,) = await shop.got(1)
    assert verifies(made["public_key"], first) == [True]
    path = f"/v1/webhook_endpoints/{made['id']}"
    rotated = (await client.post(f"{path}/rotate_secret", {"overlap_s": 60})).expect(200).json
    assert rotated["secret"] is None
    assert rotated["public_key"] not in (None, made["public_key"])
    await client.charge()
    _, second = await shop.got(2)
    assert verifies(rotated["public_key"], second) == [True, False]
    assert verifies(made["public_key"], second) == [False, True]
    assert (await client.get(path))["public_key"] == rotated["public_key"]
    await client.advance(60)
    await client.charge()
    hits = await shop.got(3)
    assert verifies(rotated["public_key"], hits[2]) == [True]


@pytest.mark.asyncio
async def test_a_private_key_is_shown_nowhere(client: Client, shop: Receiver) -> None:
    made = await shop.register(client, signature_scheme="v1a")
    await client.charge()
    await shop.got(1)
    path = f"/v1/webhook_endpoints/{made['id']}"
    for answer in (await client.get(path), await client.get("/_gatecrash/journal"), await client.post(f"{path}/rotate_secret")):
        assert b"whsk_" not in answer.raw
