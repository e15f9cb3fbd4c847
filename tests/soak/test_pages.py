"""A hostile web page tries thousands of combinations at a real process: it kills nothing, arms nothing and reads nothing."""

import random
from collections.abc import Callable

import aiohttp
import pytest

from gatecrash.dialects.native.routes import ROUTES as PAYMENT
from gatecrash.faults.rule import HEADER
from gatecrash.server.control import ROUTES as CONTROL
from tests.server.aid import pid_of
from tests.support.cards import token_of
from tests.support.client import Client
from tests.support.process import ServerProcess

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(600)]
TRIES = 4000
ORIGINS = ("https://evil.example", "null", "http://localhost:3000")
FAULTS = ("request.received=crash", "operation.committed=crash;scope=sandbox", "response.partial=hang", "operation.claimed=reset")
ENDINGS = (
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil.example.",
    "1.2.3.4.nip.example",
    "a@localhost",
)
WANTED = ("Gatecrash-Fault", "gatecrash-fault", "GATECRASH-Control-Token", "*", "traceparent", "x-datadog-trace-id", "")


async def test_no_combination_that_a_browser_can_send_gets_through(
    http: aiohttp.ClientSession, start_server: Callable[..., ServerProcess]
) -> None:
    server = start_server("--memory")
    client = Client(http, server.url)
    worker, draw = await pid_of(client), random.Random(7)
    for _ in range(TRIES):
        route = draw.choice((*PAYMENT, *CONTROL))
        path = route.path.replace("{name}", client.sandbox).replace("{id}", "x").replace("{snapshot}", "x")
        host = f"{draw.choice(('', 'x.', 'localhost.'))}{draw.choice(ENDINGS)}{draw.choice(('', ':8402'))}"
        rebound = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
        foreign = {
            "Origin": draw.choice(ORIGINS),
            "Sec-Fetch-Site": "cross-site",
        }
        page = draw.choice((rebound, foreign))
        if path == "/v1/tokens" or draw.random() < 0.3:
            path, headers = "/v1/tokens", page | {HEADER: draw.choice(FAULTS)}
            reply = await client.post(path, token_of("visa"), key="pk", headers=headers)
            assert reply["code"] in ("control_from_elsewhere", "host_not_allowed"), (headers, reply.raw)
        elif page is rebound:
            reply = await client.call(route.method, path, {} if route.method == "POST" else None, headers=page)
            reply.refused(403, "host_not_allowed", "Host")
        wanted = ", ".join(draw.sample(WANTED, 3))
        asked = foreign | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": wanted}
        reply = await client.call("OPTIONS", path, key=None, headers=asked)
        allowed = reply.expect(204).headers.get("Access-Control-Allow-Headers", "").lower()
        assert "gatecrash" not in allowed
        assert "*" not in allowed
        assert ("Access-Control-Allow-Origin" in reply.headers) == (path == "/v1/tokens")
    assert await pid_of(client) == worker
    assert not await client.journal("fault")
    assert (await client.get("/v1/charges"))["data"] == []
    assert "Traceback" not in server.log
