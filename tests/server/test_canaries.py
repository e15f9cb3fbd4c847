"""Card numbers, security codes and secrets, put in right and wrong places amid crashes; then looked for everywhere."""

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.server.aid import insist, lost, pid_of
from tests.support.cards import card, token_of
from tests.support.client import Client, Reply
from tests.support.process import ServerProcess
from tests.support.waiting import eventually
from tests.webhooks.receiver import Receiver

# approved, declined, of another length; accounts; and a real-looking one that is no test card
REAL_LOOKING = "4539578763621486"
NUMBERS = (
    "4242424242424242", "5555555555554444", "378282246310005", "4000000000009995", "000123456789", "000222222227",
    REAL_LOOKING,
)  # fmt: skip
CVC = "7391"


def spaced(number: str, mark: str = " ") -> str:
    return mark.join(number[at : at + 4] for at in range(0, len(number), 4))


def spellings(number: str) -> list[bytes]:
    return [text.encode() for text in (number, spaced(number), spaced(number, "-"), "".join(f"\\u{ord(c):04x}" for c in number))]


def held_in(raw: bytes) -> list[str]:
    """Which of the numbers are in there, in any spelling."""
    return [number for number in NUMBERS if any(spelling in raw for spelling in spellings(number))]


def test_the_search_finds_what_it_looks_for() -> None:
    for number in NUMBERS:
        for raw in (f"x{number}y", spaced(number), spaced(number, "-"), json.dumps({"n": number})):
            assert held_in(raw.encode()) == [number]


def texts(path: Path) -> Iterator[str]:
    """Every value of every table, as text."""
    with sqlite3.connect(path) as db:
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in db.execute(f"SELECT * FROM {table}"):  # noqa: S608
                yield from (value.decode(errors="replace") if isinstance(value, bytes) else str(value) for value in row)
    db.close()


