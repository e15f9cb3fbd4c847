"""A rig for the reference merchant: the shop in this process, over a gateway that misbehaves when told."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from standardwebhooks import Webhook

from reference_merchant.app import create_app
from reference_merchant.config import Config
from reference_merchant.decisions import Decisions
from reference_merchant.errors import JsonRunner
from reference_merchant.store import Store
from tests.reference_merchant.stage import Stage
from tests.support import held
from tests.support.gateway import LiveGateway
from tests.support.waiting import eventually

Json = dict[str, Any]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


class FakeGateway:
    """Charges nonces and keeps keys as docs/native-api.md says. A nonce with `declined` in it is declined.

    `faults` are used up in order by charges and refunds: `lost` (done, never answered), `dropped` (neither),
    `hang` (done, answered on `release`), `under way` (done on `release`, though nobody may wait any more), `garbage` (done,
    answered unreadably), or a callable that answers instead. `asked` has every request as (operation, key, body).
    """

    def __init__(self) -> None:
        self.charges: list[Json] = []
        self.refunds: list[Json] = []
        self.results: dict[str, tuple[str, int, Json]] = {}
        self.nonces: set[str] = set()
        self.expired: set[str] = set()
        self.faults: list[Any] = []
        self.asked: list[tuple[str, str | None, Any]] = []
        self.release = asyncio.Event()
        self.released = 0  # how many that were under way are done
        self.url = ""

    def count(self, operation: str) -> int:
        return sum(1 for asked in self.asked if asked[0] == operation)

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.post("/v1/charges", self.create_charge),
                web.get("/v1/charges", self.list_charges),
                web.get("/v1/charges/{id}", self.get_charge),
                web.post("/v1/charges/{id}/refunds", self.create_refund),
                web.get("/v1/refunds", self.list_refunds),
                web.post("/v1/client_tokens", self.client_token),
            ]
        )
        return app

    async def keyed(self, request: web.Request, operation: str, work: Callable[[Json], Any]) -> web.Response:
        raw, key = await request.text(), request.headers.get("Idempotency-Key")
        self.asked.append((operation, key, json.loads(raw)))
        fault = self.faults.pop(0) if self.faults else None
        if callable(fault):
            return fault()  # type: ignore[no-any-return]
        if fault == "dropped":
            return self.cut(request)
        if fault == "under way":  # and goes on, whether anybody still waits for it or not
            await self.release.wait()
        fingerprint = request.path + raw
        if key is not None and key in self.results:
            seen, status, body = self.results[key]
            if seen != fingerprint:
                return problem(422, "idempotency_key_reused")
        else:
            status, body = work(json.loads(raw))
            if key is not None:
                self.results[key] = (fingerprint, status, body)
        self.released += fault == "under way"
        if fault == "lost":
            return self.cut(request)
        if fault == "hang":
            await self.release.wait()
        if fault == "garbage":
            return web.Response(status=status, text='{"object": "cha')
        return web.json_response(body, status=status)

    def cut(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def create_charge(self, request: web.Request) -> web.Response:
        return await self.keyed(request, "charges.create", self.charge)

    def charge(self, body: Json) -> tuple[int, Json]:
        if body["payment_nonce"] in self.expired:
            return 400, {"code": "nonce_expired", "title": "expired"}
        if body["payment_nonce"] in self.nonces:
            return 400, {"code": "nonce_used", "title": "used"}
        self.nonces.add(body["payment_nonce"])
        declined = "declined" in body["payment_nonce"]
        charge = body | {
            "object": "charge",
            "id": f"txn_{len(self.charges) + 1}",
            "status": "failed" if declined else "succeeded",
            "amount_captured": 0 if declined else body["amount"],
            "amount_refunded": 0,
            "decline_code": "insufficient_funds" if declined else None,
        }
        self.charges.append(charge)
        if declined:
            refusal = {"code": "card_declined", "decline_code": "insufficient_funds"}
            return 402, {**refusal, "charge_id": charge["id"]}
        return 201, dict(charge)

    async def list_charges(self, request: web.Request) -> web.Response:
        self.asked.append(("charges.list", None, dict(request.query)))
        found = [each for each in self.charges if each["order_id"] == request.query["order_id"]]
        return web.json_response({"data": found[::-1], "has_more": False})

    async def get_charge(self, request: web.Request) -> web.Response:
        self.asked.append(("charges.get", None, request.match_info["id"]))
        return web.json_response(next(each for each in self.charges if each["id"] == request.match_info["id"]))

    async def create_refund(self, request: web.Request) -> web.Response:
        def work(body: Json) -> tuple[int, Json]:
            charge = next(each for each in self.charges if each["id"] == request.match_info["id"])
            refund = {
                "object": "refund",
                "id": f"re_{len(self.refunds) + 1}",
                "status": "succeeded",
                "charge_id": charge["id"],
                "order_id": charge["order_id"],
                "currency": charge["currency"],
                "amount": body["amount"],
                "reason": body.get("reason"),
            }
            charge["amount_refunded"] += body["amount"]
            self.refunds.append(refund)
            return 201, refund

        return await self.keyed(request, "refunds.create", work)

    async def list_refunds(self, request: web.Request) -> web.Response:
        self.asked.append(("refunds.list", None, dict(request.query)))
        found = [each for each in self.refunds if each["charge_id"] == request.query["charge_id"]]
        return web.json_response({"data": found[::-1], "has_more": False})

    async def client_token(self, request: web.Request) -> web.Response:
        return web.json_response({"client_token": "ct_1", "expires_at": "2026-01-01T00:00:00.000Z"}, status=201)


def problem(status: int, code: str, **headers: str) -> web.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.json_response({"code": code, "status": status}, status=status, headers=named)


class Rig:
    """The shop and its customer. `now` is the shop's clock; `restart` forgets all that was in memory, and keeps the port."""

    def __init__(self, config: Config, http: aiohttp.ClientSession) -> None:
        self.config, self.http = config, http
        self.now = time.time()
        self.decisions: Decisions | None = None
        self.store: Store | None = None  # instead of the file
        self._ids: Iterator[int] = itertools.count(1)
        self._runner: web.AppRunner | None = None
        self._port = 0
        self.url = ""

    async def start(self) -> None:
        app = create_app(
            self.config,
            clock=lambda: self.now,
            ids=lambda prefix: f"{prefix}_{next(self._ids)}",
            decisions=self.decisions,
            store=self.store,
        )
        self._runner = JsonRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        if not self.config.mutant and self.decisions is None:  # a mutant may answer what no shop should
            held.hold(self.url, "merchant")

    async def stop(self) -> None:
        held.let_go(self.url)
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    async def restart(self, **changes: Any) -> None:
        await self.stop()
        self.config = replace(self.config, **changes)
        await self.start()

    async def call(self, method: str, path: str, body: Any = None, **kwargs: Any) -> tuple[int, Any]:
        if body is not None:
            kwargs["json"] = body
        async with self.http.request(method, self.url + path, **kwargs) as response:
            assert response.content_type == "application/json", await response.text()
            return response.status, await response.json()

    async def order(self, **body: Any) -> str:
        status, order = await self.call("POST", "/orders", body or {"amount": 4200, "currency": "usd"})
        assert status == 201, order
        return str(order["id"])

    async def pay(self, order_id: str, nonce: str = "nonce_a") -> tuple[int, Json]:
        return await self.call("POST", "/create-payment", {"order_id": order_id, "payment_nonce": nonce})

    async def see(self, order_id: str) -> Json:
        status, order = await self.call("GET", f"/orders/{order_id}")
        assert status == 200, order
        return dict(order)

    async def until(self, order_id: str, **wanted: Any) -> Json:
        """The order, as soon as it has these values."""

        async def seen() -> Json | None:
            order = await self.see(order_id)
            return order if all(order[name] == value for name, value in wanted.items()) else None

        return dict(await eventually(seen))

    async def event(
        self, event_type: str, data: Json, *, event_id: str = "evt_1", secret: str = SECRET, **changes: Any
    ) -> tuple[int, Json]:
        """Deliver a webhook, signed by the public Standard Webhooks library."""
        raw = json.dumps({"id": event_id, "type": event_type, "timestamp": "2026-01-01T00:00:00Z", "data": data})
        return await self.deliver(raw, event_id=event_id, secret=secret, **changes)

    async def deliver(
        self,
        raw: str,
        *,
        event_id: str,
        secret: str | tuple[str, ...] = SECRET,
        at: float | None = None,
        sent: str | None = None,
    ) -> tuple[int, Json]:
        """Deliver bytes signed by one secret or several, at a time; `sent` is what is sent instead of what was signed."""
        at = self.now if at is None else at
        secrets = (secret,) if isinstance(secret, str) else secret
        headers = {
            "webhook-id": event_id,
            "webhook-timestamp": str(int(at)),
            "webhook-signature": " ".join(Webhook(each).sign(event_id, datetime.fromtimestamp(at, UTC), raw) for each in secrets),
            "Content-Type": "application/json",
        }
        return await self.call("POST", "/webhooks/payment", headers=headers, data=sent or raw)


