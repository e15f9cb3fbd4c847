"""The short form of a rule, for one request: `Gatecrash-Fault: STATION=KIND[;PARAM=VALUE…][, …]`."""

from typing import Any

import msgspec
import pytest

from gatecrash.core.errors import Refused
from gatecrash.dialects.interface import Route
from gatecrash.dialects.native.calls import OPERATIONS
from gatecrash.dialects.native.routes import ROUTES
from gatecrash.faults.rule import HEADER, parse_header
from tests.support.cards import card
from tests.support.client import Client


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("operation.committed=reset", [("operation.committed", "reset", {})]),
        ("operation.claimed=delay;seconds=1.5", [("operation.claimed", "delay", {"seconds": 1.5})]),
        ("  request.received = delay ; seconds = 2  ", [("request.received", "delay", {"seconds": 2})]),
        ("response.sent=crash;down_s=0", [("response.sent", "crash", {"down_s": 0})]),
        (
            "request.received=delay;seconds=0,response.partial=close",
            [("request.received", "delay", {"seconds": 0}), ("response.partial", "close", {})],
        ),
        (
            'operation.executed=status;status=429;headers={"Retry-After":"7"};body="busy"',
            [("operation.executed", "status", {"status": 429, "headers": {"Retry-After": "7"}, "body": "busy"})],
        ),
        (
            "operation.executed=status;status=500;body=plain words",
            [("operation.executed", "status", {"status": 500, "body": "plain words"})],
        ),
    ],
)
def test_a_header_is_read_as_rules(value: str, expected: list[tuple[str, str, dict[str, Any]]]) -> None:
    rules = parse_header(value, "charges.list")
    assert [(rule.station, rule.kind, rule.params) for rule in rules] == expected
    assert all((rule.nth, rule.times) == (1, 1) for rule in rules)


