"""Every operation over a real socket, for success and for each of its refusals; every answer is held against the contract."""

import asyncio
from collections import defaultdict
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.contracts.checker import Breach, Operation, load
from tests.support.cards import card
from tests.support.client import Client, Reply
from tests.support.gateway import LiveGateway

pytestmark = pytest.mark.asyncio
GATEWAY = load("gateway")
NATIVE_POSTS = [each.id for each in GATEWAY.operations.values() if each.method == "POST" and each.path.startswith("/v1/")]
# what cannot be provoked from outside: bugs, a full disk, a gateway that starts or stops
UNSEEN = {"500", "503"}
# statuses that tests of their own bring about: tests/server/test_moving.py, tests/server/test_document.py
ELSEWHERE = {"clock.advance": {"409"}, "hosted.index": {"302"}}


class CheckedClient(Client):
    """A client that takes no answer the contract does not have. `seen`: operation → statuses."""

    seen: defaultdict[str, set[str]]

    async def call(self, method: str, path: str, body: Any = None, **kwargs: Any) -> Reply:
        reply = await super().call(method, path, body, **kwargs)
        GATEWAY.check(method, path, reply.status, reply.headers, reply.raw)
        if reply.content_type == "application/problem+json" and "Idempotent-Replayed" not in reply.headers:
            assert reply["request_id"] == reply.headers["Request-Id"]
        operation = GATEWAY.find(method, path)
        if operation is not None:
            self.seen[operation.id].add(str(reply.status))
        return reply

    def fresh(self) -> "CheckedClient":
        """A sandbox that nobody was in."""
        client = CheckedClient(self.http, self.url)
        client.seen = self.seen
        return client


@pytest.fixture
def checked(http: aiohttp.ClientSession, gateway: LiveGateway) -> CheckedClient:
    client = CheckedClient(http, gateway.url)
    client.seen = defaultdict(set)
    return client


async def good(client: CheckedClient, operation: Operation) -> tuple[str, Any, str | None]:
    """Path, body and kind of key of a request that succeeds."""
    name, path, body, key = operation.id, operation.path, None, "sk"
    if operation.spec.get("security") == []:
        key = None
    if operation.method == "POST":
        body = {}
    if name == "tokens.create":
        body, key = {"card": card()}, "pk"
    elif name == "charges.create":
        body = {"amount": 4200, "currency": "usd", "payment_nonce": await client.make_nonce(), "order_id": "order_1"}
    elif name in ("charges.capture", "charges.void"):
        path = path.replace("{id}", (await client.charge(capture=False))["id"])
    elif name in ("charges.get", "refunds.create"):
        path = path.replace("{id}", (await client.charge())["id"])
    elif name == "refunds.get":
        charge = await client.charge()
        path = path.replace("{id}", (await client.post(f"/v1/charges/{charge['id']}/refunds")).expect(201)["id"])
    elif name.startswith("disputes.") and "{id}" in path:
        path = path.replace("{id}", await dispute(client))
        body = {"text": "winning_evidence"} if name == "disputes.evidence" else body
    elif name == "payment_methods.create":
        body = {"payment_nonce": await client.make_nonce()}
    elif name == "payment_methods.get":
        path = path.replace("{id}", await client.save())
    elif name == "subscriptions.create":
        body = {"payment_method": await client.save(), "amount": 900, "currency": "usd"}
    elif name.startswith("subscriptions.") and "{id}" in path:
        method = await client.save()
        path = path.replace("{id}", (await client.subscribe(method))["id"])
        body = {"payment_method": method} if name == "subscriptions.update" else body
    elif name == "webhook_endpoints.create":
        body = {"url": "http://127.0.0.1:9/"}
    elif name.startswith("webhook_endpoints.") and "{id}" in path:
        endpoint = await client.post("/v1/webhook_endpoints", {"url": "http://127.0.0.1:9/"})
        path = path.replace("{id}", endpoint.expect(201)["id"])
    elif name.startswith("events.") and "{id}" in path:
        await client.post("/v1/webhook_endpoints", {"url": "http://127.0.0.1:9/"})
        await client.charge()
        path = path.replace("{id}", (await client.get("/v1/events")).expect(200)["data"][0]["id"])
    elif name == "faults.add":
        body = {"station": "webhook.due", "kind": "drop"}
    elif name in ("faults.get", "faults.remove"):
        path = path.replace("{id}", await client.add_fault("webhook.due", "drop"))
    elif name == "strict.set":
        body = {"strict": True}
    elif "{name}" in path:
        path = path.replace("{name}", client.sandbox).replace("{snapshot}", "default")
        if name in ("sandboxes.restore", "snapshots.remove"):
            (await client.post(f"/_gatecrash/sandboxes/{client.sandbox}/snapshot")).expect(201)
    elif name == "clock.advance":
        body = {"seconds": 1.5}
    elif name == "errors.explain":
        path = path.replace("{code}", "nonce_used")
    return path, body, key


