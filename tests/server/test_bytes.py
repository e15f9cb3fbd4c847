"""What a client's socket sees of each fault: RST, the end of the stream, half an answer, another answer."""

import asyncio
from typing import Any

import pytest

from tests.server.aid import traces
from tests.server.wire import Heard, Wire, ask
from tests.support.client import Client

BEFORE = ("request.received", "operation.claimed", "operation.executed")
UNSENT = (*BEFORE, "operation.committed")


async def charge(client: Client, **params: Any) -> tuple[dict[str, Any], Heard]:
    body = {"amount": 4200, "currency": "usd", "payment_nonce": await client.make_nonce(), **params}
    return body, await ask(client, "POST", "/v1/charges", body, Idempotency_Key="k", Connection="close")


async def assert_happened(client: Client, body: dict[str, Any], station: str) -> None:
    """Nothing before the commit, everything after it, and one charge for the key whichever it was."""
    committed = station not in BEFORE
    assert len((await traces(client)).charges) == committed
    retried = (await client.post("/v1/charges", body, idem="k")).expect(201)
    assert ("Idempotent-Replayed" in retried.headers) == committed
    found = await traces(client)
    assert (len(found.charges), len(found.events), found.transfers) == (1, 1, 1)


@pytest.mark.parametrize("kind", ["reset", "close"])
@pytest.mark.parametrize("station", UNSENT)
@pytest.mark.asyncio
async def test_a_broken_connection_brings_not_one_byte(server_client: Client, station: str, kind: str) -> None:
    await server_client.add_fault(station, kind, match={"operation": "charges.create"})
    body, heard = await charge(server_client)
    assert heard == Heard(b"", reset=kind == "reset")
    await assert_happened(server_client, body, station)


