"""Idempotency over HTTP: byte for byte, once, in its scope, for a day."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from tests.support.cards import card
from tests.support.client import Client, Reply
from tests.support.gateway import LiveGateway
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.asyncio


def same(first: Reply, again: Reply) -> None:
    """Assert that `again` is `first` over again, and says so."""
    assert (again.status, again.raw, again.content_type) == (first.status, first.raw, first.content_type)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Request-Id"] != first.headers["Request-Id"]


async def test_a_charge_repeated_is_the_same_charge(client: Client) -> None:
    nonce = await client.make_nonce()
    first, again = [await client.try_charge(payment_nonce=nonce, idem="k") for _ in range(2)]
    same(first.expect(201), again)
    assert len((await client.get("/v1/charges"))["data"]) == 1
    assert (await client.books())["accounts"][0]["credits"] == 4200


@pytest.mark.parametrize("name", ["declined", "insufficient_funds"])
async def test_a_decline_is_kept_and_given_again_byte_for_byte(client: Client, name: str) -> None:
    nonce = await client.make_nonce(name)
    first, again = [await client.try_charge(payment_nonce=nonce, idem="k") for _ in range(2)]
    same(first.refused(402, "card_declined"), again)
    assert again.json["charge_id"] == first.json["charge_id"]


async def test_what_was_refused_by_executing_is_kept(client: Client) -> None:
    charge = await client.charge()
    for path, body in (
        ("/v1/charges/txn_none/capture", {}),
        (f"/v1/charges/{charge['id']}/void", {}),
        (f"/v1/charges/{charge['id']}/refunds", {"amount": 9999}),
        ("/v1/charges", {"amount": 1, "currency": "usd", "payment_nonce": charge["payment_nonce"]}),
    ):
        first, again = [await client.post(path, body, idem=path) for _ in range(2)]
        assert first.status in (400, 404)
        same(first, again)


@pytest.mark.parametrize(
    ("path", "body", "key"),
    [
        ("/v1/client_tokens", {}, "sk"),
        ("/v1/tokens", {"card": card()}, "pk"),
        ("/v1/webhook_endpoints", {"url": "http://127.0.0.1:9/"}, "sk"),
    ],
)
async def test_any_post_may_carry_a_key(client: Client, path: str, body: Any, key: str) -> None:
    first, again = [(await client.post(path, body, key=key, idem="k")).expect(201) for _ in range(2)]
    same(first, again)


async def test_every_post_on_a_charge_may_carry_a_key(client: Client) -> None:
    charge = await client.charge(amount=100, capture=False)
    for path, body, status in (("capture", {"amount": 30}, 200), ("refunds", {"amount": 10}, 201), ("void", {}, 200)):
        url = f"/v1/charges/{charge['id']}/{path}"
        first, again = [(await client.post(url, body, idem=path)).expect(status) for _ in range(2)]
        same(first, again)
    shown = await client.get_charge(charge["id"])
    assert (shown["amount_captured"], shown["amount_refunded"]) == (30, 10)


async def test_how_a_request_is_spelt_makes_it_no_other(client: Client) -> None:
    nonce = await client.make_nonce()
    spellings = [
        {"amount": 4200, "currency": "usd", "payment_nonce": nonce, "metadata": {"a": "1", "b": "2"}},
        {"metadata": {"b": "2", "a": "1"}, "payment_nonce": nonce, "currency": "usd", "amount": 4200, "capture": True},
        {"amount": 4200.0, "currency": "usd", "payment_nonce": nonce, "metadata": {"a": "1", "b": "2"}, "order_id": None},
    ]
    first = await client.post("/v1/charges", spellings[0], idem="k")
    for spelling in spellings[1:]:
        same(first, await client.post("/v1/charges", spelling, idem='"k"'))
    same(first, await client.post("/v1/charges", raw=json.dumps(spellings[0], indent=4).encode(), idem="k"))


@pytest.mark.parametrize(
    "change", [{"amount": 4201}, {"currency": "eur"}, {"capture": False}, {"order_id": "o2"}, {"metadata": {"a": "b"}}]
)
async def test_another_request_under_the_same_key_is_refused(client: Client, change: dict[str, Any]) -> None:
    nonce = await client.make_nonce()
    first = await client.try_charge(payment_nonce=nonce, idem="k")
    other = await client.try_charge(payment_nonce=nonce, idem="k", **change)
    other.refused(422, "idempotency_key_reused", "Idempotency-Key")
    same(first, await client.try_charge(payment_nonce=nonce, idem="k"))


async def test_another_call_under_the_same_key_is_refused(client: Client) -> None:
    one, two = [await client.charge(capture=False) for _ in range(2)]
    (await client.post(f"/v1/charges/{one['id']}/void", idem="k")).expect(200)
    for path in (f"/v1/charges/{two['id']}/void", f"/v1/charges/{one['id']}/capture", "/v1/client_tokens"):
        (await client.post(path, idem="k")).refused(422, "idempotency_key_reused", "Idempotency-Key")
    assert (await client.get_charge(two["id"]))["status"] == "authorized"


async def test_a_key_means_something_in_its_own_sandbox_only(client: Client) -> None:
    other = client.other()
    mine, theirs = [await one.try_charge(idem="k", amount=amount) for one, amount in ((client, 100), (other, 200))]
    assert mine.expect(201)["amount"] == 100
    assert theirs.expect(201)["amount"] == 200


async def test_a_key_is_free_again_after_a_day_of_sandbox_time(client: Client) -> None:
    first = (await client.try_charge(idem="k", amount=100)).expect(201)
    await client.advance(86_399.999)
    kept = await client.try_charge(idem="k", amount=100)
    kept.refused(422, "idempotency_key_reused", "Idempotency-Key")  # another nonce, so another request
    await client.advance(0.001)
    later = (await client.try_charge(idem="k", amount=100)).expect(201)
    assert later["id"] != first["id"]


async def test_what_is_refused_before_execution_leaves_no_record(client: Client) -> None:
    nonce = await client.make_nonce()
    good = {"amount": 100, "currency": "usd", "payment_nonce": nonce}
    for bad, how in (
        ({**good, "amount": 0}, {}),
        ({**good, "currency": "USD"}, {}),
        ({**good, "extra": 1}, {}),
        (good, {"key": "pk"}),
        (good, {"key": None}),
        (good, {"headers": {"Content-Type": "text/plain"}}),
        (good, {"headers": {"Gatecrash-Fault": "nonsense"}}),
    ):
        assert (await client.post("/v1/charges", bad, idem="k", **how)).status in (400, 401, 403, 415)
    (await client.post("/v1/charges", raw=b"{", idem="k")).refused(400, "body_malformed")
    assert "Idempotent-Replayed" not in (await client.post("/v1/charges", good, idem="k")).expect(201).headers


@pytest.mark.parametrize("key", ["x" * 256, '"open', '""', "ünï", "tab\tbed", "4242424242424242"])
async def test_a_key_that_is_none_is_refused_under_its_header(client: Client, key: str) -> None:
    reply = await client.post("/v1/client_tokens", idem=key)
    code = "card_number_in_request" if key.isdigit() else "idempotency_key_invalid"
    reply.refused(400, code, "Idempotency-Key")
    assert b"4242424242424242" not in reply.raw


async def test_a_key_of_255_characters_is_a_key(client: Client) -> None:
    first, again = [(await client.post("/v1/client_tokens", idem="x" * 255)).expect(201) for _ in range(2)]
    same(first, again)


async def test_thirty_at_once_with_one_key_make_one_charge(client: Client) -> None:
    nonce = await client.make_nonce()
    replies = await asyncio.gather(*(client.try_charge(payment_nonce=nonce, idem="k") for _ in range(30)))
    done = [reply for reply in replies if reply.status == 201]
    for reply in replies:
        if reply.status != 201:
            reply.refused(409, "idempotency_key_in_use", "Idempotency-Key")
            assert reply.headers["Retry-After"] == "1"
    assert len({reply.raw for reply in done}) == 1
    assert sum("Idempotent-Replayed" not in reply.headers for reply in done) == 1
    assert len((await client.get("/v1/charges"))["data"]) == 1
    assert (await client.books())["orders"][0]["captured"] == 4200


async def test_thirty_at_once_with_one_key_make_one_charge_in_the_real_process(server_client: Client) -> None:
    nonce = await server_client.make_nonce()
    replies = await asyncio.gather(*(server_client.try_charge(payment_nonce=nonce, idem="k") for _ in range(30)))
    assert {reply.status for reply in replies} <= {201, 409}
    assert len({reply.raw for reply in replies if reply.status == 201}) == 1
    assert len((await server_client.get("/v1/charges"))["data"]) == 1
    assert (await server_client.books())["orders"][0]["captured"] == 4200


async def test_thirty_at_once_with_keys_of_their_own_and_one_nonce_make_one_charge(client: Client) -> None:
    nonce = await client.make_nonce()
    replies = await asyncio.gather(*(client.try_charge(payment_nonce=nonce, idem=f"k{i}") for i in range(30)))
    assert sorted(reply.status for reply in replies) == [201] + [400] * 29
    assert (await client.books())["orders"][0]["captured"] == 4200


async def test_while_the_first_is_held_the_second_is_told_to_wait(client: Client) -> None:
    nonce = await client.make_nonce()
    rule = await client.add_fault("operation.claimed", "hang")
    first = asyncio.ensure_future(client.try_charge(payment_nonce=nonce, idem="k"))
    async with asyncio.timeout(PATIENCE_S):
        while (await client.get(f"/_gatecrash/faults/{rule}"))["fired"] == 0:
            pass
    again = (await client.try_charge(payment_nonce=nonce, idem="k")).refused(409, "idempotency_key_in_use", "Idempotency-Key")
    assert again.headers["Retry-After"] == "1"
    await client.call("DELETE", f"/_gatecrash/faults/{rule}")
    with pytest.raises(aiohttp.ClientError):
        await first
    # its work never committed, so the key is free: the retry is the first
    retried = await client.try_charge(payment_nonce=nonce, idem="k")
    assert "Idempotent-Replayed" not in retried.expect(201).headers


async def test_answers_outlive_a_restart(kept_gateway: LiveGateway, http: aiohttp.ClientSession) -> None:
    client = Client(http, kept_gateway.url)
    nonces = {name: await client.make_nonce(name) for name in ("visa", "declined")}
    before = {name: await client.try_charge(payment_nonce=nonce, idem=name) for name, nonce in nonces.items()}
    await kept_gateway.restart()
    for name, nonce in nonces.items():
        same(before[name], await client.try_charge(payment_nonce=nonce, idem=name))
    assert len((await client.get("/v1/charges"))["data"]) == 2