async def dispute(client: Client, card: str = "disputed") -> str:
    """The id of a dispute that needs a response."""
    charge = await client.charge(card)
    await client.advance(86_400)
    return str((await client.get(f"/v1/disputes?charge_id={charge['id']}")).expect(200)["data"][0]["id"])


async def in_flight(client: CheckedClient, path: str, body: Any, key: str | None) -> None:
    """A second request with a key whose first request hangs."""
    fault = {"Gatecrash-Fault": "operation.claimed=hang"}
    first = asyncio.ensure_future(Client.call(client, "POST", path, body, key=key, idem="busy", headers=fault))
    while not any(entry["kind"] == "fault" for entry in await client.journal()):
        assert not first.done(), await first
    (await client.post(path, body, key=key, idem="busy")).refused(409, "idempotency_key_in_use", "Idempotency-Key")
    first.cancel()
    await asyncio.wait((first,))


async def refusals(client: CheckedClient, operation: Operation, path: str, body: Any, key: str | None) -> None:
    """Ask for an operation in every way that any operation refuses."""
    method, native = operation.method, operation.path.startswith("/v1/")
    (await client.call(method, path, raw=b" " * 1_100_000, key=key)).refused(413, "body_too_large")
    if operation.id.startswith("hosted.") or method == "OPTIONS":
        return
    for parameter in operation.parameters:
        if parameter["in"] == "path":
            missing = path if parameter["name"] == "snapshot" else operation.path
            for name in ("id", "code", "name", "snapshot"):
                missing = missing.replace(f"{{{name}}}", "x").replace("/snapshots/default", "/snapshots/x")
            reply = await client.call(method, missing, body, key=key)
            if parameter["name"] == "name":
                reply.refused(403, "sandbox_of_another_key", "name")
            else:
                reply.refused(404, "resource_missing", parameter["name"])
    if operation.id == "errors.explain":
        return
    if method == "POST":
        (await client.call(method, path, raw=b"{", key=key)).refused(400, "body_malformed")
        (await client.call(method, path, {**body, "colour": "red"}, key=key)).refused(400, "parameter_unknown", "colour")
    else:
        (await client.call(method, path + "?colour=red", key=key)).refused(400, "parameter_unknown", "colour")
    if key is not None:
        (await client.call(method, path, body, key=None)).refused(401, "key_missing")
        (await client.call(method, path, body, key="nonsense")).refused(401, "key_invalid")
        wrong = ("sk", "secret_key_not_allowed") if key == "pk" else ("pk", "publishable_key_not_allowed")
        (await client.call(method, path, body, key=wrong[0])).refused(403, wrong[1])
    if native:
        fault = {"Gatecrash-Fault": "nonsense"}
        (await client.call(method, path, body, key=key, headers=fault)).refused(400, "fault_rule_invalid", "Gatecrash-Fault")
    if native and method == "POST":
        text = {"Content-Type": "text/plain"}
        (await client.call(method, path, raw=b"{}", key=key, headers=text)).refused(
            415, "content_type_unsupported", "Content-Type"
        )
        (await client.call(method, path, body, key=key, idem='"')).refused(400, "idempotency_key_invalid", "Idempotency-Key")


