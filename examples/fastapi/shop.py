"""A shop in FastAPI that charges each order once, whatever breaks.

    an order     what was agreed: a price, and where it stands (pending, paid, failed)
    an attempt   one try to pay it with one nonce: its key and its exact body, on the disk before the first call
    a parcel     owed from the commit that makes the order paid

Silence is no failure: an attempt whose outcome is unknown stays open, and is asked for again under its own key, until the answer,
a webhook or a look at the gateway tells. All three end in the same `apply`. What a process knows lives in `Shop`, made when it
starts: nothing is kept in a module, so nothing outlives a crash that would not.
"""

import asyncio
import base64
import hmac
import json
import logging
import os
import random
import sqlite3
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import aiosqlite
import httpx
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from pydantic import BaseModel, Field

log = logging.getLogger("shop")  # ids and codes, never a payload
TLS = httpx.create_ssl_context()  # takes a while to make, and holds nothing of a process
TRIES = 3  # while a customer waits; reconciliation has the patience
SAYS_NOTHING = {401, 403, 408, 409, 425, 429}  # of our key, our pace, a twin still at work: not of the attempt
SCHEMA = """
    PRAGMA journal_mode = WAL;
    BEGIN;
    CREATE TABLE IF NOT EXISTS orders (
        id TEXT PRIMARY KEY, amount INTEGER NOT NULL, currency TEXT NOT NULL, status TEXT NOT NULL DEFAULT 'pending');
    CREATE TABLE IF NOT EXISTS attempts (
        id TEXT PRIMARY KEY, order_id TEXT NOT NULL, nonce TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL,
        state TEXT NOT NULL DEFAULT 'open');
    CREATE UNIQUE INDEX IF NOT EXISTS one_open_attempt ON attempts (order_id) WHERE state = 'open';
    CREATE UNIQUE INDEX IF NOT EXISTS nonce_tried_once ON attempts (order_id, nonce);
    CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY);
    CREATE TABLE IF NOT EXISTS parcels (order_id TEXT PRIMARY KEY);
    COMMIT;
"""


