"""Bad input: the problem shape, the right status, the field by name, what to do; and nothing has changed."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from tests.support.cards import card
from tests.support.client import Client
from tests.support.gateway import LiveGateway

pytestmark = pytest.mark.asyncio

CHARGES = "/v1/charges"
CHARGE = {"amount": 4200, "currency": "usd"}


class Bad(NamedTuple):
    """A call that is to be refused. `body` gets a fresh nonce unless it brings its own; `raw` is sent as it is."""

    why: str
    status: int
    code: str
    param: str | None
    says: str
    path: str = CHARGES
    body: Any = None
    raw: bytes | None = None
    key: str | None = "sk"
    idem: str | None = None
    headers: dict[str, str] = {}  # noqa: RUF012 - a default that nobody changes


def amount(value: Any, shown: str) -> Bad:
    return Bad(
        f"amount {shown}",
        400,
        "amount_invalid",
        "amount",
        "integer of minor units from 1 to 99999999",
        body=CHARGE | {"amount": value},
    )


def token(why: str, code: str, param: str, says: str, value: Any) -> Bad:
    return Bad(why, 400, code, param, says, path="/v1/tokens", body={"card": value}, key="pk")


def malformed(why: str, raw: bytes, says: str = "one JSON object") -> Bad:
    return Bad(why, 400, "body_malformed", None, says, raw=raw)


HOLD_STILL = ("/v1/charges", "/v1/events", "/v1/webhook_endpoints", "/_gatecrash/books")
UNITS = "integer of minor units from 1 to 99999999"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TEXT = {"Content-Type": "text/plain"}
UNFINISHED = {"number": "4242424242424242", "exp_month": 1, "exp_year": 2040}
BASIC = {"Authorization": "Basic eDp5"}
NO_TOKEN = {"Authorization": "Bearer "}
EMPTY = {"Idempotency-Key": ""}

CALLS = [
    # malformed JSON
    malformed("JSON that ends early", b'{"amount":'),
    malformed("no JSON at all", b"amount=4200&currency=usd"),
    malformed("no UTF-8", b'{"amount": "\xff"}'),
    malformed("an array", b"[]", "an array"),
    malformed("null", b"null", "null"),
    malformed("two objects", b"{}{}"),
    malformed("a number beyond numbers", b'{"amount": 1e999}'),
    malformed("NaN", b'{"amount": NaN}'),
    malformed("half a surrogate", b'{"currency": "\\ud800"}'),
    malformed("nested beyond reason", b'{"a":' * 100_000, "nested too deeply"),
    # wrong types and unknown fields
    Bad("currency a number", 400, "parameter_invalid", "currency", "expected a string", body=CHARGE | {"currency": 840}),
    Bad("capture a word", 400, "parameter_invalid", "capture", "expected true or false", body=CHARGE | {"capture": "yes"}),
    Bad("order_id a number", 400, "parameter_invalid", "order_id", "expected a string", body=CHARGE | {"order_id": 17}),
    Bad("order_id endless", 400, "parameter_invalid", "order_id", "length <= 255", body=CHARGE | {"order_id": "x" * 9999}),
    Bad("metadata a list", 400, "parameter_invalid", "metadata", "expected an object", body=CHARGE | {"metadata": []}),
    Bad("metadata deep", 400, "parameter_invalid", "metadata", "a string", body=CHARGE | {"metadata": {"a": {"b": "c"}}}),
    Bad("payment_nonce an object", 400, "parameter_invalid", "payment_nonce", "a string", body=CHARGE | {"payment_nonce": {}}),
    Bad("an unknown field", 400, "parameter_unknown", "ammount", "known are: amount, currency", body=CHARGE | {"ammount": 1}),
    Bad("no currency", 400, "parameter_missing", "currency", "this call needs it", body={"amount": 4200}),
    Bad("no body", 400, "parameter_missing", "amount", "this call needs it", raw=b""),
    Bad("id in body and path", 400, "parameter_unknown", "id", "in the path", "/v1/charges/txn_1/capture", {"id": "txn_2"}),
    Bad("a parameter in the query", 400, "parameter_unknown", "amount", "into the body", f"{CHARGES}?amount=4200", CHARGE),
    # currencies and amounts
    Bad("unknown currency", 400, "currency_unknown", "currency", "lower-case ISO 4217", body=CHARGE | {"currency": "xyz"}),
    Bad("currency in capitals", 400, "currency_unknown", "currency", "write it as 'usd'", body=CHARGE | {"currency": "USD"}),
    *(
        amount(value, str(value))
        for value in (0, -1, 100_000_000, 10**25, 299.5, 0.5, -4200, 1e15, "4200", "", True, None, [4200])
    ),
    # keys of idempotency
    Bad("an over-long key", 400, "idempotency_key_invalid", "Idempotency-Key", "1 to 255", body=CHARGE, idem="x" * 256),
    Bad("an open quote", 400, "idempotency_key_invalid", "Idempotency-Key", "close the quote", body=CHARGE, idem='"x'),
    Bad("an empty key", 400, "idempotency_key_invalid", "Idempotency-Key", "is empty", body=CHARGE, headers=EMPTY),
    # keys of the API
    Bad("no key", 401, "key_missing", None, "Bearer sk_test_NAME", body=CHARGE, key=None),
    Bad("basic authentication", 401, "key_missing", None, "Bearer", body=CHARGE, key=None, headers=BASIC),
    Bad("no word after Bearer", 401, "key_missing", None, "Bearer", body=CHARGE, key=None, headers=NO_TOKEN),
    Bad("a key of nobody", 401, "key_invalid", None, "sk_test_NAME", body=CHARGE, key="sk_live_abc"),
    Bad("a name with a slash", 401, "key_invalid", None, "letters, digits", body=CHARGE, key="sk_test_a/b"),
    Bad("a name too long", 401, "key_invalid", None, "1 to 64", body=CHARGE, key="sk_test_" + "x" * 65),
    Bad("publishable key at charges", 403, "publishable_key_not_allowed", None, "use the secret key", body=CHARGE, key="pk"),
    Bad("secret key at tokens", 403, "secret_key_not_allowed", None, "from the browser", "/v1/tokens", {"card": card()}),
    Bad("no secret for client tokens", 403, "publishable_key_not_allowed", None, "secret key", "/v1/client_tokens", {}, key="pk"),
    # cards
    token("a card that fails Luhn", "card_number_invalid", "card.number", "fails the Luhn check", card("4242424242424241")),
    token("letters in a card", "card_number_invalid", "card.number", "not all digits", card("4242abcd42424242")),
    token("a short card", "card_number_invalid", "card.number", "12 to 19", card("42")),
    token("a real-looking card", "card_not_a_test_card", "card.number", "published test card", card("4539578763621486")),
    token("an expired card", "card_expired", "card.exp_year", "in this sandbox it is 01/2026", card(exp_month=12, exp_year=2025)),
    token("month thirteen", "parameter_invalid", "card.exp_month", "<= 12", card(exp_month=13)),
    token("no security code", "parameter_missing", "card.cvc", "needs it", UNFINISHED),
    token("a security code of letters", "parameter_invalid", "card.cvc", "matches", card(cvc="abc")),
    token("a field a card lacks", "parameter_unknown", "card.pin", "known are", card(pin="1234")),
    token("a card that is a number", "parameter_invalid", "card", "an object", 4242424242424242),
    Bad("a card sent by a server", 400, "card_number_in_request", "metadata.card", "POST /v1/tokens only",
        body=CHARGE | {"metadata": {"card": "4242 4242 4242 4242 12/40"}}),
    Bad("a card as the nonce", 400, "card_number_in_request", "payment_nonce", "nonce here",
        body=CHARGE | {"payment_nonce": "4242424242424242"}),
    Bad("a card in escapes", 400, "card_number_in_request", "order_id", "POST /v1/tokens only",
        raw=b'{"order_id": "' + b"".join(b"\\u00%02x" % ord(digit) for digit in "4242424242424242") + b'"}'),
    Bad("a card in full-width digits", 400, "card_number_in_request", "order_id", "POST /v1/tokens only",
        body=CHARGE | {"order_id": "".join(chr(0xFF10 + int(digit)) for digit in "4242424242424242")}),
    # a character that text columns of databases cannot keep
    Bad("U+0000 in a value", 400, "parameter_invalid", "order_id", "U+0000", body=CHARGE | {"order_id": "a\0b"}),
    Bad("U+0000 in a name", 400, "parameter_invalid", "metadata.a\\u0000", "U+0000", body=CHARGE | {"metadata": {"a\0": "b"}}),
    Bad("U+0000 in a holder's name", 400, "parameter_invalid", "card.holder_name", "U+0000", "/v1/tokens",
        {"card": card(holder_name="A\0da")}, key="pk"),
    Bad("U+0000 in a path", 400, "parameter_invalid", "id", "U+0000", "/v1/charges/txn%00/capture", {}),
    Bad("U+0000 in a rule", 400, "parameter_invalid", "match.order_id", "U+0000", "/_gatecrash/faults",
        {"station": "request.received", "kind": "hang", "match": {"order_id": "\0"}}),
    Bad("U+0000 in a seed", 400, "parameter_invalid", "seed", "U+0000", "/_gatecrash/sandboxes", {"seed": "\0"}),
    # nonces
    Bad("a nonce of nobody", 400, "nonce_unknown", "payment_nonce", "/v1/tokens", body=CHARGE | {"payment_nonce": "nonce_x"}),
    # content types, routes, methods
    Bad("a form", 415, "content_type_unsupported", "Content-Type", "application/json", body=CHARGE, headers=FORM),
    Bad("text", 415, "content_type_unsupported", "Content-Type", "application/json", body=CHARGE, headers=TEXT),
    Bad("no such route", 404, "route_unknown", None, "GET /docs", "/v1/payments", {}),
    Bad("a slash too many", 404, "route_unknown", None, "leave the surplus slashes out: /v1/charges.", "/v1/charges/", {}),
    Bad("post where one may only get", 405, "method_not_allowed", None, "allowed: GET", "/v1/refunds", {}),
    Bad("a fault header of nonsense", 400, "fault_rule_invalid", "Gatecrash-Fault", "STATION=KIND", body=CHARGE,
        headers={"Gatecrash-Fault": "whatever"}),
    # size
    Bad("a body over 1 MiB", 413, "body_too_large", None, "1048576 bytes", raw=b'{"amount": 1}' + b" " * 1_048_576),
]  # fmt: skip


@pytest_asyncio.fixture
async def settled(client: Client) -> AsyncIterator[Client]:
    """A sandbox where something has happened; whatever the test does, all of it is as it was."""
    nonce, spare = [await client.make_nonce() for _ in range(2)]
    (await client.try_charge(payment_nonce=nonce, order_id="before", idem="before")).expect(201)
    before = [(await client.get(path)).raw for path in HOLD_STILL]
    client.spare = spare  # type: ignore[attr-defined]
    yield client
    after = [(await client.get(path)).raw for path in HOLD_STILL]
    assert after == before
    (await client.try_charge(payment_nonce=spare)).expect(201)


@pytest.mark.parametrize("bad", CALLS, ids=lambda bad: bad.why)
async def test_it_is_refused_by_name_and_changes_nothing(settled: Client, bad: Bad) -> None:
    body = bad.body
    if isinstance(body, dict) and bad.path == CHARGES:
        body = {"payment_nonce": settled.spare, **body}  # type: ignore[attr-defined]
    reply = await settled.call("POST", bad.path, body, key=bad.key, idem=bad.idem, headers=bad.headers, raw=bad.raw)
    reply.refused(bad.status, bad.code, bad.param)
    assert bad.says in reply["detail"]
    assert len(reply["detail"]) < 400
    assert "Idempotent-Replayed" not in reply.headers
    for secret in (b"4242424242424242", b"4539578763621486", b"4242424242424241"):
        assert secret not in reply.raw
    assert ("WWW-Authenticate" in reply.headers) == (bad.status == 401)
    assert ("Allow" in reply.headers) == (bad.status == 405)


async def test_a_body_over_1_mib_in_chunks_is_refused(settled: Client) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(65):
            yield b" " * 16_384

    (await settled.call("POST", CHARGES, raw=chunks())).refused(413, "body_too_large")


async def test_a_body_of_1_mib_is_read(client: Client) -> None:
    (await client.post("/v1/client_tokens", raw=b"{}" + b" " * (1_048_576 - 2))).expect(201)


@pytest.mark.parametrize("value", ["299.0", "2.99e2", "299"])
async def test_a_float_that_is_whole_is_an_amount(client: Client, value: str) -> None:
    raw = f'{{"amount": {value}, "currency": "usd", "payment_nonce": "{await client.make_nonce()}"}}'
    reply = (await client.post(CHARGES, raw=raw.encode())).expect(201)
    assert b'"amount":299,' in reply.raw


async def test_the_largest_amount_is_an_amount(client: Client) -> None:
    assert (await client.charge(amount=99_999_999))["amount_captured"] == 99_999_999


async def test_json_needs_no_content_type_and_any_charset(client: Client) -> None:
    for content_type in ("application/json", "application/json; charset=utf-8", "Application/JSON"):
        (await client.post("/v1/client_tokens", raw=b"{}", headers={"Content-Type": content_type})).expect(201)


async def test_a_nonce_that_was_used_is_refused(settled: Client) -> None:
    used = (await settled.get(CHARGES))["data"][0]
    reply = (await settled.try_charge(payment_nonce=used["payment_nonce"])).refused(400, "nonce_used", "payment_nonce")
    assert used["id"] in reply["detail"]
    assert "repeat its Idempotency-Key" in reply["detail"]


async def test_a_nonce_that_expired_is_refused(client: Client, gateway: LiveGateway) -> None:
    nonce = await client.make_nonce()
    gateway.clock.advance(3 * 3600)
    reply = (await client.try_charge(payment_nonce=nonce)).refused(400, "nonce_expired", "payment_nonce")
    assert "collect the card again" in reply["detail"]
    assert (await client.books())["accounts"] == []


async def test_a_nonce_of_another_sandbox_is_unknown(settled: Client) -> None:
    theirs = await settled.other().make_nonce()
    (await settled.try_charge(payment_nonce=theirs)).refused(400, "nonce_unknown", "payment_nonce")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE"])
async def test_a_method_that_a_route_lacks_is_refused_with_those_it_has(client: Client, method: str) -> None:
    reply = await client.call(method, CHARGES)
    assert reply.refused(405, "method_not_allowed").headers["Allow"] == "GET, HEAD, OPTIONS, POST"


async def test_every_error_code_is_explained_where_its_type_points(client: Client) -> None:
    refused = await client.post(CHARGES, {"amount": 0})
    explained = (await client.get(refused["type"], key=None)).expect(200)
    assert (explained["code"], explained["status"], explained["title"]) == ("amount_invalid", 400, refused["title"])
    (await client.get("/errors/nothing", key=None)).refused(404, "resource_missing", "code")


async def test_an_id_in_the_query_beside_the_one_in_the_path_is_refused(client: Client) -> None:
    reply = await client.get("/v1/charges/txn_1?id=txn_2")
    assert "in the path" in reply.refused(400, "parameter_unknown", "id")["detail"]
