"""Whatever a request carries, it reaches its own sandbox's journal parsed or not at all, and no other sandbox notices."""

import asyncio
from urllib.parse import quote

import aiohttp
import pytest

from tests.support.client import Client, Reply
from tests.support.gateway import LiveGateway
from tests.support.process import ServerProcess

pytestmark = pytest.mark.asyncio

FORGED = b'1},{"seq":77,"kind":"answer","status":201,"x":1'
BODIES = {
    "no UTF-8": b"\xff",
    "a word": b"hello",
    "a forged entry": FORGED,
    "a form": b"amount=4200&currency=usd",
    "a JSON array": b'["x"]',
    "half a JSON object": b'{"amount": 4200',
    "a lone surrogate": b'{"order_id": "\\ud800"}',
    "a surrogate in UTF-8": b'{"order_id": "\xed\xa0\x80"}',
    "not a number": b'{"amount": NaN}',
    "infinity": b'{"amount": Infinity}',
    "a number out of range": b'{"amount": 1e999}',
    "a number of 400 digits": b'{"amount": ' + b"1" * 400 + b"}",
    "500 arrays in each other": b'{"order_id": ' + b"[" * 500 + b"]" * 500 + b"}",
    "two texts": b"{}{}",
}
CALLS = (
    ("GET", "/v1/charges"),
    ("GET", "/v1/charges/txn_x"),
    ("DELETE", "/v1/webhook_endpoints/we_x"),
    ("POST", "/v1/charges"),
    ("POST", "/v1/client_tokens"),
    ("GET", "/_gatecrash/journal"),
    ("DELETE", "/_gatecrash/faults"),
    ("POST", "/_gatecrash/faults"),
    ("POST", "/_gatecrash/clock/advance"),
)
TYPES = ("application/json", "application/x-www-form-urlencoded", "application/octet-stream")


async def send(client: Client, method: str, path: str, body: bytes, content_type: str) -> Reply:
    return await client.call(method, path, raw=body, headers={"Content-Type": content_type})


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_a_body_that_nobody_reads_leaves_every_journal_whole(
    server: ServerProcess, http: aiohttp.ClientSession, body: bytes
) -> None:
    attacker, other = Client(http, server.url), Client(http, server.url)
    await attacker.call("POST", "/_gatecrash/strict", {"strict": True})
    replies = await asyncio.gather(
        *(send(attacker, method, path, body, content_type) for method, path in CALLS for content_type in TYPES)
    )
    assert {reply.status for reply in replies} <= {400, 413, 415}, [reply.raw for reply in replies]
    await other.charge()
    assert [entry["operation"] for entry in await other.journal("request")] == ["tokens.create", "charges.create"]
    journal = await attacker.journal()
    assert [entry["seq"] for entry in journal] == list(range(1, len(journal) + 1))
    assert all(entry["body"] is None for entry in journal if entry["kind"] == "request")
    assert not [entry for entry in journal if entry["kind"] == "answer" and entry["status"] < 400]
    (await attacker.get("/_gatecrash/lint")).expect(200)
    (await other.get("/readyz", key=None)).expect(200)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_body_where_none_is_read_is_refused_and_an_empty_object_is_none(client: Client, method: str) -> None:
    path = "/v1/charges" if method == "GET" else "/_gatecrash/faults"
    refused = (await client.call(method, path, raw=b"hello")).refused(400, "body_unexpected")
    assert refused["detail"] == f"{method} was sent a body of 5 bytes, and reads none; put parameters into the query."
    (await client.call(method, path, raw=b" {} ")).expect(200)


async def test_what_was_parsed_is_kept_as_it_was_understood(client: Client) -> None:
    raw = b'{ "amount" : 4200.0,\n "currency": "usd", "payment_nonce": "nonce_x" }'
    await client.call("POST", "/v1/charges", raw=raw)
    [entry] = await client.journal("request")
    assert entry["body"] == {"amount": 4200, "currency": "usd", "payment_nonce": "nonce_x"}


async def test_a_journal_that_cannot_be_written_fails_its_sandbox_alone_and_once(
    gateway: LiveGateway, http: aiohttp.ClientSession
) -> None:
    broken, other = Client(http, gateway.url), Client(http, gateway.url)
    await broken.charge()
    await other.charge()
    sandbox = gateway.gateway.sandboxes[broken.sandbox]
    # nothing that a request brings gets this far: these are bytes that no encoder of ours would make
    gateway.gateway.journal._pending[sandbox.name] = [b"\xff"]
    gateway.gateway.journal.touch(sandbox)
    failed, went_on = await asyncio.gather(broken.post("/v1/client_tokens"), other.post("/v1/client_tokens"))
    failed.refused(503, "gateway_gone")
    went_on.expect(201)
    (await broken.get("/readyz", key=None)).expect(200)
    # the next group of this sandbox commits, and its journal says what it lacks
    await broken.charge(order_id="after")
    assert [entry["entries"] for entry in await broken.journal("control")] == [2]
    assert "after" in [entry["order_id"] for entry in await broken.journal("answer")]
    assert len((await broken.get("/v1/charges")).expect(200)["data"]) == 2
    await other.charge(order_id="after")
    assert await other.journal("control") == []


async def test_bytes_of_a_path_or_query_that_are_no_utf_8_are_kept_as_text(client: Client) -> None:
    for escaped in ("%ff", "%ed%a0%80", quote("\N{DESERT}")):
        (await client.get(f"/v1/charges/{escaped}")).refused(404, "resource_missing", "id")
        (await client.get(f"/v1/charges?order_id={escaped}")).expect(200)
    assert len(await client.journal("request")) == 6