async def test_every_operation_answers_as_the_contract_says(checked: CheckedClient) -> None:
    for operation in GATEWAY.operations.values():
        client = checked.fresh()
        path, body, key = await good(client, operation)
        await refusals(client, operation, path, body, key)
        reply = await client.call(operation.method, path, body, key=key)
        assert str(reply.status) in operation.success, (operation.id, reply.raw)
    (await checked.fresh().try_charge("declined")).refused(402, "card_declined")
    client = checked.fresh()
    (await client.post("/_gatecrash/sandboxes", {"seed": "7"})).expect(201)
    (await client.post("/_gatecrash/sandboxes", {"seed": "7"})).refused(409, "sandbox_exists", "name")
    nothing = await client.post(f"/_gatecrash/sandboxes/{client.sandbox}/restore", {"name": "nothing"})
    nothing.refused(404, "resource_missing", "name")
    nonce = await checked.make_nonce("declined")
    (await checked.post("/v1/payment_methods", {"payment_nonce": nonce})).refused(402, "card_declined")
    terms = {"payment_method": await checked.save("saves_then_declines"), "amount": 900, "currency": "usd"}
    (await checked.post("/v1/subscriptions", terms)).refused(402, "card_declined")

    for operation_id in NATIVE_POSTS:
        operation = GATEWAY.operations[operation_id]
        client = checked.fresh()
        path, body, key = await good(client, operation)
        await in_flight(client, path, body, key)
        (await client.post("/v1/refunds/x/nothing", key=None)).refused(404, "route_unknown")
        other = "/v1/client_tokens" if operation_id != "client_tokens.create" else "/v1/charges/x/void"
        if key == "pk":  # browsers' keys have a scope of their own
            await client.post(path, {"card": card(cvc="999")}, key=key, idem="taken")
        else:
            await client.post(other, idem="taken")
        (await client.post(path, body, key=key, idem="taken")).refused(422, "idempotency_key_reused", "Idempotency-Key")
        first = await client.post(path, body, key=key, idem="twice")
        again = await client.post(path, body, key=key, idem="twice")
        assert (again.raw, again.headers["Idempotent-Replayed"]) == (first.raw, "true")

    for operation in GATEWAY.operations.values():
        promised = operation.spec["responses"].keys() - UNSEEN - ELSEWHERE.get(operation.id, set())
        assert checked.seen[operation.id] >= promised, f"{operation.id}: never seen: {promised - checked.seen[operation.id]}"


