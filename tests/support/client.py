"""A client of one sandbox: calls by method and path, and the few that every test needs by name."""

import io
import itertools
import json
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.support.cards import token_of

_NAMES = itertools.count(1)


@dataclass(frozen=True)
class Reply:
    """An answer, whole. `reply["field"]` looks into its JSON."""

    status: int
    headers: Any
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def content_type(self) -> str:
        return str(self.headers.get("Content-Type", "")).partition(";")[0]

    def __getitem__(self, field: str) -> Any:
        return self.json[field]

    def expect(self, status: int) -> "Reply":
        assert self.status == status, (self.status, self.raw[:1000])
        return self

    def refused(self, status: int, code: str, param: str | None = None) -> "Reply":
        """Assert that this is a problem of the agreed shape, and which."""
        self.expect(status)
        assert self.content_type == "application/problem+json"
        body = self.json
        shape = {"type", "title", "status", "detail", "code", "request_id"}
        assert shape <= body.keys() <= shape | {"param", "decline_code", "charge_id"}, body
        assert body["code"] == code, body
        assert (body["type"], body["status"]) == (f"/errors/{code}", status)
        assert body.get("param") == param, body
        assert len(body["detail"]) > 20
        assert body["detail"].endswith("."), body["detail"]
        assert body["request_id"].startswith("req_")
        return self


class Client:
    """Speaks as sandbox `sandbox` (by default one nobody else uses) to the gateway at `url`."""

    def __init__(self, http: aiohttp.ClientSession, url: str, sandbox: str | None = None) -> None:
        self.http, self.url = http, url
        self.sandbox = sandbox or f"sb-{next(_NAMES)}"

    def other(self, sandbox: str | None = None) -> "Client":
        """The same gateway, another sandbox."""
        return Client(self.http, self.url, sandbox)

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = "sk",
        idem: str | None = None,
        headers: dict[str, str] | None = None,
        raw: Any = None,
    ) -> Reply:
        """`key`: sk, pk, a whole token, or None for no key. `raw`: bytes or a stream instead of JSON. `idem`: Idempotency-Key."""
        sent = {"Content-Type": "application/json"} if body is not None or raw is not None else {}
        if key is not None:
            sent["Authorization"] = "Bearer " + (f"{key}_test_{self.sandbox}" if key in ("sk", "pk") else key)
        if idem is not None:
            sent["Idempotency-Key"] = idem
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        if isinstance(data, bytes):
            data = io.BytesIO(data)  # aiohttp warns of large bytes
        async with self.http.request(method, self.url + path, data=data, headers=sent | (headers or {})) as answer:
            return Reply(answer.status, answer.headers.copy(), await answer.read())

    async def get(self, path: str, **kwargs: Any) -> Reply:
        return await self.call("GET", path, **kwargs)

    async def post(self, path: str, body: Any = None, **kwargs: Any) -> Reply:
        return await self.call("POST", path, {} if body is None and "raw" not in kwargs else body, **kwargs)

    async def make_nonce(self, card: str = "visa", **changes: Any) -> str:
        reply = await self.post("/v1/tokens", token_of(card, **changes), key="pk")
        return str(reply.expect(201)["id"])

    async def try_charge(self, card: str = "visa", *, idem: str | None = None, **params: Any) -> Reply:
        """Charge a fresh nonce of `card` (or `payment_nonce`, if given); 42.00 usd unless told."""
        nonce = params.pop("payment_nonce", None) or await self.make_nonce(card)
        return await self.post("/v1/charges", {"amount": 4200, "currency": "usd", "payment_nonce": nonce, **params}, idem=idem)

    async def charge(self, card: str = "visa", **params: Any) -> dict[str, Any]:
        return dict((await self.try_charge(card, **params)).expect(201).json)

    async def save(self, card: str = "visa", **changes: Any) -> str:
        """The id of a payment method."""
        nonce = await self.make_nonce(card, **changes)
        return str((await self.post("/v1/payment_methods", {"payment_nonce": nonce})).expect(201)["id"])

    async def subscribe(self, method: str, **params: Any) -> dict[str, Any]:
        """9.00 usd a month, unless told."""
        body = {"payment_method": method, "amount": 900, "currency": "usd", **params}
        return dict((await self.post("/v1/subscriptions", body)).expect(201).json)

    async def told(self) -> list[tuple[str, str]]:
        """Type and time of every event, oldest first."""
        events, after = [], ""
        while True:
            page = (await self.get(f"/v1/events?limit=100{after}")).expect(200)
            events += page["data"]
            if not page["has_more"]:
                return [(event["type"], event["timestamp"]) for event in reversed(events)]
            after = f"&starting_after={events[-1]['id']}"

    async def get_charge(self, charge_id: str) -> dict[str, Any]:
        return dict((await self.get(f"/v1/charges/{charge_id}")).expect(200).json)

    async def advance(self, seconds: float) -> dict[str, Any]:
        """Move the sandbox's clock and do all that falls due on the way."""
        return dict((await self.post("/_gatecrash/clock/advance", {"seconds": seconds})).expect(200).json)

    async def books(self) -> dict[str, Any]:
        return dict((await self.get("/_gatecrash/books")).expect(200).json)

    async def journal(self, kind: str | None = None) -> list[dict[str, Any]]:
        query = "?limit=1000" + (f"&kind={kind}" if kind else "")
        return list((await self.get("/_gatecrash/journal" + query)).expect(200)["data"])

    async def add_fault(self, station: str, kind: str, **rule: Any) -> str:
        """Arm a rule; its id."""
        return str((await self.post("/_gatecrash/faults", {"station": station, "kind": kind, **rule})).expect(201)["id"])
