"""A shop that speaks the toy dialect, and the native client of the same sandbox beside it, for the control API."""

import io
from typing import Any
from urllib.parse import urlencode

import aiohttp

from tests.dialects.toy.dialect import dialect as toy
from tests.support.cards import CARDS
from tests.support.client import Client, Reply
from tests.support.gateway import LiveGateway
from tests.webhooks.receiver import Receiver


def live(path: str = ":memory:", **host: Any) -> LiveGateway:
    """A gateway that speaks toy beside native."""
    from gatecrash.dialects.native import dialect as native

    return LiveGateway(path, dialects={"native": native, "toy": toy}, **host)


class Toy:
    """Speaks to the dialect at `url`, as the sandbox of `control`."""

    def __init__(self, http: aiohttp.ClientSession, url: str, control: Client) -> None:
        self.http, self.url, self.control = http, url, control

    async def call(
        self, method: str, path: str, *, kind: str = "shop", once: str | None = None, headers: dict[str, str] | None = None,
        raw: bytes | None = None, **fields: Any,
    ) -> Reply:  # fmt: skip
        """`fields` are sent as a form, `once` as the dialect's key."""
        sent = {"Toy-Key": f"{kind}_{self.control.sandbox}", **({"Toy-Once": once} if once else {}), **(headers or {})}
        body = io.BytesIO(urlencode(fields).encode() if raw is None else raw) if method == "POST" else None
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        async with self.http.request(method, self.url + path, data=body, headers=sent) as answer:
            return Reply(answer.status, answer.headers.copy(), await answer.read())

    async def post(self, path: str, **fields: Any) -> Reply:
        return await self.call("POST", path, **fields)

    async def get(self, path: str) -> Any:
        return done(await self.call("GET", path))

    async def card(self, name: str = "visa") -> str:
        """What the browser makes of a card."""
        number = CARDS[name]
        return str(done(await self.post("/cards", kind="page", number=number, exp_month=12, exp_year=2040, cvc="123"))["card"])

    async def intent(self, order: str = "o1", amount: int = 4200) -> str:
        return str(done(await self.post("/intents", amount=amount, currency="usd", **{"order[id]": order}))["id"])

    async def paid(self, name: str = "visa", order: str = "o1", **fields: Any) -> Any:
        """An intent that was confirmed with a card."""
        return done(await self.post(f"/intents/{await self.intent(order)}/confirm", card=await self.card(name), **fields))

    async def hook(self, shop: Receiver) -> str:
        """Have the shop told of everything; the secret that signs."""
        return str(done(await self.post("/hooks", url=shop.url))["secret"])


def done(reply: Reply) -> Any:
    """What is in the envelope of an answer that is no refusal."""
    body = reply.expect(200).json
    assert (body["toy"], body["ok"]) == (1, True), body
    return body["result"]


def refused(reply: Reply, status: int, why: str) -> Any:
    """Assert that this is a refusal in the toy dialect's envelope, and which."""
    body = reply.expect(status).json
    assert body.keys() == {"toy", "ok", "kind", "why", "say", "asked"}, body
    assert (body["toy"], body["ok"], body["why"]) == (1, False, why), body
    assert body["asked"].startswith("req_")
    return body
