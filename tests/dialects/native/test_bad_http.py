"""What is hardly HTTP, over a raw socket: the problem shape, and the gateway goes on."""

import asyncio
import json
from typing import Any

import pytest

from tests.support.client import Client
from tests.support.gateway import LiveGateway
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.asyncio

HEAD = b"Host: x\r\nAuthorization: Bearer sk_test_raw\r\n"

MALFORMED = {
    "a star": b"GET * HTTP/1.1\r\n" + HEAD + b"\r\n",
    "a method nobody knows": b"BREW /v1/charges HTTP/1.1\r\n" + HEAD + b"\r\n",
    "a target that is no UTF-8": b"GET /v1/\xff\xfe HTTP/1.1\r\n" + HEAD + b"\r\n",
    "nonsense": b"hello there\r\n\r\n",
    "a TLS handshake": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50 + b"\r\n\r\n",
    "a version of the future": b"GET /v1/charges HTTP/9.9\r\nHost: x\r\n\r\n",
    "a header without a colon": b"GET /v1/charges HTTP/1.1\r\nnonsense\r\n\r\n",
    "a header with a blank name": b"GET /v1/charges HTTP/1.1\r\n : x\r\n\r\n",
    "nul in a header": b"GET /v1/charges HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n",
    "a length that is none": b"POST /v1/charges HTTP/1.1\r\n" + HEAD + b"Content-Length: ten\r\n\r\n",
    "a negative length": b"POST /v1/charges HTTP/1.1\r\n" + HEAD + b"Content-Length: -1\r\n\r\n",
    "two lengths": b"POST /v1/charges HTTP/1.1\r\n" + HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    "length and chunks": b"POST /v1/charges HTTP/1.1\r\n"
    + HEAD
    + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a line without end": b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
    "a header without end": b"GET /v1/charges HTTP/1.1\r\nA: " + b"x" * 100_000 + b"\r\n\r\n",
}
NO_ROUTE = {
    "escapes that are no UTF-8": b"GET /v1/%ff%fe HTTP/1.1\r\n" + HEAD + b"\r\n",
    "an absolute URL elsewhere": b"GET http://elsewhere/v1/nothing HTTP/1.1\r\n" + HEAD + b"\r\n",
}


async def say(gateway: LiveGateway, what: bytes) -> bytes:
    """Send bytes and read all that comes back until the gateway closes, or this side has said all."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(what)
    async with asyncio.timeout(PATIENCE_S):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
        body = await reader.readexactly(length)
    writer.close()
    return head + body


def problem(answer: bytes, status: int, code: str) -> dict[str, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    # what was no request has no version to answer in, and gets the oldest
    assert head.startswith((f"HTTP/1.1 {status} ".encode(), f"HTTP/1.0 {status} ".encode())), head
    assert b"application/problem+json" in head
    shown = json.loads(body)
    assert (shown["code"], shown["status"], shown["type"]) == (code, status, f"/errors/{code}")
    assert shown["detail"].endswith(".")
    assert b"Traceback" not in body
    return dict(shown)


@pytest.mark.parametrize("what", MALFORMED.values(), ids=MALFORMED)
async def test_malformed_http_gets_a_problem_and_the_gateway_goes_on(client: Client, gateway: LiveGateway, what: bytes) -> None:
    shown = problem(await say(gateway, what), 400, "http_malformed")
    assert shown["detail"].startswith("this is not an HTTP/1.1 request: ")
    assert len(shown["detail"]) < 250
    await client.charge()


@pytest.mark.parametrize("what", NO_ROUTE.values(), ids=NO_ROUTE)
async def test_a_strange_target_is_no_route(client: Client, gateway: LiveGateway, what: bytes) -> None:
    problem(await say(gateway, what), 404, "route_unknown")
    await client.charge()


async def test_a_chunk_that_is_none_is_refused(client: Client, gateway: LiveGateway) -> None:
    what = b"POST /v1/charges HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"
    head, _, body = (await say(gateway, what)).partition(b"\r\n\r\n")
    assert b" 400 " in head.partition(b"\r\n")[0]
    assert json.loads(body)["code"] in ("http_malformed", "body_incomplete")
    await client.charge()


async def test_a_client_that_leaves_in_the_middle_of_its_body_changes_nothing(client: Client, gateway: LiveGateway) -> None:
    nonce = await client.make_nonce()
    body = json.dumps({"amount": 1, "currency": "usd", "payment_nonce": nonce}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    head = f"POST /v1/charges HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk_test_{client.sandbox}\r\n"
    head += f"Content-Length: {len(body) + 5}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    writer.write_eof()
    async with asyncio.timeout(PATIENCE_S):
        await reader.read()
    writer.close()
    assert (await client.get("/v1/charges"))["data"] == []
    (await client.try_charge(payment_nonce=nonce)).expect(201)


async def test_requests_in_one_breath_are_answered_in_turn(client: Client, gateway: LiveGateway) -> None:
    one = f"GET /v1/charges HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk_test_{client.sandbox}\r\n".encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write((one + b"\r\n") * 3 + one + b"Connection: close\r\n\r\n")
    async with asyncio.timeout(PATIENCE_S):
        answers = await reader.read()
    writer.close()
    assert answers.count(b"HTTP/1.1 200 OK") == 4