class Books:
    """The database. One transaction at a time, and nothing is read outside of one: what is not committed is nobody's business."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        connection.row_factory = sqlite3.Row
        self.connection = connection
        self.lock = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["Books"]:
        async with self.lock:
            await self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self
                await self.connection.execute("COMMIT")
            except BaseException:
                await self.connection.rollback()
                raise

    async def write(self, sql: str, *values: Any) -> int:
        """How many rows that changed."""
        return (await self.connection.execute(sql, values)).rowcount

    async def row(self, sql: str, *values: Any) -> sqlite3.Row | None:
        return await (await self.connection.execute(sql, values)).fetchone()

    async def order(self, order_id: str) -> sqlite3.Row:
        if row := await self.row("SELECT * FROM orders WHERE id = ?", order_id):
            return row
        raise HTTPException(404, "no such order")

    async def attempt(self, attempt_id: str | None) -> sqlite3.Row | None:
        return await self.row("SELECT * FROM attempts WHERE id = ?", attempt_id)


class Answer(BaseModel):
    """What a call means: `succeeded`, `failed`, `refused`, `none` (there surely is no charge) or `unknown`."""

    outcome: str = "unknown"
    charge: dict[str, Any] | None = None
    page: dict[str, Any] = {}
    retry_after_s: float = 0.0


class Shop:
    """What one process knows."""

    def __init__(self, books: Books, gateway: httpx.AsyncClient, env: "os._Environ[str]") -> None:
        self.books, self.gateway = books, gateway
        self.timeout_s = float(env.get("GATEWAY_TIMEOUT_S", "10"))
        self.retry_base_s = float(env.get("RETRY_BASE_S", "0.5"))
        self.retry_cap_s = float(env.get("RETRY_CAP_S", "8"))
        self.reconcile_every_s = float(env.get("RECONCILE_EVERY_S", "30"))
        self.webhook_secrets = env.get("WEBHOOK_SECRETS", "").split()  # two while one is being rotated
        self.locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # one caller for each attempt
        self.pauses: dict[str, tuple[int, float]] = {}  # attempt → tries so far, and when it may be tried again

    # --- paying

    async def begin(self, order_id: str, nonce: str) -> tuple[str | None, bool]:
        """The attempt a click is about, and whether it is new: a second click joins the one that is open."""
        async with self.books.transaction() as books:
            order = await books.order(order_id)
            known = await books.row(
                "SELECT id FROM attempts WHERE order_id = ? AND (state = 'open' OR nonce = ?) ORDER BY state = 'open' DESC",
                order_id, nonce,
            )  # fmt: skip
            if known or order["status"] == "paid":
                return known and known["id"], False
            attempt_id = str(uuid.uuid4())
            charge = {
                "amount": order["amount"], "currency": order["currency"],  # the shop's price, whatever the browser says
                "payment_nonce": nonce, "order_id": order_id, "metadata": {"attempt": attempt_id},
            }  # fmt: skip
            await books.write(
                "INSERT INTO attempts (id, order_id, nonce, key, body) VALUES (?, ?, ?, ?, ?)",
                attempt_id, order_id, nonce, str(uuid.uuid4()), json.dumps(charge),
            )  # fmt: skip
            await books.write("UPDATE orders SET status = 'pending' WHERE id = ?", order_id)
            return attempt_id, True

    async def settle(self, attempt_id: str, *, looks_first: bool) -> None:
        """Find out how an open attempt ended, within bounds: it may still be open afterwards."""
        async with self.locks[attempt_id]:
            for _ in range(TRIES):
                tries, not_before = self.pauses.get(attempt_id, (0, 0.0))
                wait_s = not_before - time.monotonic()
                if wait_s > self.retry_cap_s * 1.25:
                    return
                await asyncio.sleep(max(wait_s, 0.0))
                async with self.books.transaction() as books:
                    attempt = await books.attempt(attempt_id)
                if attempt is None or attempt["state"] != "open":
                    self.pauses.pop(attempt_id, None)
                    return
                answer = await self.find(attempt) if looks_first else Answer(outcome="none")
                if answer.outcome == "none":
                    answer = await self.call("POST", "/v1/charges", attempt["body"], attempt["key"])
                    if answer.outcome == "refused":  # perhaps because an earlier call of ours used the nonce up: look
                        answer = await self.find(attempt)
                        answer.outcome = "failed" if answer.outcome == "none" else answer.outcome
                looks_first = False
                async with self.books.transaction() as books:
                    await self.apply(books, attempt_id, answer.outcome, answer.charge)
                # pauses double, to a cap, with some chance in them
                pause_s = min(self.retry_cap_s, self.retry_base_s * 2 ** min(tries, 20)) * random.uniform(1, 1.25)  # noqa: S311
                self.pauses[attempt_id] = tries + 1, time.monotonic() + max(pause_s, answer.retry_after_s)

    async def call(self, method: str, path: str, body: str | None = None, key: str | None = None) -> Answer:
        """One call, and what it means."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": key} if key else {}
        try:
            async with asyncio.timeout(self.timeout_s):  # for all of it: connecting, and the last byte
                response = await self.gateway.request(method, path, content=body, headers=headers)
            found = response.json()
        except (httpx.HTTPError, TimeoutError, ValueError):
            return Answer()  # it may have happened or not: silence is no failure
        if response.status_code >= 500 or response.status_code in SAYS_NOTHING or not isinstance(found, dict):
            retry_after = response.headers.get("Retry-After", "")
            return Answer(retry_after_s=float(retry_after) if retry_after.isdecimal() else 0.0)
        if response.status_code in (200, 201):
            return Answer(outcome=outcome_of(found), charge=found, page=found)
        return Answer(outcome="failed" if found.get("code") == "card_declined" else "refused")

    async def find(self, attempt: sqlite3.Row) -> Answer:
        """What the gateway shows of an attempt."""
        after = ""
        while True:
            answer = await self.call("GET", f"/v1/charges?order_id={attempt['order_id']}&limit=100{after}")
            charges = answer.page.get("data")
            if not isinstance(charges, list):
                return Answer(retry_after_s=answer.retry_after_s)
            for charge in charges:
                if (charge.get("metadata") or {}).get("attempt") == attempt["id"]:
                    return Answer(outcome=outcome_of(charge), charge=charge)
            if not charges or not answer.page["has_more"]:
                return Answer(outcome="none")
            after = f"&starting_after={charges[-1]['id']}"

    async def apply(self, books: Books, attempt_id: str, outcome: str, charge: dict[str, Any] | None) -> None:
        """What is learned of an attempt, inside a transaction: from whom, in which order and how often does not matter."""
        attempt = await books.attempt(attempt_id)
        if attempt is None:
            return
        order = await books.order(attempt["order_id"])
        if outcome == "succeeded" and charge and attempt["state"] != "succeeded":
            if (charge["amount"], charge["currency"]) != (order["amount"], order["currency"]):
                log.error("charge %s is not what we asked for", charge["id"])
                return
            await books.write("UPDATE attempts SET state = 'succeeded' WHERE id = ?", attempt_id)
            if order["status"] == "paid":
                log.error("charge %s paid for order %s once more", charge["id"], order["id"])
                return
            await books.write("UPDATE orders SET status = 'paid' WHERE id = ?", order["id"])
            await books.write("INSERT INTO parcels (order_id) VALUES (?)", order["id"])
        elif outcome == "failed" and attempt["state"] == "open":
            await books.write("UPDATE attempts SET state = 'failed' WHERE id = ?", attempt_id)
            await books.write("UPDATE orders SET status = 'failed' WHERE id = ? AND status = 'pending'", order["id"])

    async def reconcile(self) -> None:
        """Ask about everything that is open, for ever. This is what makes a crash harmless, and a webhook a convenience."""
        while True:
            try:
                async with self.books.transaction() as books:
                    cursor = await books.connection.execute("SELECT id FROM attempts WHERE state = 'open' ORDER BY rowid")
                    still_open = [row["id"] for row in await cursor.fetchall()]
                for attempt_id in still_open:
                    await self.settle(attempt_id, looks_first=True)
            except Exception:
                log.exception("a round of reconciliation failed; the next one may do better")
            await asyncio.sleep(self.reconcile_every_s)

    # --- webhooks: standardwebhooks.com

    def is_genuine(self, headers: Any, raw: bytes) -> bool:
        """Whether the gateway signed these very bytes, just now."""
        message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not message_id or not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > 300:
            return False
        signed = f"{message_id}.{timestamp}.".encode() + raw
        keys = [base64.b64decode(secret.removeprefix("whsec_")) for secret in self.webhook_secrets]
        ours = [b"v1," + base64.b64encode(hmac.digest(key, signed, "sha256")) for key in keys]
        theirs = headers.get("webhook-signature", "").encode().split()
        return any(hmac.compare_digest(mine, given) for mine in ours for given in theirs)


