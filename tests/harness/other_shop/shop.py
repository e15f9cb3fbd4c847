"""A small shop that is put together otherwise than the reference merchant. $TRAITS names its traits, honest ones and bugs.

Without any it charges at once under a key of its attempt, calls the order by a reference of its own at the gateway, hears no
webhooks, and asks again in the background about every call whose outcome it does not know.
"""

import asyncio
import json
import os
import sqlite3
import sys
import time
import uuid
from contextlib import suppress
from typing import Any

import aiohttp
from aiohttp import web

Json = dict[str, Any]
SCHEMA = """
CREATE TABLE IF NOT EXISTS orders
    (id TEXT PRIMARY KEY, amount INTEGER, currency TEXT, status TEXT, parcels INTEGER, refunded INTEGER, charge TEXT,
     later INTEGER);
CREATE TABLE IF NOT EXISTS calls (key TEXT PRIMARY KEY, order_id TEXT, kind TEXT, path TEXT, body TEXT, state TEXT);
"""
#: Answers that say nothing about what was asked for, beside 5xx.
UNDECIDED = (401, 403, 408, 409, 425, 429)


class Shop:
    retry_after_s = 0.0

    def __init__(self) -> None:
        self.traits = set(os.environ.get("TRAITS", "").split(", "))
        self.url, self.secret = os.environ["GATEWAY"], os.environ["KEY"]
        self.db = sqlite3.connect(os.environ["DATABASE"], isolation_level=None)
        self.db.row_factory = sqlite3.Row
        self.db.executescript(SCHEMA)
        self.busy = asyncio.Lock()
        self.processing: set[str] = set()  # orders whose bank has not decided yet
        self.tries: dict[str, int] = {}
        self.not_before: dict[str, float] = {}
        for call in self.db.execute("SELECT key FROM calls WHERE state = 'open'"):
            self.tries[call["key"]] = 1  # at least, in the life before

    # --- routes

    async def place(self, request: web.Request) -> web.Response:
        asked = await request.json()
        order_id = f"o{1 + self.count('orders')}"
        later = asked.get("capture") == "later" or "captures later" in self.traits
        self.db.execute(
            "INSERT INTO orders VALUES (?, ?, ?, 'PENDING', 0, 0, NULL, ?)", (order_id, asked["amount"], asked["currency"], later)
        )
        return web.json_response({"id": order_id}, status=201)

    async def read(self, request: web.Request) -> web.Response:
        order = dict(self.order(request.match_info["id"]))
        if "says nothing of refunds" in self.traits:  # it has no word for them
            order["status"] = "PAID" if "REFUNDED" in order["status"] else order["status"]
        return web.json_response(order)

    async def pay(self, request: web.Request) -> web.Response:
        asked = await request.json()
        order = self.order(asked["order"])
        if order["status"] not in ("PENDING", "FAILED"):
            return self.page(order["id"], 200 if order["charge"] else 409)
        if self.open_calls(order["id"]):
            await self.settle(order["id"])
            return self.page(order["id"]) if self.order(order["id"])["charge"] else self.not_now(order["id"])
        reference = {} if "names no order" in self.traits else {"order_id": f"R-{self.count('calls')}"}
        body = {"amount": order["amount"], "currency": order["currency"], "payment_nonce": asked["nonce"], **reference}
        self.begin(order["id"], "charge", "/v1/charges", body | ({"capture": False} if order["later"] else {}))
        await self.settle(order["id"])
        open_or_unpaid = self.open_calls(order["id"]) or self.last_state(order["id"]) == "unpaid"
        return self.not_now(order["id"]) if open_or_unpaid else self.page(order["id"])

    async def ship(self, request: web.Request) -> web.Response:
        return await self.modify(request, "capture", ("AUTHORIZED", "PARTIALLY_PAID"))

    async def refund(self, request: web.Request) -> web.Response:
        return await self.modify(request, "refund", ("PAID", "PARTIALLY_REFUNDED"))

    async def modify(self, request: web.Request, kind: str, when: tuple[str, ...]) -> web.Response:
        order, asked = self.order(request.match_info["id"]), await request.json()
        if order["status"] not in when:
            return web.json_response({"error": f"the order is {order['status']}"}, status=409)
        path = f"/v1/charges/{order['charge']}/{'capture' if kind == 'capture' else 'refunds'}"
        key = f"{order['id']}-{kind}-{asked['amount']}" if "one key for equal refunds" in self.traits else None
        if not self.one("SELECT count(*) AS n FROM calls WHERE key = ?", key)["n"]:
            self.begin(order["id"], kind, path, {"amount": asked["amount"]}, key)
        elif kind == "refund":  # it thinks that this one was made, too
            self.db.execute("UPDATE orders SET refunded = refunded + ? WHERE id = ?", (asked["amount"], order["id"]))
        await self.settle(order["id"])
        return self.page(order["id"], 202 if self.open_calls(order["id"]) else 200)

    async def webhook(self, request: web.Request) -> web.Response:
        event = await request.json()
        if "refunds again" in self.traits and event["type"] == "refund.succeeded":
            asyncio.create_task(self.give_back_again(event))  # noqa: RUF006 - a bug is not tidy
        return web.json_response({})

    async def give_back_again(self, event: Json) -> None:
        await asyncio.sleep(0.05)
        data = event["data"]
        await self.call("POST", f"/v1/charges/{data['charge_id']}/refunds", {"amount": data["amount"]}, event["id"])

    def page(self, order_id: str, status: int = 200) -> web.Response:
        order = self.order(order_id)
        declined = order["charge"] is None and self.last_state(order_id) == "declined"
        return web.json_response(dict(order), status=402 if declined else status)

    def not_now(self, order_id: str) -> web.Response:
        if "says wait" in self.traits or order_id in self.processing:
            return self.page(order_id, 202)
        return web.json_response({"error": "we cannot take payments just now; please try again later"}, status=503)

    # --- calls to the gateway

    def begin(self, order_id: str, kind: str, path: str, body: Json, key: str | None = None) -> None:
        self.db.execute(
            "INSERT INTO calls VALUES (?, ?, ?, ?, ?, 'open')", (key or str(uuid.uuid4()), order_id, kind, path, json.dumps(body))
        )

    async def settle(self, order_id: str) -> None:
        async with self.busy:
            for call in self.open_calls(order_id):
                if time.monotonic() >= self.not_before.get(call["key"], 0.0):
                    self.tries[call["key"]] = self.tries.get(call["key"], 0) + 1
                    await self.settle_one(call)
                    pause_s = min(60.0, 0.2 * 2 ** self.tries[call["key"]])
                    self.not_before[call["key"]] = time.monotonic() + max(pause_s, self.retry_after_s)

    async def settle_one(self, call: sqlite3.Row) -> None:
        self.retry_after_s = 0.0
        if call["state"] == "reversing":
            return await self.reverse(call)
        body, key = json.loads(call["body"]), call["key"]
        if call["kind"] == "charge":  # keys are forgotten after a day, so it looks first
            status, found = await self.call("GET", "/v1/charges?limit=100", None, None)
            made = [each for each in found.get("data", ()) if each["payment_nonce"] == body["payment_nonce"]]
            if made or status != 200:
                return await self.done(call, made[0]) if made else None
        if "sends refunds twice" in self.traits and call["kind"] == "refund":
            key = None
        status, answer = await self.call("POST", call["path"], body, key)
        if status in (200, 201):
            await self.done(call, answer)
        elif status == 429 and call["kind"] == "charge" and "gives up" in self.traits:
            self.end(call, "unpaid")  # nothing was asked of the bank, and the customer is told so
        elif 400 <= status < 500 and status not in UNDECIDED:
            self.refused(call)
        return None

    async def reverse(self, call: sqlite3.Row) -> None:
        """Give back what was taken: the customer was told that nothing came of it."""
        charge = self.order(call["order_id"])["charge"]
        way = "void" if self.order(call["order_id"])["later"] else "refunds"
        status, _ = await self.call("POST", f"/v1/charges/{charge}/{way}", {}, f"reverse-{call['key']}")
        if status < 300:
            self.end(call, "unpaid")
            self.db.execute("UPDATE orders SET status = 'FAILED', charge = NULL WHERE id = ?", (call["order_id"],))

    async def done(self, call: sqlite3.Row, answer: Json) -> None:
        order, amount = self.order(call["order_id"]), json.loads(call["body"]).get("amount", 0)
        if call["kind"] == "charge" and answer["status"] == "processing":
            self.processing.add(call["order_id"])  # a bank takes its time: it is looked after again
            return None
        if call["kind"] == "charge" and answer["status"] not in ("succeeded", "authorized"):
            return self.refused(call)
        self.end(call, "done")
        if call["kind"] == "charge" and "reverses" in self.traits and self.tries[call["key"]] > 1:
            self.end(call, "reversing")
            self.db.execute("UPDATE orders SET charge = ? WHERE id = ?", (answer["id"], order["id"]))
            await self.reverse(self.one("SELECT * FROM calls WHERE key = ?", call["key"]))
        elif call["kind"] == "charge":
            status = "PAID" if answer["status"] == "succeeded" else "AUTHORIZED"
            self.db.execute("UPDATE orders SET status = ?, charge = ? WHERE id = ?", (status, answer["id"], order["id"]))
            self.db.execute("UPDATE orders SET parcels = 1 WHERE id = ? AND status = 'PAID'", (order["id"],))
        elif call["kind"] == "capture":
            status = "PAID" if answer["amount_captured"] == order["amount"] else "PARTIALLY_PAID"
            self.db.execute("UPDATE orders SET status = ?, parcels = parcels + 1 WHERE id = ?", (status, order["id"]))
        else:
            refunded = order["refunded"] + amount
            status = "REFUNDED" if refunded >= order["amount"] else "PARTIALLY_REFUNDED"
            self.db.execute("UPDATE orders SET status = ?, refunded = ? WHERE id = ?", (status, refunded, order["id"]))
        return None

    def refused(self, call: sqlite3.Row) -> None:
        self.end(call, "declined")
        if call["kind"] == "charge" and "stays open" not in self.traits:
            self.db.execute("UPDATE orders SET status = 'FAILED' WHERE id = ?", (call["order_id"],))

    def end(self, call: sqlite3.Row, state: str) -> None:
        self.db.execute("UPDATE calls SET state = ? WHERE key = ?", (state, call["key"]))

    async def call(self, method: str, path: str, body: Json | None, key: str | None) -> tuple[int, Json]:
        headers = {"Authorization": f"Bearer {self.secret}", **({"Idempotency-Key": key} if key else {})}
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.5)) as session,
                session.request(method, self.url + path, json=body, headers=headers) as answer,
            ):
                self.retry_after_s = float(answer.headers.get("Retry-After", 0))
                return answer.status, await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return 599, {}

    # --- the background

    async def run(self) -> None:
        while "never asks again" not in self.traits:
            await asyncio.sleep(0.2)
            for (order_id,) in self.db.execute(
                "SELECT DISTINCT order_id FROM calls WHERE state IN ('open', 'reversing')"
            ).fetchall():
                with suppress(Exception):
                    await self.settle(order_id)
            if "captures later" in self.traits:
                for order in self.db.execute("SELECT * FROM orders WHERE status = 'AUTHORIZED'").fetchall():
                    if not self.open_calls(order["id"]):
                        self.begin(order["id"], "capture", f"/v1/charges/{order['charge']}/capture", {"amount": order["amount"]})

    # --- the books

    def one(self, query: str, *values: Any) -> sqlite3.Row:
        row: sqlite3.Row = self.db.execute(query, values).fetchone()
        return row

    def count(self, table: str) -> int:
        return int(self.one(f"SELECT count(*) AS n FROM {table}")["n"])  # noqa: S608 - the names are above

    def order(self, order_id: str) -> sqlite3.Row:
        return self.one("SELECT * FROM orders WHERE id = ?", order_id)

    def open_calls(self, order_id: str) -> list[sqlite3.Row]:
        query = "SELECT * FROM calls WHERE order_id = ? AND state IN ('open', 'reversing')"
        return self.db.execute(query, (order_id,)).fetchall()

    def last_state(self, order_id: str) -> str:
        query = (
            "SELECT coalesce((SELECT state FROM calls WHERE order_id = ? AND kind = 'charge' ORDER BY rowid DESC), '') AS state"
        )
        return str(self.one(query, order_id)["state"])


def make() -> web.Application:
    shop, app = Shop(), web.Application()

    async def background(_: web.Application) -> Any:
        task = asyncio.create_task(shop.run())
        yield
        task.cancel()

    app.cleanup_ctx.append(background)
    app.add_routes(
        [
            web.get("/healthz", lambda _: _ok()),
            web.post("/orders", shop.place),
            web.get("/orders/{id}", shop.read),
            web.post("/pay", shop.pay),
            web.post("/orders/{id}/ship", shop.ship),
            web.post("/orders/{id}/refund", shop.refund),
            web.post("/webhooks", shop.webhook),
        ]
    )
    return app


async def _ok() -> web.Response:
    return web.json_response({})


if __name__ == "__main__":
    web.run_app(make(), host="127.0.0.1", port=int(sys.argv[1]))