async def put_everywhere(client: Client, number: str) -> list[Reply]:
    """The number where it may be, and wherever else a careless integration might put it."""
    replies: list[Reply | None] = []

    async def send(method: str, path: str, body: Any = None, **kwargs: Any) -> None:
        replies.append(await lost(client.call(method, path, body, **kwargs)))

    nonce = await client.make_nonce()
    good = {"amount": 4200, "currency": "usd", "payment_nonce": nonce}
    escaped = "".join(f"\\u{ord(digit):04x}" for digit in number)
    # one that is no test number is a card where it stands in blanks, as printed; a word like that is an id
    for text in (spaced(number),) if number == REAL_LOOKING else (number, spaced(number), spaced(number, "-")):
        # where it may be
        await send(
            "POST",
            "/v1/tokens",
            {"card": card(text, cvc=CVC, holder_name="Ada " + CVC)},
            key="pk",
            idem=f"t-{text[-2:]}{len(text)}",
        )
        account = {"routing_number": "110000000", "account_number": text, "holder_name": "Ada " + CVC}
        await send("POST", "/v1/tokens", {"bank_account": account}, key="pk", idem=f"b-{text[-2:]}{len(text)}")
        # in the right place, in the wrong shape
        await send("POST", "/v1/tokens", {"bank_account": {**account, "routing_number": text}}, key="pk")
        await send("POST", "/v1/tokens", {"bank_account": {**account, text: 1}}, key="pk")
        await send("POST", "/v1/tokens", {"bank_account": text}, key="pk")
        await send("POST", "/v1/tokens", {"bank_account": account}, key="sk")
        await send("POST", "/v1/tokens", {"bank_account": account, "card": card(text, cvc=CVC)}, key="pk")
        await send("POST", "/v1/tokens", {"card": card(text, cvc="x")}, key="pk")
        await send("POST", "/v1/tokens", {"card": {"number": text}}, key="pk")
        await send("POST", "/v1/tokens", {"card": text, "cvc": CVC}, key="pk")
        await send("POST", "/v1/tokens", {"card": card(cvc=CVC, holder_name=text)}, key="pk")
        await send("POST", "/v1/tokens", {"card": card(text, cvc=CVC), text: CVC}, key="pk")
        await send("POST", "/v1/tokens", {"card": card(text, cvc=CVC)}, key="sk")
        await send("POST", "/v1/tokens", {"card": card(text, cvc=CVC)}, key=None)
        # in the fields of other calls, in names and in values
        for field in ("order_id", "payment_nonce", "currency", "amount", "capture", "metadata", text):
            await send("POST", "/v1/charges", {**good, field: text})
        for metadata in (
            {"card": text},
            {text: "card"},
            {"note": f"paid with {text}, thanks"},
            {"deep": {"er": text}},
            {"n": [text]},
        ):
            await send("POST", "/v1/charges", {**good, "metadata": metadata})
        await send("POST", "/v1/charges/txn_1/refunds", {"reason": text})
        await send("POST", "/v1/disputes/dp_1/evidence", {"text": f"He paid with {text}."})
        await send("POST", f"/v1/disputes/{text}/accept", {})
        await send("POST", "/v1/payment_methods", {"payment_nonce": text})
        await send("POST", "/v1/subscriptions/sub_1", {"payment_method": text})
        for field in ("payment_method", "amount", "currency", "interval", "order_id", "metadata", text):
            await send("POST", "/v1/subscriptions", {"payment_method": "pm_1", "amount": 900, "currency": "usd", field: text})
        await send("POST", "/v1/webhook_endpoints", {"url": f"http://127.0.0.1:9/{text}", "description": text, "events": [text]})
        await send("POST", "/v1/webhook_endpoints", {"url": "http://127.0.0.1:9/", "description": text})
        await send("POST", "/v1/events/evt_1/resend", {"endpoint_id": text})
        # in what is no JSON, or no object
        for raw in (
            f'{{"card": {{"number": "{text}", "cvc": "{CVC}"',
            f'"{text}"',
            f"[{text}]",
            f"number={text}",
            f'{{"a": {text}x}}',
        ):
            await send("POST", "/v1/charges", raw=raw.encode())
            await send("POST", "/v1/tokens", raw=raw.encode(), key="pk")
        # in headers, paths and queries
        await send("POST", "/v1/charges", good, idem=text)
        await send("POST", "/v1/charges", good, idem=f'"{text}"')
        for header in ("Gatecrash-Fault", "Content-Type", "Request-Id", "X-Card", "Cookie", "User-Agent"):
            await send("POST", "/v1/charges", {"amount": 0}, headers={header: text})
        await send("GET", "/v1/charges", key=f"sk_test_{text}")
        await send("GET", "/v1/charges", key=text)
        for path in (
            "/v1/charges/{}",
            "/v1/refunds/{}",
            "/v1/disputes/{}",
            "/v1/disputes?charge_id={}",
            "/v1/payment_methods/{}",
            "/v1/subscriptions/{}",
            "/v1/subscriptions?status={}",
            "/v1/events/{}/deliveries",
            "/{}",
            "/errors/{}",
            "/_gatecrash/faults/{}",
        ):
            await send("GET", path.format(text))
        await send("DELETE", f"/v1/webhook_endpoints/{text}")
        await send("POST", f"/v1/charges/{text}/capture", {})
        for name in ("order_id", "status", "starting_after", "limit", text):
            await send("GET", f"/v1/charges?{name}={text}")
        await send("GET", f"/_gatecrash/journal?after={text}")
        # in the control API
        await send("POST", "/_gatecrash/clock", {"now": text})
        never = {"order_id": "of nobody"}
        rule = {
            "station": "operation.executed",
            "kind": "status",
            "params": {"status": 500, "body": {"echo": text}},
            "match": never,
        }
        await send("POST", "/_gatecrash/faults", rule)
        await send("POST", "/_gatecrash/faults", {**rule, "params": {"status": 500, "headers": {"X": text}}})
        await send("POST", "/_gatecrash/faults", {**rule, "params": {"status": 500}, "match": {"order_id": text}, "seed": text})
        await send("POST", "/_gatecrash/faults", {"station": text, "kind": text})
    # spelt so that a search of the raw bytes misses it
    await send("POST", "/v1/charges", raw=json.dumps(good).replace('"usd"', f'"usd", "payment_nonce": "{escaped}"').encode())
    hidden = f'{{"\\u0063ard": {{"\\u006eumber": "{escaped}", "exp_month": 1, "exp_year": 2040, "\\u0063vc": "{CVC}"}}}}'
    await send("POST", "/v1/tokens", raw=hidden.encode(), key="pk")
    return [reply for reply in replies if reply is not None]