def outcome_of(charge: dict[str, Any]) -> str:
    return {"succeeded": "succeeded", "failed": "failed"}.get(charge.get("status", ""), "unknown")


# --- HTTP


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    env = os.environ
    headers = {"Authorization": f"Bearer {env['GATEWAY_SECRET_KEY']}"}
    async with (
        aiosqlite.connect(env.get("DATABASE", "shop.sqlite"), isolation_level=None) as connection,
        httpx.AsyncClient(base_url=env["GATEWAY_URL"], headers=headers, timeout=None, verify=TLS) as gateway,  # noqa: S113
    ):
        await connection.executescript(SCHEMA)
        shop = app.state.shop = Shop(Books(connection), gateway, env)
        reconciling = asyncio.create_task(shop.reconcile())
        yield
        reconciling.cancel()


app = FastAPI(title="A shop that charges once", lifespan=lifespan)


def the_shop(request: Request) -> Shop:
    shop: Shop = request.app.state.shop
    return shop


TheShop = Annotated[Shop, Depends(the_shop)]


class Cart(BaseModel):
    amount: int = Field(gt=0, le=99_999_999)
    currency: str = Field(pattern="^[a-z]{3}$")


class Payment(BaseModel):
    order_id: str
    nonce: str


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/orders", status_code=201)
async def place_order(cart: Cart, shop: TheShop) -> dict[str, str]:
    order_id = str(uuid.uuid4())
    async with shop.books.transaction() as books:
        await books.write("INSERT INTO orders (id, amount, currency) VALUES (?, ?, ?)", order_id, cart.amount, cart.currency)
    return {"id": order_id, "status": "pending"}


@app.get("/orders/{order_id}")
async def show_order(order_id: str, shop: TheShop) -> dict[str, Any]:
    async with shop.books.transaction() as books:
        order = await books.order(order_id)
        parcel = await books.row("SELECT * FROM parcels WHERE order_id = ?", order_id)
    return {"id": order_id, "status": order["status"], "parcels": 0 if parcel is None else 1}


@app.post("/pay")
async def pay(payment: Payment, shop: TheShop, response: Response) -> dict[str, str]:
    if not payment.nonce.startswith(
        "nonce_"
    ):  # a page wired wrongly sends a card number: it must not come to rest, nor be echoed
        raise HTTPException(422, "nonce: expected what the card form got from the gateway")
    attempt_id, is_new = await shop.begin(payment.order_id, payment.nonce)
    if attempt_id:
        await shop.settle(attempt_id, looks_first=not is_new)
    async with shop.books.transaction() as books:
        status = (await books.order(payment.order_id))["status"]
    response.status_code = {"paid": 200, "failed": 402, "pending": 202}[status]
    return {"status": status}


@app.post("/webhook")
async def webhook(request: Request, shop: TheShop) -> Response:
    raw = await request.body()  # the bytes as they came: parsed and written again they are others
    if not shop.is_genuine(request.headers, raw):
        raise HTTPException(401, "not signed by the gateway, or not just now")
    event = json.loads(raw)
    async with shop.books.transaction() as books:
        is_new = await books.write("INSERT OR IGNORE INTO events VALUES (?)", request.headers["webhook-id"])
        if is_new and event["type"].startswith("charge."):
            attempt_id = (event["data"].get("metadata") or {}).get("attempt")
            await shop.apply(books, attempt_id, outcome_of(event["data"]), event["data"])
    return Response()  # only now, when it is durable; and also when it was seen before, or it keeps coming
