"""Bodies that are compressed: well, badly, or by something that is not understood."""

import gzip
import json
import zlib

import pytest

from tests.support.cards import token_of
from tests.support.client import Client

pytestmark = pytest.mark.asyncio
TOKEN = json.dumps(token_of("visa")).encode()
_raw = zlib.compressobj(wbits=-15)
RAW_DEFLATE = _raw.compress(TOKEN) + _raw.flush()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(TOKEN)), ("X-GZIP", gzip.compress(TOKEN)), ("deflate", zlib.compress(TOKEN)),
        ("deflate", RAW_DEFLATE), ("identity", TOKEN), ("", TOKEN), ("identity, gzip", gzip.compress(TOKEN)),
    ],
    ids=["gzip", "x-gzip", "zlib", "raw deflate", "identity", "empty", "identity and gzip"],
)  # fmt: skip
async def test_gzip_and_deflate_are_understood(client: Client, encoding: str, body: bytes) -> None:
    (await client.post("/v1/tokens", raw=body, key="pk", headers={"Content-Encoding": encoding})).expect(201)


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "gzip, br", "exi", "é"])
@pytest.mark.parametrize("path", ["/v1/charges", "/v1/tokens", "/_gatecrash/reset", "/nowhere", "/healthz"])
async def test_another_encoding_is_named_with_what_is_accepted(client: Client, encoding: str, path: str) -> None:
    headers = (
        {"Content-Encoding": encoding, "Origin": "https://shop.example"} if "tokens" in path else {"Content-Encoding": encoding}
    )
    reply = await client.post(path, raw=b"{}", headers=headers)
    reply.refused(415, "content_encoding_unsupported", "Content-Encoding")
    assert encoding.encode().isascii() is False or repr(encoding) in reply["detail"]
    assert reply.headers["Accept-Encoding"] == "gzip, deflate"
    assert ("Access-Control-Allow-Origin" in reply.headers) == ("tokens" in path)


WHOLE = gzip.compress(TOKEN, mtime=0)
DAMAGED = {
    "none": b"hello", "cut": WHOLE[:-9], "a bit": WHOLE[:20] + bytes((WHOLE[20] ^ 0xFF,)) + WHOLE[21:], "more": WHOLE + b"more",
    "bad check": WHOLE[:-8] + bytes(8), "head alone": WHOLE[:10],
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGED)
@pytest.mark.parametrize("path", ["/v1/charges", "/v1/tokens", "/_gatecrash/reset", "/nowhere", "/healthz"])
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_damaged_body_is_refused_and_nothing_is_logged(
    client: Client, what: str, path: str, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        reply = await client.call(method, path, raw=DAMAGED[what], headers={"Content-Encoding": "gzip"})
        reply.refused(400, "body_malformed")
        assert "gzip" in reply["detail"]
    (await client.get("/healthz")).expect(200)
    assert not caplog.records


@pytest.mark.parametrize("size", [2_000_000, 50_000_000])
async def test_a_body_that_unpacks_too_large_is_refused(client: Client, size: int) -> None:
    bomb = gzip.compress(b" " * size)
    assert len(bomb) < 100_000
    (await client.post("/v1/charges", raw=bomb, headers={"Content-Encoding": "gzip"})).refused(413, "body_too_large")
