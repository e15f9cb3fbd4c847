"""Browsers of any origin may make a nonce, and nothing else."""

import pytest

from gatecrash.dialects.native.routes import ROUTES
from tests.support.cards import card
from tests.support.client import Client

pytestmark = pytest.mark.asyncio
ORIGIN = {"Origin": "https://shop.example"}


async def test_a_browser_may_ask_whether_it_may_make_a_nonce(client: Client) -> None:
    headers = ORIGIN | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    reply = (await client.call("OPTIONS", "/v1/tokens", key=None, headers=headers)).expect(204)
    assert reply.headers["Access-Control-Allow-Origin"] == ORIGIN["Origin"]
    assert "POST" in reply.headers["Access-Control-Allow-Methods"]
    allowed = reply.headers["Access-Control-Allow-Headers"].lower()
    assert all(name in allowed for name in ("authorization", "content-type", "idempotency-key"))
    assert reply.raw == b""


@pytest.mark.parametrize(
    "tracers",
    [
        "traceparent,tracestate",
        "sentry-trace, baggage",
        "x-datadog-trace-id,x-datadog-parent-id,x-datadog-origin",
        "b3, Newrelic",
    ],
)
async def test_a_tracer_of_the_page_may_add_its_headers(client: Client, tracers: str) -> None:
    headers = ORIGIN | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": f"authorization,{tracers}"}
    reply = (await client.call("OPTIONS", "/v1/tokens", key=None, headers=headers)).expect(204)
    allowed = [name.strip().lower() for name in reply.headers["Access-Control-Allow-Headers"].split(",")]
    assert {name.strip().lower() for name in tracers.split(",")} <= set(allowed)
    assert len(allowed) == len(set(allowed))


@pytest.mark.parametrize(
    "wanted", ["gatecrash-fault", "Gatecrash-Fault", "GATECRASH-CONTROL-TOKEN", "*", "a b, c\xff, ,,é", "x" * 5000]
)
async def test_no_preflight_lets_a_page_send_headers_of_control_or_nonsense(client: Client, wanted: str) -> None:
    headers = ORIGIN | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": f"{wanted}, traceparent"}
    reply = (await client.call("OPTIONS", "/v1/tokens", key=None, headers=headers)).expect(204)
    allowed = reply.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert set(allowed) == {"authorization", "content-type", "idempotency-key", "traceparent"}


async def test_a_browser_may_read_the_nonce_and_every_refusal(client: Client) -> None:
    replies = [
        (await client.post("/v1/tokens", {"card": card()}, key="pk", headers=ORIGIN)).expect(201),
        (await client.post("/v1/tokens", {"card": card("4242424242424241")}, key="pk", headers=ORIGIN)).expect(400),
        (await client.post("/v1/tokens", {"card": card()}, key=None, headers=ORIGIN)).expect(401),
        (await client.post("/v1/tokens", {"card": card()}, key="sk", headers=ORIGIN)).expect(403),
        (await client.post("/v1/tokens", raw=b"{", key="pk", headers=ORIGIN)).expect(400),
        (await client.post("/v1/tokens", raw=b" " * 1_100_000, key="pk", headers=ORIGIN)).expect(413),
        (await client.post("/v1/tokens", {"card": card()}, key="pk", headers=ORIGIN | {"Gatecrash-Fault": "x"})).expect(403),
    ]
    for reply in replies:
        assert reply.headers["Access-Control-Allow-Origin"] == ORIGIN["Origin"], reply.raw
        assert "Request-Id" in reply.headers["Access-Control-Expose-Headers"]
        assert reply.headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Credentials" not in reply.headers


async def test_without_an_origin_nothing_is_said_about_origins(client: Client) -> None:
    reply = (await client.post("/v1/tokens", {"card": card()}, key="pk")).expect(201)
    assert "Access-Control-Allow-Origin" not in reply.headers


@pytest.mark.parametrize("route", [route for route in ROUTES if route.path != "/v1/tokens"], ids=lambda r: f"{r.method} {r.path}")
async def test_a_browser_may_do_nothing_else(client: Client, route: object) -> None:
    path = route.path.format(id="x")  # type: ignore[attr-defined]
    asked = await client.call("OPTIONS", path, key=None, headers=ORIGIN | {"Access-Control-Request-Method": "POST"})
    asked.expect(204)
    assert not [name for name in asked.headers if name.startswith("Access-Control")]
    reply = await client.call(route.method, path, headers=ORIGIN)  # type: ignore[attr-defined]
    assert "Access-Control-Allow-Origin" not in reply.headers