@pytest.mark.parametrize("kind", ["reset", "close"])
@pytest.mark.parametrize("order_id", ["odd", "even"])
@pytest.mark.asyncio
async def test_at_response_partial_the_head_and_half_the_body_are_out(server_client: Client, kind: str, order_id: str) -> None:
    # a hang first, so that what was sent is read before the connection breaks: a reset may overtake what is unread
    hang = await server_client.add_fault("response.partial", "hang", match={"operation": "charges.create"})
    body = {"amount": 4200, "currency": "usd", "payment_nonce": await server_client.make_nonce(), "order_id": order_id}
    wire = await Wire.open(server_client)
    await wire.ask("POST", "/v1/charges", body, Idempotency_Key="k")
    head = b""
    while b"\r\n\r\n" not in head:
        head += await wire.listen_for(1)
    whole = await server_client.post("/v1/charges", body, idem="k")
    expected = whole.expect(201).raw
    half = Heard(head, reset=False)
    assert half.head[0] == "HTTP/1.1 201 Created"
    assert half.header("Content-Length") == str(len(expected))
    assert half.header("Transfer-Encoding") is None
    assert await wire.listen_for(len(expected) // 2) == expected[: len(expected) // 2]
    assert wire.silent()
    await server_client.call("DELETE", f"/_gatecrash/faults/{hang}")
    assert await wire.listen() == Heard(b"", reset=False)
    # and so it goes with kinds that break it at once
    await server_client.add_fault("response.partial", kind, match={"operation": "charges.create"})
    heard = await ask(server_client, "POST", "/v1/charges", body, Idempotency_Key="k")
    assert heard.reset == (kind == "reset")
    assert expected[: len(expected) // 2].startswith(heard.body)
    if kind == "close":
        assert heard.body == expected[: len(expected) // 2]
        assert heard.header("Content-Length") == str(len(expected))
    await assert_happened(server_client, body, "response.partial")


@pytest.mark.parametrize("kind", ["reset", "close"])
@pytest.mark.asyncio
async def test_at_response_sent_a_keep_alive_connection_breaks_behind_the_whole_answer(server_client: Client, kind: str) -> None:
    await server_client.add_fault("response.sent", kind, match={"operation": "charges.list"})
    wire = await Wire.open(server_client)
    await wire.ask("GET", "/v1/charges")
    heard = await wire.listen()
    assert heard.reset == (kind == "reset")
    if kind == "close":
        assert (heard.head[0], heard.body) == ("HTTP/1.1 200 OK", b'{"data":[],"has_more":false}')


@pytest.mark.asyncio
async def test_without_a_fault_a_connection_stays_for_the_next_request(server_client: Client) -> None:
    await server_client.add_fault("response.partial", "delay", params={"seconds": 0}, times=None)
    wire = await Wire.open(server_client)
    answers = []
    for _ in range(2):
        await wire.ask("GET", "/v1/charges")
        head = b""
        while b"\r\n\r\n" not in head:
            head += await wire.listen_for(1)
        answers.append(await wire.listen_for(int(Heard(head, False).header("Content-Length") or 0)))
    assert answers == [b'{"data":[],"has_more":false}'] * 2
    wire.leave()


@pytest.mark.parametrize("station", UNSENT)
@pytest.mark.parametrize(
    ("params", "content_type", "expected"),
    [
        ({"status": 503, "headers": {"Retry-After": "7"}, "body": {"down": True}}, "application/json", b'{"down":true}'),
        ({"status": 500, "body": "<h1>sorry</h1>"}, "text/plain", b"<h1>sorry</h1>"),
        ({"status": 502, "headers": {"content-type": "text/html"}, "body": "<h1>sorry</h1>"}, "text/html", b"<h1>sorry</h1>"),
        ({"status": 429, "headers": {"Retry-After": "7"}}, "application/problem+json", None),
        ({"status": 204}, "application/json", b""),
    ],
)
@pytest.mark.asyncio
async def test_another_answer_takes_the_place_of_the_true_one(
    server_client: Client, station: str, params: dict[str, Any], content_type: str, expected: bytes | None
) -> None:
    await server_client.add_fault(station, "status", params=params, match={"operation": "charges.create"})
    body, heard = await charge(server_client)
    assert heard.head[0].split()[1] == str(params["status"])
    assert heard.header("Retry-After") == params.get("headers", {}).get("Retry-After")
    if params["status"] != 204:
        assert (heard.header("Content-Type") or "").partition(";")[0] == content_type
    if expected is None:
        assert b'"code":"injected"' in heard.body
    else:
        assert heard.body == expected
    await assert_happened(server_client, body, station)


@pytest.mark.asyncio
async def test_a_refusal_can_be_broken_as_well_as_an_answer(server_client: Client) -> None:
    await server_client.add_fault("response.partial", "close", match={"operation": "charges.create"})
    heard = await ask(server_client, "POST", "/v1/charges", {"amount": -1})
    assert heard.head[0] == "HTTP/1.1 400 Bad Request"
    assert int(heard.header("Content-Length") or 0) // 2 == len(heard.body)


@pytest.mark.parametrize("size", [None, 0, 1, 100, 1_000_000])
@pytest.mark.asyncio
async def test_a_truncated_answer_promises_more_than_it_brings(server_client: Client, size: int | None) -> None:
    await server_client.add_fault("operation.committed", "truncate", params={"size": size}, match={"operation": "charges.create"})
    body, heard = await charge(server_client)
    whole = (await server_client.post("/v1/charges", body, idem="k")).expect(201).raw
    assert not heard.reset
    assert heard.head[0] == "HTTP/1.1 201 Created"
    assert heard.header("Content-Length") == str(len(whole))
    assert heard.body == whole[: len(whole) // 2 if size is None else size]
    broken = [entry["broken"] for entry in await server_client.journal("answer") if "broken" in entry]
    assert broken == [f"a fault rule cut the answer off after {len(heard.body)} of the {len(whole)} bytes of its body"]
    await assert_happened(server_client, body, "operation.committed")


@pytest.mark.parametrize("station", ["operation.committed", "response.partial"])
@pytest.mark.asyncio
async def test_a_dripped_answer_comes_whole_and_in_so_many_pieces(server_client: Client, station: str) -> None:
    params = {"size": 100, "interval_s": 0.02}
    await server_client.add_fault(station, "drip", params=params, match={"operation": "charges.create"})
    began = asyncio.get_running_loop().time()
    body, heard = await charge(server_client)
    took = asyncio.get_running_loop().time() - began
    replayed = (await server_client.post("/v1/charges", body, idem="k")).expect(201)
    assert heard.body == replayed.raw
    slow = len(heard.raw) if station == "operation.committed" else len(heard.body) / 2
    assert took >= slow // 100 * 0.02
    await assert_happened(server_client, body, station)


@pytest.mark.asyncio
async def test_a_drip_reaches_the_socket_byte_by_byte_and_ends_with_its_rule(server_client: Client) -> None:
    rule = await server_client.add_fault("operation.committed", "drip", params={"interval_s": 0.2})
    wire = await Wire.open(server_client)
    await wire.ask("GET", "/v1/charges", Connection="close")
    assert await wire.listen_for(4) == b"HTTP"
    loop = asyncio.get_running_loop()
    began = loop.time()
    await wire.listen_for(4)
    assert loop.time() - began >= 0.4, "one byte at a time"
    (await server_client.call("DELETE", f"/_gatecrash/faults/{rule}")).expect(200)
    rest = await wire.listen()
    assert rest.raw.endswith(b'\r\n\r\n{"data":[],"has_more":false}')
    assert loop.time() - began < 0.2 * len(rest.raw), "the rest of it would have taken longer"


@pytest.mark.parametrize("station", UNSENT)
@pytest.mark.asyncio
async def test_garbage_in_place_of_an_answer_is_no_http(server_client: Client, station: str) -> None:
    await server_client.add_fault(station, "garbage", params={"size": 40}, match={"operation": "charges.create"})
    body, heard = await charge(server_client)
    assert (len(heard.raw), heard.reset) == (40, False)
    assert all(byte >= 0x80 for byte in heard.raw)
    await assert_happened(server_client, body, station)


@pytest.mark.asyncio
async def test_garbage_on_the_way_fills_the_body_to_the_length_that_was_promised(server_client: Client) -> None:
    await server_client.add_fault("response.partial", "garbage", match={"operation": "charges.create"})
    body, heard = await charge(server_client)
    whole = (await server_client.post("/v1/charges", body, idem="k")).raw
    assert heard.header("Content-Length") == str(len(heard.body)) == str(len(whole))
    half = len(whole) // 2
    assert heard.body[:half] == whole[:half]
    assert all(byte >= 0x80 for byte in heard.body[half:])
    await assert_happened(server_client, body, "response.partial")


@pytest.mark.asyncio
async def test_garbage_behind_an_answer_waits_for_the_next_request_of_the_connection(server_client: Client) -> None:
    await server_client.add_fault("response.sent", "garbage", params={"size": 5})
    wire = await Wire.open(server_client)
    await wire.ask("GET", "/v1/charges")
    head = b""
    while b"\r\n\r\n" not in head:
        head += await wire.listen_for(1)
    assert await wire.listen_for(28) == b'{"data":[],"has_more":false}'
    noise = await wire.listen_for(5)
    assert all(byte >= 0x80 for byte in noise)
    await wire.ask("GET", "/v1/charges", Connection="close")
    assert (await wire.listen()).head[0] == "HTTP/1.1 200 OK"


@pytest.mark.asyncio
async def test_an_answer_that_is_cut_off_at_its_half_passes_no_station_behind_it(server_client: Client) -> None:
    client = server_client
    await client.add_fault("operation.committed", "truncate")
    later = await client.add_fault("response.partial", "garbage")
    heard = await ask(client, "GET", "/v1/charges")
    assert len(heard.body) == int(heard.header("Content-Length") or 0) // 2
    assert (await client.get(f"/_gatecrash/faults/{later}"))["fired"] == 0, "it would have changed bytes that nobody was sent"