@pytest.mark.asyncio
async def test_no_card_number_no_security_code_and_no_secret_is_to_be_found(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = ServerProcess(tmp_path, "--data", str(data))
    shop = Receiver((500, {}, f"could not charge {NUMBERS[0]}"))
    await shop.start()
    client = Client(http, server.url, "canaries")
    try:
        endpoint = await shop.register(client)
        rotated = await client.post(f"/v1/webhook_endpoints/{endpoint['id']}/rotate_secret", {}, idem="rotation")
        replies: list[Reply] = []
        for number in NUMBERS:
            secret = {"holder_name": CVC} if number.startswith("000") else {"cvc": CVC}
            for station in ("request.received", "operation.executed", "operation.committed"):
                await client.add_fault(station, "crash", params={"down_s": 0}, match={"operation": "tokens.create"})
                pid = await pid_of(client)
                assert (
                    await lost(client.post("/v1/tokens", token_of(number, **secret), key="pk", idem=f"{station} {number[-4:]}"))
                    is None
                )
                assert await pid_of(client) != pid
            replies += await insist_everywhere(client, number)
            if number != NUMBERS[-1]:
                await client.try_charge(number, idem=f"charge-{number[-4:]}")
                nonce = await client.make_nonce(number)
                saved = await client.post("/v1/payment_methods", {"payment_nonce": nonce}, idem=f"save-{number[-4:]}")
                if saved.status == 201:
                    await client.subscribe(saved["id"])
        await eventually(lambda: client.journal("delivery"))
        page = (await client.get("/_gatecrash/journal?limit=1000")).expect(200)
        journal = page.raw
        while page["has_more"]:
            page = (await client.get(f"/_gatecrash/journal?limit=1000&after={page['data'][-1]['seq']}")).expect(200)
            journal += page.raw
        replies += [
            await client.get(path)
            for path in (
                "/v1/charges",
                "/v1/events",
                "/v1/payment_methods",
                "/v1/subscriptions",
                "/v1/disputes",
                "/v1/webhook_endpoints",
                "/_gatecrash/faults",
            )
        ]
        in_life = {path: path.read_bytes() for path in data.iterdir()}
    finally:
        status = server.stop()
        await shop.stop()
    assert status == 0
    for path, raw in [*in_life.items(), *((path, path.read_bytes()) for path in data.iterdir())]:
        assert held_in(raw) == [], path.name
    assert {path.name for path in in_life} >= {"gatecrash.sqlite3", "gatecrash.sqlite3-wal", "vault.key"}
    assert held_in(server.log.encode()) == []
    assert held_in(journal) == []
    for reply in replies:
        assert held_in(reply.raw) == [], reply.raw
        assert held_in(str(reply.headers).encode()) == []
    assert sum(hit.json["type"] == "charge.succeeded" for hit in shop.hits) >= 3
    assert all(held_in(hit.body) == [] for hit in shop.hits)
    # the code: no such value in any table, in the journal or in an answer
    code = re.compile(rf"(?<![0-9a-z]){CVC}(?![0-9a-z])")
    assert not [text for text in texts(data / "gatecrash.sqlite3") if code.search(text)]
    assert not code.search(journal.decode())
    assert not code.search(server.log)
    # secrets: what signs webhooks is in its own table, and nowhere that anybody reads
    for secret in (endpoint["secret"], rotated["secret"], (data / "vault.key").read_bytes().hex()):
        assert secret.encode() not in journal
        assert secret not in server.log
    assert b"sealed" not in journal
    assert "Traceback" not in server.log, server.log


async def insist_everywhere(client: Client, number: str) -> list[Reply]:
    await insist(lambda: client.get("/readyz"))
    replies = await put_everywhere(client, number)
    assert all(reply.status < 500 for reply in replies), [reply.raw for reply in replies if reply.status >= 500]
    return replies
