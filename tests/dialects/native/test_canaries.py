"""Card numbers sent wherever one can send them; then every file, log, answer and journal entry is searched for them."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from tests.support.cards import card, token_of
from tests.support.client import Client, Reply
from tests.support.process import ServerProcess

Start = Callable[..., ServerProcess]

HOLDER = "Canary Holdersson"
REAL_LOOKING = "4539578763621486"
NUMBERS = ("4242424242424242", "4000000000000002", "378282246310005", REAL_LOOKING, "000123456789")
DRESSES = (
    "{0}", "{0} 12/40", "{0} 123", "{1}", "{2}", "{2}-12", "x{0}y",
)  # fmt: skip


def dressed(number: str) -> list[str]:
    """The number as people write it; one that is no test number counts where it is no id: in blanks, as printed."""
    groups = re.findall("..?.?.?", number)
    if number == REAL_LOOKING:
        return [" ".join(groups), f"{' '.join(groups)} 12/40"]
    return [dress.format(number, " ".join(groups), "-".join(groups)) for dress in DRESSES]


def escaped(text: str) -> str:
    return "".join(f"\\u{ord(char):04x}" for char in text)


async def scatter(client: Client, number: str) -> list[Reply]:
    """Send a card number to where it belongs, and to everywhere it does not."""
    replies = [
        await client.post("/v1/tokens", token_of(number, holder_name=HOLDER), key="pk", idem=f"t-{number[-6:]}"),
        await client.post("/v1/tokens", {"card": card(number, holder_name=HOLDER, cvc="8317")}, key="pk", idem=f"u-{number[:6]}"),
    ]
    if replies[0].status == 201:
        replies.append(await client.try_charge(payment_nonce=replies[0]["id"], idem=f"c-{number[:6]}"))
    for key in ("sk", "pk"):
        replies.append(await client.post("/v1/tokens", {"card": card(number), number: number}, key=key))
        replies.append(await client.post("/v1/tokens", {"card": number}, key=key))
        replies.append(await client.post("/v1/tokens", raw=f'{{"card": {{"number": "{number}'.encode(), key=key))
    for text in dressed(number):
        for value in (json.dumps(text), f'"{escaped(text)}"'):
            for body in (
                f'{{"amount":1,"currency":"usd","payment_nonce":{value}}}',
                f'{{"amount":1,"currency":"usd","payment_nonce":"n","order_id":{value}}}',
                f'{{"amount":1,"currency":"usd","payment_nonce":"n","metadata":{{"a":{value}}}}}',
                f'{{"amount":1,"currency":"usd","payment_nonce":"n","metadata":{{{value}:"a"}}}}',
                f'{{"amount":{number},"currency":"usd","payment_nonce":"n"}}',
                f"{{{value}:{value}}}",
            ):
                replies.append(await client.post("/v1/charges", raw=body.encode()))
        replies.append(await client.post("/v1/client_tokens", idem=text))
        replies.append(await client.post("/v1/webhook_endpoints", {"url": "http://127.0.0.1:9/", "description": text}))
        replies.append(await client.post("/v1/webhook_endpoints", {"url": f"http://127.0.0.1:9/{text}", "events": [text]}))
        quoted = text.replace(" ", "%20").replace("/", "%2F")
        for path in (f"/v1/charges/{quoted}", f"/v1/charges?order_id={quoted}", f"/v1/{quoted}", f"/errors/{quoted}"):
            replies.append(await client.get(path))
        replies.append(await client.get("/v1/charges", headers={"Gatecrash-Fault": text}))
        replies.append(await client.get("/v1/charges", key=f"sk_test_{quoted}/"))
    return replies


def holds_card(content: bytes, number: str) -> bool:
    return re.search("[ -]*".join(number).encode(), content) is not None


@pytest.mark.asyncio
@pytest.mark.parametrize("number", NUMBERS)
async def test_a_card_number_is_nowhere_but_in_the_vault(
    number: str, tmp_path: Path, http: aiohttp.ClientSession, start_server: Start
) -> None:
    data = tmp_path / "data"
    server = start_server("--data", str(data))
    client = Client(http, server.url)
    replies = await scatter(client, number)
    assert {reply.status for reply in replies} <= {200, 201, 400, 401, 402, 403, 404}
    for reply in replies:
        assert not holds_card(reply.raw, number), reply.raw
        assert HOLDER.encode() not in reply.raw
    journal = json.dumps(await client.journal())
    assert server.stop() == 0
    kept = {path.name: path.read_bytes() for path in data.iterdir()}
    kept |= {"journal": journal.encode(), "log": server.log.encode()}
    assert "gatecrash.sqlite3" in kept
    for name, content in kept.items():
        assert not holds_card(content, number), name
        assert HOLDER.encode() not in content, name
        assert b"8317" not in content or name in ("gatecrash.sqlite3", "vault.key"), name


@pytest.mark.asyncio
async def test_the_files_hold_no_card_while_the_gateway_runs_or_after_it_was_killed(
    tmp_path: Path, http: aiohttp.ClientSession, start_server: Start
) -> None:
    data = tmp_path / "data"
    server = start_server("--data", str(data))
    client = Client(http, server.url)
    for number in NUMBERS[:3]:
        await client.try_charge(payment_nonce=await client.make_nonce(number, holder_name=HOLDER))
    running = {path.name: path.read_bytes() for path in data.iterdir()}
    server.process.kill()
    server.process.wait()
    for content in (*running.values(), *(path.read_bytes() for path in data.iterdir())):
        assert HOLDER.encode() not in content
        assert not any(holds_card(content, number) for number in NUMBERS)
