"""Requests that two parsers could read in two ways, and other strange ones: each has one answer in our shape, and no log line."""

import asyncio
import contextlib
import json
from typing import Any

import pytest

from tests.support.client import Client
from tests.support.gateway import LiveGateway
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.asyncio
NONE = b"POST /none HTTP/1.1\r\n"
GET = b"GET /v1/charges HTTP/1.1\r\n"
POST = b"POST /v1/client_tokens HTTP/1.1\r\nContent-Type: application/json\r\n"
KEY = b"Host: x\r\nAuthorization: Bearer sk_test_smuggler\r\nConnection: close\r\n"
CHUNKED = POST + KEY + b"Transfer-Encoding: chunked\r\n"
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
# what is said → the statuses that may come back, in this order; a hidden request would be one more
SAID: dict[str, tuple[bytes, list[int]]] = {
    "two equal lengths": (POST + KEY + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", [400]),
    "two lengths in one": (POST + KEY + b"Content-Length: 2, 2\r\n\r\n{}", [400]),
    "a length with a sign": (POST + KEY + b"Content-Length: +2\r\n\r\n{}", [400]),
    "a length in hex": (POST + KEY + b"Content-Length: 0x2\r\n\r\n{}", [400]),
    "a length with an underscore": (POST + KEY + b"Content-Length: 1_0\r\n\r\n{}", [400]),
    "a length beyond all": (POST + KEY + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n{}", [400]),
    "chunks, then a length": (CHUNKED + b"Content-Length: 4\r\n\r\n0\r\n\r\n" + HIDDEN, [400]),
    "two codings": (POST + KEY + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", [400]),
    "chunked is not last": (POST + KEY + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", [400]),
    "an unknown coding": (POST + KEY + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", [400]),
    "a blank before the colon": (POST + KEY + b"Content-Length : 2\r\n\r\n{}", [400]),
    "a folded header": (GET + KEY + b"A: b\r\n c\r\n\r\n", [400]),
    "a size with a sign": (CHUNKED + b"\r\n+2\r\n{}\r\n0\r\n\r\n", [400]),
    "a size in 0x": (CHUNKED + b"\r\n0x2\r\n{}\r\n0\r\n\r\n", [400]),
    "a size beyond all": (CHUNKED + b"\r\n" + b"f" * 40 + b"\r\n{}\r\n0\r\n\r\n", [400]),
    "a chunk longer than its size": (CHUNKED + b"\r\n1\r\n{}\r\n0\r\n\r\n", [400]),
    "a bare line feed after a size": (CHUNKED + b"\r\n2\n{}\r\n0\r\n\r\n", [400]),
    "an extension of a chunk": (CHUNKED + b"\r\n2;a=b\r\n{}\r\n0\r\n\r\n", [201]),
    "trailers": (CHUNKED + b"\r\n2\r\n{}\r\n0\r\nX-Sum: 5\r\nAuthorization: Bearer sk_test_other\r\n\r\n", [201]),
    "a length in a trailer": (CHUNKED + b"\r\n2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n", [400]),
    "a control character in the path": (b"GET /v1/\x01charges HTTP/1.1\r\n" + KEY + b"\r\n", [400]),
    "nul in the path": (b"GET /v1/\x00charges HTTP/1.1\r\n" + KEY + b"\r\n", [400]),
    "escaped nul in the path": (b"GET /v1/charges/%00 HTTP/1.1\r\n" + KEY + b"\r\n", [400]),
    "escaped line ends in the path": (b"GET /v1/charges/%0d%0aX:%20y HTTP/1.1\r\n" + KEY + b"\r\n", [404]),
    "an escaped slash in the path": (b"GET /v1%2fcharges HTTP/1.1\r\n" + KEY + b"\r\n", [404]),
    "dots in the path": (b"GET /v1/x/../charges HTTP/1.1\r\n" + KEY + b"\r\n", [200, 404]),
    "bytes in the path": (b"GET /v1/charges/\xff\xfe HTTP/1.1\r\n" + KEY + b"\r\n", [400, 404]),
    "a fragment": (b"GET /v1/charges#x HTTP/1.1\r\n" + KEY + b"\r\n", [200, 400]),
    "an absolute target": (b"GET http://127.0.0.1/v1/charges HTTP/1.1\r\n" + KEY + b"\r\n", [200]),
    "an absolute target without a host": (b"GET http:///v1/charges HTTP/1.1\r\n" + KEY + b"\r\n", [200, 400]),
    "a port beyond all": (b"GET http://x:99999/v1/charges HTTP/1.1\r\n" + KEY + b"\r\n", [400]),
    "a file target": (b"GET file:///etc/passwd HTTP/1.1\r\n" + KEY + b"\r\n", [400, 404]),
    "CONNECT": (b"CONNECT evil.example:443 HTTP/1.1\r\n" + KEY + b"\r\n", [400, 403, 404, 405]),
    "an upgrade": (GET + KEY.replace(b"close", b"upgrade") + b"Upgrade: websocket\r\n\r\n", [200]),
    "an upgrade to HTTP/2": (GET + KEY + b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", [200]),
    "HTTP/2 at once": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]),
    "HTTP/1.0": (b"GET /v1/charges HTTP/1.0\r\nAuthorization: Bearer sk_test_smuggler\r\n\r\n", [200]),
    "HTTP/0.9": (b"GET /v1/charges\r\n\r\n", [400, 401]),
    "two hosts": (GET + KEY + b"Host: evil.example\r\n\r\n", [400, 403]),
    "two hosts that are good": (GET + KEY + b"Host: localhost\r\n\r\n", [400]),
    "a thousand headers": (GET + KEY + b"".join(b"X-%d: y\r\n" % number for number in range(1000)) + b"\r\n", [400]),
    "a header of 8 KiB and more": (GET + KEY + b"X: " + b"y" * 9000 + b"\r\n\r\n", [400]),
    "an expectation that is none": (POST + KEY + b"Expect: miracles\r\nContent-Length: 2\r\n\r\n{}", [201, 417]),
    "an expectation where no route is": (NONE + KEY + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}", [404]),
    "a lower-case method": (b"get /v1/charges HTTP/1.1\r\n" + KEY + b"\r\n", [200, 400, 405]),
    "a method of its own": (b"FROBNICATE /v1/charges HTTP/1.1\r\n" + KEY + b"\r\n", [400, 405]),
    "TRACE": (b"TRACE /v1/charges HTTP/1.1\r\n" + KEY + b"\r\n", [405]),
    "a bare carriage return": (GET + b"Host: x\rX: y\r\n\r\n", [400]),
}  # fmt: skip


async def say(port: int, said: bytes) -> bytes:
    """All that comes back until the gateway ends the connection, or is silent with nothing more to say."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    writer.write_eof()
    heard = b""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(PATIENCE_S):
            while part := await reader.read(65536):
                heard += part
    writer.close()
    return heard


def answers(heard: bytes) -> list[tuple[int, dict[str, str], Any]]:
    found = []
    while heard:
        head, _, heard = heard.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
        size = int(headers.get("content-length", 0))
        found.append((int(lines[0].split()[1]), headers, json.loads(heard[:size])))
        heard = heard[size:]
    return found


@pytest.mark.parametrize("what", SAID)
async def test_a_strange_request_has_one_answer_in_our_shape(
    client: Client, gateway: LiveGateway, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    said, statuses = SAID[what]
    heard = await say(gateway.port, said)
    [(status, headers, body)] = answers(heard)
    assert status in statuses, (status, body)
    assert "request-id" in headers
    if status >= 400:
        assert headers["content-type"] == "application/problem+json"
        assert {"type", "title", "status", "detail", "code", "request_id"} <= body.keys()
    assert b"hidden" not in heard
    assert not caplog.records
    (await client.get("/healthz")).expect(200)


async def test_what_a_trailer_says_changes_nothing(client: Client, gateway: LiveGateway) -> None:
    await say(gateway.port, SAID["trailers"][0])
    assert [entry["operation"] for entry in await client.other("smuggler").journal("request")] == ["client_tokens.create"]
    assert not await client.other("other").journal()