@pytest.mark.parametrize(
    ("value", "param", "says"),
    [
        ("reset", HEADER, "STATION=KIND"),
        ("request.received", HEADER, "operation.committed=reset"),
        ("request.received=reset,", HEADER, "STATION=KIND"),
        (";;;", HEADER, "STATION=KIND"),
        ("nowhere=reset", "station", "request.received"),
        ("=reset", "station", "request.received"),
        ("request.received=explode", "kind", "crash, hang"),
        ("request.received=", "kind", "crash, hang"),
        ("request.received=drop", "kind", "cannot be un-asked"),
        ("request.received=delay", "params.seconds", "missing"),
        ("request.received=delay;seconds", "params.seconds", "a number"),
        ("request.received=delay;seconds=long", "params.seconds", "a number"),
        ("request.received=delay;seconds=1;until=2", "params.until", "known are: seconds"),
        ("request.received=rate_limit;limit=1", HEADER, "POST /_gatecrash/faults"),
        ("operation.executed=decline", HEADER, "charges.create alone, and this request is charges.list"),
        ("request.received=reset;hard=true", "params.hard", "known are: none"),
        ("operation.committed=reset,operation.committed=crash", HEADER, "only one of them"),
        ("operation.committed=truncate,operation.committed=close", HEADER, "only one of them"),
        ("response.partial=drip,response.partial=drip;size=9", HEADER, "only one of them"),
    ],
)
def test_a_header_that_makes_no_sense_is_refused_with_the_reason(value: str, param: str, says: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_header(value, "charges.list")
    assert caught.value.code == "fault_rule_invalid"
    assert caught.value.param == param
    assert says in caught.value.detail


@pytest.mark.asyncio
async def test_a_header_that_comes_twice_is_read_whole(client: Client) -> None:
    fields = [
        ("Authorization", f"Bearer sk_test_{client.sandbox}"),
        (HEADER, "request.received=delay;seconds=0"),
        (HEADER, "request.received=status;status=503"),
    ]
    async with client.http.get(client.url + "/v1/charges", headers=fields) as answer:
        assert answer.status == 503
    assert [entry["fault"] for entry in await client.journal("fault")] == ["delay", "status"]


@pytest.mark.asyncio
async def test_a_refused_header_changes_nothing(client: Client) -> None:
    nonce = await client.make_nonce()
    body = {"amount": 4200, "currency": "usd", "payment_nonce": nonce}
    refused = await client.post("/v1/charges", body, idem="k", headers={HEADER: "request.received=explode"})
    refused.refused(400, "fault_rule_invalid", "kind")
    charged = (await client.post("/v1/charges", body, idem="k")).expect(201)
    assert "Idempotent-Replayed" not in charged.headers


@pytest.mark.asyncio
async def test_a_header_strikes_its_own_request_only_and_leaves_no_rule(client: Client) -> None:
    struck = await client.get("/v1/charges", headers={HEADER: "request.received=status;status=418"})
    assert struck.status == 418
    assert (await client.get("/v1/charges")).status == 200
    assert (await client.get("/_gatecrash/faults"))["data"] == []
    faults = await client.journal("fault")
    assert [(entry["station"], entry["fault"], entry["operation"]) for entry in faults] == [
        ("request.received", "status", "charges.list")
    ]


@pytest.mark.asyncio
async def test_a_call_that_its_header_struck_is_told_with_its_order(client: Client) -> None:
    charge = await client.charge(order_id="o1")
    headers = {HEADER: "operation.committed=status;status=503"}
    lost = await client.post(f"/v1/charges/{charge['id']}/refunds", {"amount": 1000}, headers=headers)
    assert lost.status == 503
    told = [entry["order_id"] for entry in await client.journal() if entry.get("operation") == "refunds.create"]
    assert told == ["o1", "o1", "o1"], "of the request, the fault and the answer"


@pytest.mark.asyncio
async def test_a_crash_by_header_is_refused_where_nothing_would_start_the_gateway_again(client: Client) -> None:
    refused = await client.get("/v1/charges", headers={HEADER: "request.received=crash"})
    refused.refused(400, "fault_rule_invalid", "kind")
    refused = await client.post("/_gatecrash/faults", {"station": "request.received", "kind": "crash"})
    refused.refused(400, "fault_rule_invalid", "kind")


# one of several is needed
ALSO = {"charges.create": {"payment_nonce"}, "tokens.create": {"card"}}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
@pytest.mark.parametrize("station", ["request.received", "operation.claimed", "operation.executed", "operation.committed"])
@pytest.mark.asyncio
async def test_it_works_on_every_request(client: Client, route: Route, station: str) -> None:
    charge = await client.charge(capture=route.name == "refunds.create", order_id="one")
    endpoint = (await client.post("/v1/webhook_endpoints", {"url": "http://127.0.0.1:9/"})).expect(201)
    (event, *_) = (await client.get("/v1/events"))["data"]
    ids = {"charges": charge["id"], "webhook_endpoints": endpoint["id"], "events": event["id"]}
    path = route.path.replace("{id}", ids.get(route.path.split("/")[2], "none"))
    values = {
        "amount": 1, "currency": "usd", "payment_nonce": await client.make_nonce(), "payment_method": "pm_none",
        "url": "http://127.0.0.1:9/", "text": "it was sent", "card": card(),
    }  # fmt: skip
    fields = msgspec.structs.fields(OPERATIONS[route.name].params)
    needed = {field.name for field in fields if field.required and field.name != "id"} | ALSO.get(route.name, set())
    key = "sk" if "secret" in route.keys else "pk"
    header = {HEADER: f"{station}=status;status=418"}
    body = {name: values[name] for name in needed} if route.method == "POST" else None
    reply = await client.call(route.method, path, body, key=key, headers=header)
    assert (reply.status, reply["code"]) == (418, "injected")
    (struck,) = await client.journal("fault")
    assert (struck["station"], struck["operation"]) == (station, route.name)
