"""The hunt of tests/server/test_unread_bodies.py: random bytes to every route; then everybody else reads their journal."""

import asyncio
import json
import random

import aiohttp
import pytest

from gatecrash.dialects.native.routes import ROUTES
from gatecrash.server import control
from tests.server.test_unread_bodies import BODIES, TYPES
from tests.support.client import Client
from tests.support.process import ServerProcess

ROUNDS, AT_ONCE, BYSTANDERS = 300, 20, 5
METHODS = ("GET", "DELETE", "POST", "PUT", "PATCH", "HEAD", "OPTIONS")
PATHS = sorted({route.path.replace("{", "").replace("}", "") for route in (*ROUTES, *control.ROUTES)} - {"/_gatecrash/reset"})


def request(rng: random.Random, sandbox: str) -> bytes:
    """A request whose body, query and headers are drawn: seldom sensible, always well framed."""
    body = rng.choice([*BODIES.values(), rng.randbytes(rng.randrange(200)), json.dumps({"a": rng.random()}).encode()])
    body = body[: rng.randrange(len(body) + 1)] if rng.random() < 0.2 else body
    query = "?" + "".join(f"%{byte:02x}" for byte in rng.randbytes(4)) if rng.random() < 0.3 else ""
    lines = [
        f"{rng.choice(METHODS)} {rng.choice(PATHS)}{query} HTTP/1.1",
        "Host: localhost",
        "Connection: close",
        f"Authorization: Bearer {rng.choice(('sk', 'pk'))}_test_{sandbox}",
        f"Content-Length: {len(body)}",
        f"Content-Type: {rng.choice(TYPES)}",
    ]
    head = "\r\n".join(lines).encode()
    if rng.random() < 0.3:
        head += b"\r\nIdempotency-Key: " + bytes(byte for byte in rng.randbytes(12) if byte not in b"\r\n\0")
    if rng.random() < 0.2:
        head += b"\r\nOrigin: " + bytes(byte for byte in rng.randbytes(8) if byte not in b"\r\n\0")
    return head + b"\r\n\r\n" + body


async def ask(url: str, raw: bytes) -> int:
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(raw)
    answer = await reader.read()
    writer.close()
    return int(answer.split()[1])


@pytest.mark.asyncio
async def test_whatever_one_sandbox_is_sent_all_others_read_their_journals(
    server: ServerProcess, http: aiohttp.ClientSession
) -> None:
    rng = random.Random("unread bodies")
    attacker = Client(http, server.url)
    await attacker.post("/_gatecrash/strict", {"strict": True})
    others = [Client(http, server.url) for _ in range(BYSTANDERS)]
    for turn in range(ROUNDS):
        drawn = [request(rng, attacker.sandbox) for _ in range(AT_ONCE)]
        statuses = await asyncio.gather(*(ask(server.url, raw) for raw in drawn))
        assert max(statuses) < 500, [raw for raw, status in zip(drawn, statuses, strict=True) if status >= 500]
        other = others[turn % BYSTANDERS]
        await other.charge(order_id=f"o-{turn}")
        assert (await other.journal("request"))[-1]["order_id"] == f"o-{turn}"
    for other in others:
        assert len((await other.get("/v1/charges?limit=100")).expect(200)["data"]) == ROUNDS // BYSTANDERS
        assert (await other.get("/_gatecrash/lint")).expect(200)["entries"] > 0
    (await attacker.get("/_gatecrash/lint")).expect(200)
    (await attacker.get("/readyz", key=None)).expect(200)