async def test_whatever_the_state_of_a_charge_its_refusals_are_in_the_contract(checked: CheckedClient) -> None:
    charge = await checked.charge()
    failed = (await checked.try_charge("declined"))["charge_id"]
    held = await checked.charge(capture=False)
    bank = await checked.charge("bank")
    canceled = (await checked.subscribe(await checked.save()))["id"]
    (await checked.post(f"/v1/subscriptions/{canceled}/cancel")).expect(200)
    accepted = await dispute(checked)
    (await checked.post(f"/v1/disputes/{accepted}/accept")).expect(200)
    bank_nonce = await checked.make_nonce("bank")
    terms = {"amount": 1, "currency": "usd"}
    account = {"routing_number": "021000021", "account_number": "1234567"}
    (await checked.post("/v1/tokens", {"bank_account": account}, key="pk")).refused(
        400, "bank_account_not_a_test_account", "bank_account.routing_number"
    )
    for number, (path, body, code) in enumerate(
        [
            (f"/v1/charges/{charge['id']}/capture", {}, "charge_not_capturable"),
            (f"/v1/charges/{charge['id']}/void", {}, "charge_not_voidable"),
            (f"/v1/charges/{failed}/refunds", {}, "charge_not_refundable"),
            (f"/v1/charges/{charge['id']}/refunds", {"amount": 4201}, "amount_exceeds_captured"),
            (f"/v1/charges/{held['id']}/capture", {"amount": 4201}, "amount_exceeds_authorized"),
            ("/v1/charges", {"amount": 1, "currency": "usd", "payment_nonce": charge["payment_nonce"]}, "nonce_used"),
            (f"/v1/charges/{bank['id']}/capture", {}, "charge_not_capturable"),
            (f"/v1/charges/{bank['id']}/refunds", {}, "charge_not_refundable"),
            ("/v1/charges", {**terms, "payment_nonce": bank_nonce, "capture": False}, "capture_not_deferrable"),
            ("/v1/charges", {**terms, "payment_method": "x"}, "payment_method_unknown"),
            ("/v1/charges", terms, "parameter_missing"),
            ("/v1/charges", {**terms, "payment_nonce": "x", "payment_method": "x"}, "parameter_invalid"),
            ("/v1/payment_methods", {"payment_nonce": "x"}, "nonce_unknown"),
            ("/v1/payment_methods", {"payment_nonce": charge["payment_nonce"]}, "nonce_used"),
            ("/v1/subscriptions", {**terms, "payment_method": "x"}, "payment_method_unknown"),
            ("/v1/subscriptions", {**terms, "payment_method": "x", "currency": "USD"}, "currency_unknown"),
            (f"/v1/subscriptions/{canceled}/cancel", {}, "subscription_canceled"),
            (f"/v1/subscriptions/{canceled}", {"payment_method": "x"}, "subscription_canceled"),
            (f"/v1/disputes/{accepted}/accept", {}, "dispute_not_open"),
            (f"/v1/disputes/{accepted}/evidence", {"text": "x"}, "dispute_not_open"),
            ("/v1/charges", {"amount": 1, "currency": "usd", "payment_nonce": "x"}, "nonce_unknown"),
            ("/v1/charges", {"amount": 0, "currency": "usd", "payment_nonce": "x"}, "amount_invalid"),
            ("/v1/charges", {"amount": 1, "currency": "USD", "payment_nonce": "x"}, "currency_unknown"),
            ("/v1/charges", {"amount": 1, "currency": "usd", "payment_nonce": card()["number"]}, "card_number_in_request"),
            ("/v1/webhook_endpoints", {"url": "http://8.8.8.8/"}, "webhook_url_not_allowed"),
            ("/_gatecrash/faults", {"station": "response.sent", "kind": "delay"}, "fault_rule_invalid"),
        ]
    ):
        for _ in range(2):
            assert (await checked.post(path, body, idem=str(number))).expect(400)["code"] == code
    for number, code in (("4242424242424241", "card_number_invalid"), ("4716000000000008", "card_not_a_test_card")):
        reply = await checked.post("/v1/tokens", {"card": card(number)}, key="pk", headers={"Origin": "https://shop.example"})
        assert reply.expect(400)["code"] in (code, "card_number_invalid")
    (await checked.post("/v1/tokens", {"card": card(exp_year=2001)}, key="pk")).refused(400, "card_expired", "card.exp_year")
    token = (await checked.post("/v1/client_tokens"))["id"]
    (await checked.post("/v1/tokens", {"card": card()}, key=token)).expect(201)
    (await checked.post("/v1/tokens", {"card": card()}, key=token)).refused(401, "client_token_invalid")
    (await checked.call("PUT", "/v1/charges")).refused(405, "method_not_allowed")