@pytest_asyncio.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    fake = FakeGateway()
    runner = web.AppRunner(fake.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield fake
    fake.release.set()
    await runner.cleanup()


@pytest.fixture
def config(gateway: FakeGateway, tmp_path: Path) -> Config:
    """Impatient with the gateway, and with a reconciliation that rests unless a test turns it on."""
    return Config(
        gateway_url=gateway.url,
        gateway_secret_key="sk_test_rig",
        webhook_secrets=(SECRET,),
        database=str(tmp_path / "shop.sqlite"),
        gateway_timeout_s=0.5,
        retry_base_s=0.01,
        retry_cap_s=0.05,
        retry_attempts=2,
        reconcile_every_s=3600,
    )


@pytest_asyncio.fixture
async def shop(config: Config) -> AsyncIterator[Rig]:
    async with aiohttp.ClientSession() as http:
        rig = Rig(config, http)
        await rig.start()
        yield rig
        await rig.stop()


@pytest_asyncio.fixture
async def stage(shop: Rig) -> AsyncIterator[Stage]:
    """The shop over the real gateway, with nothing going on by itself but reconciliation."""
    live = LiveGateway(durable=False)
    await live.start()
    stage = Stage(shop, live)
    shop.store = Store()  # outlives the shop's crashes as a file would, and no fsync is waited for
    await stage.open(gateway_timeout_s=20)
    yield stage
    await stage.close()
    await shop.stop()
    shop.store.close()
    await live.stop()
