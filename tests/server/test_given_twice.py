"""Whatever is given twice or means nothing is refused by name, with the nearest name where there is one."""

import asyncio
import json

import pytest

from gatecrash.dialects.native.routes import ROUTES
from gatecrash.server import control
from tests.support.client import Client

pytestmark = pytest.mark.asyncio

GETS = sorted({route.path for route in (*ROUTES, *control.ROUTES) if route.method == "GET" and "{" not in route.path})
POSTS = sorted({route.path for route in (*ROUTES, *control.ROUTES) if route.method == "POST" and "{" not in route.path})


async def wire(client: Client, method: str, path: str, *lines: str, body: bytes = b"{}") -> tuple[int, dict[str, object]]:
    """Send header lines as they are; the status and the body of the answer."""
    host, _, port = client.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = b"" if method == "GET" else body
    head = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", f"Content-Length: {len(body)}", *lines]
    writer.write("\r\n".join([*head, "", ""]).encode() + body)
    answer = await reader.read()
    writer.close()
    start, _, content = answer.partition(b"\r\n\r\n")
    return int(start.split()[1]), json.loads(content)


async def test_two_idempotency_keys_are_refused_in_either_order_and_charge_nothing(client: Client) -> None:
    nonce = await client.make_nonce()
    body = json.dumps({"amount": 4200, "currency": "usd", "payment_nonce": nonce}).encode()
    bearer = f"Authorization: Bearer sk_test_{client.sandbox}"
    for keys in (("a", "b"), ("b", "a"), ("a", "a")):
        lines = [f"Idempotency-Key: {key}" for key in keys]
        status, told = await wire(client, "POST", "/v1/charges", bearer, *lines, body=body)
        assert (status, told["code"], told["param"]) == (400, "parameter_repeated", "Idempotency-Key")
        assert told["detail"] == "Idempotency-Key is given more than once in the headers; send it once."
    assert (await client.get("/v1/charges"))["data"] == []


@pytest.mark.parametrize("path", [*GETS, *POSTS])
async def test_two_keys_of_sandboxes_are_refused(client: Client, path: str) -> None:
    lines = ["Authorization: Bearer sk_test_a", "Authorization: Bearer sk_test_b"]
    status, told = await wire(client, "GET" if path in GETS else "POST", path, *lines)
    assert (status, told["code"], told["param"]) == (400, "parameter_repeated", "Authorization")


@pytest.mark.parametrize("path", GETS)
async def test_a_query_parameter_that_is_given_twice_or_unknown_is_refused(client: Client, path: str) -> None:
    (await client.get(f"{path}?limit=5&limit=6")).refused(400, "parameter_repeated", "limit")
    (await client.get(f"{path}?limit=5&limit=5")).refused(400, "parameter_repeated", "limit")
    (await client.get(f"{path}?nonsense=1")).refused(400, "parameter_unknown", "nonsense")


@pytest.mark.parametrize("path", POSTS)
async def test_what_belongs_into_the_body_is_refused_in_the_query_and_refused_twice_in_the_body(
    client: Client, path: str
) -> None:
    key = "pk" if path == "/v1/tokens" else "sk"
    (await client.post(f"{path}?nonsense=1", {}, key=key)).refused(400, "parameter_unknown", "nonsense")
    for raw in (b'{"a": 1, "a": 2}', b'{"a": {"b": "\\"", "\\u0062": 2}}', b'{"x": [{"b": 1, "b": 1}]}'):
        name = "a" if raw.startswith(b'{"a": 1') else "b"
        (await client.post(path, raw=raw, key=key)).refused(400, "parameter_repeated", name)


async def test_quotes_in_a_text_are_no_second_name(client: Client) -> None:
    raw = b'{"url": "http://127.0.0.1:9/", "description": "say \\"a\\": \\"b\\", \\"a\\": \\"c\\""}'
    assert (await client.post("/v1/webhook_endpoints", raw=raw)).expect(201)["description"] == 'say "a": "b", "a": "c"'


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "param", "near"),
    [
        ("GET", "/v1/events?type=charge.suceeded", None, "parameter_invalid", "type", "charge.succeeded"),
        ("GET", "/v1/events?typ=charge.succeeded", None, "parameter_unknown", "typ", "type"),
        ("GET", "/v1/charges?status=suceeded", None, "parameter_invalid", "status", "succeeded"),
        ("POST", "/v1/charges", {"amonut": 1}, "parameter_unknown", "amonut", "amount"),
        ("POST", "/v1/webhook_endpoints", {"url": "http://127.0.0.1:9/", "events": ["charge.suceeded"]},
         "parameter_invalid", "events", "charge.succeeded"),
        ("POST", "/_gatecrash/outcomes", {"decline_code": "stolen_crad"}, "parameter_invalid", "decline_code", "stolen_card"),
        ("POST", "/_gatecrash/faults", {"station": "request.received", "kind": "hang", "match": {"operation": "charge.create"}},
         "fault_rule_invalid", "match.operation", "charges.create"),
        ("POST", "/_gatecrash/faults", {"station": "request.received", "kind": "hang", "match": {"dialect": "nativ"}},
         "fault_rule_invalid", "match.dialect", "native"),
        ("GET", "/_gatecrash/journal?kind=requests", None, "parameter_invalid", "kind", "request"),
    ],
)  # fmt: skip
async def test_a_word_that_means_nothing_is_refused_with_the_nearest(
    client: Client, method: str, path: str, body: object, code: str, param: str, near: str
) -> None:
    refused = (await client.call(method, path, body)).refused(400, code, param)
    assert any(f"{says} {near}" in refused["detail"] for says in ("the nearest is", "did you mean"))


async def test_a_browser_that_knows_a_key_of_the_shop_cannot_spoil_its_charge(client: Client) -> None:
    nonce = await client.make_nonce()
    card = {"number": "5555555555554444", "exp_month": 12, "exp_year": 2040, "cvc": "123"}
    (await client.post("/v1/tokens", {"card": card}, key="pk", idem="order-17")).expect(201)
    charged = (await client.try_charge(payment_nonce=nonce, idem="order-17")).expect(201)
    assert "Idempotent-Replayed" not in charged.headers
    again = (await client.try_charge(payment_nonce=nonce, idem="order-17")).expect(201)
    assert again.raw == charged.raw
    (await client.post("/v1/tokens", {"card": {**card, "cvc": "124"}}, key="pk", idem="order-17")).refused(
        422, "idempotency_key_reused", "Idempotency-Key"
    )