async def test_every_type_of_event_looks_as_the_contract_says_told_or_listed(checked: CheckedClient) -> None:
    told: list[tuple[dict[str, str], Any]] = []

    async def hear(request: web.Request) -> web.Response:
        told.append((dict(request.headers), await request.json()))
        return web.Response(status=200 if len(told) % 2 else 500, text="heard")

    runner = web.ServerRunner(web.Server(hear))  # type: ignore[arg-type]
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        (await checked.post("/v1/webhook_endpoints", {"url": url})).expect(201)
        await checked.charge(order_id="order_1", metadata={"a": "b"})
        await checked.try_charge("declined")
        for ending in ("capture", "void"):
            held = await checked.charge(capture=False)
            (await checked.post(f"/v1/charges/{held['id']}/{ending}")).expect(200)
        part = await checked.charge(capture=False)
        (await checked.post(f"/v1/charges/{part['id']}/capture", {"amount": 1})).expect(200)
        await checked.charge(capture=False)
        for name in ("visa", "refund_pending", "refund_failing"):
            charge = await checked.charge(name)
            (await checked.post(f"/v1/charges/{charge['id']}/refunds", {"reason": "broken"})).expect(201)
        await checked.charge("bank")
        await checked.subscribe(await checked.save(exp_month=2, exp_year=2026), order_id="order_2")
        kept = (await checked.subscribe(await checked.save()))["id"]
        (await checked.post(f"/v1/subscriptions/{kept}", {"payment_method": await checked.save("bank")})).expect(200)
        for name in ("disputed", "inquired"):
            dispute_id = await dispute(checked, name)
            (await checked.post(f"/v1/disputes/{dispute_id}/evidence", {"text": "winning_evidence"})).expect(200)
        await dispute(checked)
        await checked.advance(80 * 86_400)
        (await checked.post(f"/v1/subscriptions/{kept}/cancel")).expect(200)
        await checked.advance(1)
    finally:
        await runner.cleanup()

    listed = (await checked.get("/v1/events?limit=100")).expect(200)["data"]
    assert {event["type"] for event in listed} == set(GATEWAY.component("EventType")["enum"])
    by_id = {event["id"]: event for event in listed}
    promised = GATEWAY.document["webhooks"]["event"]["post"]
    for headers, body in told:
        assert body == by_id[body["id"]]
        given = {name.lower(): value for name, value in headers.items()}
        for parameter in promised["parameters"]:
            GATEWAY.check_value(parameter["name"], parameter["schema"], given[parameter["name"]])
    assert {body["id"] for _, body in told} == by_id.keys()
    for event_id in by_id:
        (await checked.get(f"/v1/events/{event_id}/deliveries")).expect(200)
    await checked.get("/_gatecrash/journal?limit=1000")
    await checked.get("/_gatecrash/books")
    charges = (await checked.get("/_gatecrash/charges")).expect(200)["data"]
    assert any(charge["refunds"] for charge in charges)
    facts = (await checked.get("/_gatecrash/facts")).expect(200)["data"]
    assert [fact["event_id"] for fact in facts] == [event["id"] for event in listed]
    assert [fact["what"] for fact in facts] == [event["type"] for event in listed]


async def test_at_the_end_of_time_what_ends_later_is_still_in_the_contract(checked: CheckedClient) -> None:
    (await checked.post("/_gatecrash/clock", {"mode": "frozen", "now": "9999-12-31T23:59:59.999Z"})).expect(200)
    token = (await checked.post("/v1/client_tokens")).expect(201)
    assert token["expires_at"] == "9999-12-31T23:59:59.999Z"
    (await checked.post("/_gatecrash/clock/advance", {"seconds": 1})).refused(400, "parameter_invalid", "seconds")


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/v1/charges?status=null", "status"),
        ("/_gatecrash/journal?kind=null", "kind"),
        ("/_gatecrash/journal?limit=null", "limit"),
        ("/_gatecrash/journal?after=9007199254740992", "after"),
        ("/_gatecrash/journal?after=99999999999999999999", "after"),
    ],
)
async def test_a_query_is_taken_at_its_word(checked: CheckedClient, path: str, param: str) -> None:
    reply = (await checked.get(path)).refused(400, "parameter_invalid", param)
    assert reply["detail"].startswith(f"{param} was ")


async def test_a_filter_by_the_word_null_is_a_filter_like_any_other(checked: CheckedClient) -> None:
    await checked.charge()
    assert (await checked.get("/v1/charges?order_id=null")).expect(200)["data"] == []
    await checked.charge(order_id="null")
    assert len((await checked.get("/v1/charges?order_id=null")).expect(200)["data"]) == 1


async def test_the_checker_finds_what_the_contract_does_not_have(checked: CheckedClient) -> None:
    reply = await checked.get("/_gatecrash/clock")
    headers, request = dict(reply.headers), ("GET", "/_gatecrash/clock")
    for breach, (status, given, body) in {
        "answered 204": (204, headers, b""),
        "lacks the header request-id": (200, {"Content-Type": "application/json"}, reply.raw),
        "carries headers": (200, headers | {"Retry-After": "1"}, reply.raw),
        "came as 'text/html'": (200, headers | {"Content-Type": "text/html"}, reply.raw),
        "Additional properties": (200, headers, b'{"surprise": 1,' + reply.raw[1:]),
        "header request-id": (200, headers | {"Request-Id": "7"}, reply.raw),
    }.items():
        with pytest.raises(Breach, match=breach):
            GATEWAY.check(*request, status, given, body)
    with pytest.raises(Breach, match="is not in the contract"):
        GATEWAY.check("GET", "/_gatecrash/secrets", 200, headers, b"{}")
