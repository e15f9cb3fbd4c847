"""The same seed and the same requests give the same run, to the byte: in two real processes that know nothing of each other."""

import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from tests.faults.aid import armed
from tests.support.client import Client
from tests.support.process import ServerProcess

RULES: list[dict[str, Any]] = [
    {"station": "request.received", "kind": "status", "params": {"status": 503}, "probability": 0.3},
    {"station": "operation.executed", "kind": "decline", "probability": 0.4, "match": {"card": "4242"}},
    {"station": "operation.committed", "kind": "garbage", "probability": 0.3, "match": {"operation": "charges.create"}},
    {"station": "operation.committed", "kind": "reset", "probability": 0.2, "seed": 5},
    {"station": "response.partial", "kind": "close", "nth": 3, "times": 2, "match": {"operation": "charges.list"}},
    {
        "station": "request.received",
        "kind": "rate_limit",
        "params": {"limit": 5, "window_s": 60},
        "match": {"operation": "refunds.list"},
    },
]


async def run(http: aiohttp.ClientSession, server: ServerProcess) -> tuple[list[Any], list[dict[str, Any]]]:
    """All that a client hears, and all that was struck."""
    client = Client(http, server.url, "again")
    (await client.post("/_gatecrash/clock", {"mode": "frozen", "now": "2030-01-01T00:00:00Z"})).expect(200)
    for rule in RULES:
        (await client.post("/_gatecrash/faults", rule)).expect(201)
    heard: list[Any] = []
    nonce = ""
    for number in range(25):
        calls: list[tuple[str, str, Any]] = [
            ("POST", "/v1/client_tokens", {}),
            ("POST", "/v1/charges", {"amount": 100 + number, "currency": "usd", "payment_nonce": nonce or "none"}),
            ("GET", "/v1/charges", None),
            ("GET", "/v1/refunds", None),
        ]
        token = await heard_of(client, "POST", "/v1/tokens", {"card": {**CARD, "exp_year": 2040}}, "pk")
        heard.append(token)
        nonce = json.loads(token[1])["id"] if isinstance(token, tuple) and token[0] == 201 else nonce
        for method, path, body in calls:
            heard.append(await heard_of(client, method, path, body, "sk"))
    return heard, await client.journal("fault")


CARD = {"number": "4242424242424242", "exp_month": 12, "cvc": "123"}


async def heard_of(client: Client, method: str, path: str, body: Any, key: str) -> Any:
    """The answer, or how there was none. A connection each, since a client of its own accord asks twice over an old one."""
    try:
        reply = await client.call(method, path, body, key=key, headers={"Connection": "close"})
    except aiohttp.ClientError as error:
        return type(error).__name__
    return reply.status, reply.raw.decode(), reply.headers.get("Request-Id"), reply.headers.get("Retry-After")


@pytest.mark.asyncio
async def test_the_same_seed_and_requests_give_the_same_run_to_the_byte(
    http: aiohttp.ClientSession, start_server: Callable[..., ServerProcess]
) -> None:
    runs = []
    for seed in ("7", "7", "8"):
        server = start_server("--memory", "--seed", seed)
        runs.append(await run(http, server))
        server.stop()
    assert runs[0] == runs[1]
    struck = [[(entry["fault"], entry["fired"], entry["operation"]) for entry in faults] for _, faults in runs]
    assert struck[0] != struck[2]
    assert {fault for fault, _, _ in struck[0]} == {rule["kind"] for rule in RULES}, "every one of them had its say"


@pytest.mark.asyncio
async def test_rules_that_never_struck_can_be_listed(client: Client) -> None:
    struck = await client.add_fault("request.received", "delay", params={"seconds": 0}, match={"operation": "charges.list"})
    idle = await client.add_fault("request.received", "reset", match={"order_id": "nobody's"})
    await client.get("/v1/charges")
    for query, expected in (("", [struck, idle]), ("?fired=true", [struck]), ("?fired=false", [idle])):
        listed = (await client.get("/_gatecrash/faults" + query)).expect(200)["data"]
        assert [rule["id"] for rule in listed] == expected
    (await client.get("/_gatecrash/faults?fired=maybe")).refused(400, "parameter_invalid", "fired")
    assert (await armed(client, struck))["fired"] == 1
