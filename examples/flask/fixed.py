"""The tutorial's checkout, mended: `diff -u app.py fixed.py` is the lesson.

An attempt to pay, with its key and its exact body, is committed before the call; while its outcome is unknown it stays open and
is asked for again under the same key; and an answer, a webhook and a look at the gateway all end in the same `apply`.
"""

import base64
import hmac
import json
import os
import random
import sqlite3
import threading
import time
import uuid
from collections import defaultdict
from contextlib import contextmanager

import requests
from flask import Flask, g, jsonify, request

app = Flask(__name__)
GATEWAY = os.environ["GATEWAY_URL"]
HEADERS = {"Authorization": f"Bearer {os.environ['GATEWAY_SECRET_KEY']}"}
TIMEOUT_S = float(os.environ.get("GATEWAY_TIMEOUT_S", "10"))
RETRY_BASE_S = float(os.environ.get("RETRY_BASE_S", "0.5"))
RETRY_CAP_S = float(os.environ.get("RETRY_CAP_S", "8"))
RECONCILE_EVERY_S = float(os.environ.get("RECONCILE_EVERY_S", "30"))
WEBHOOK_SECRETS = os.environ.get("WEBHOOK_SECRETS", "").split()  # two while one is being rotated
TRIES = 3  # while a customer waits; reconciliation has the patience
SAYS_NOTHING = {401, 403, 408, 409, 425, 429}  # of our key, our pace, a twin still at work: not of the attempt


def db():
    if "db" not in g:
        g.db = sqlite3.connect(os.environ.get("DATABASE", "shop.sqlite"), timeout=10, isolation_level=None)
        g.db.row_factory = sqlite3.Row
    return g.db


@contextmanager
def transaction():
    """What is read in here is still so when it is written: the lock is taken at the beginning."""
    db().execute("BEGIN IMMEDIATE")
    try:
        yield
        db().execute("COMMIT")
    except BaseException:
        db().execute("ROLLBACK")
        raise


@app.teardown_appcontext
def close(_error):
    if "db" in g:
        g.db.close()


def create_tables():
    db().executescript("""
        PRAGMA journal_mode = WAL;
        CREATE TABLE IF NOT EXISTS orders (
            id INTEGER PRIMARY KEY, amount INTEGER, currency TEXT, status TEXT DEFAULT 'pending', charge_id TEXT);
        -- one try to pay one order with one nonce: all that is needed to make the very same call again
        CREATE TABLE IF NOT EXISTS attempts (
            id TEXT PRIMARY KEY, order_id INTEGER, nonce TEXT, key TEXT, body TEXT, state TEXT DEFAULT 'open');
        CREATE UNIQUE INDEX IF NOT EXISTS one_open_attempt ON attempts (order_id) WHERE state = 'open';
        CREATE UNIQUE INDEX IF NOT EXISTS nonce_tried_once ON attempts (order_id, nonce);
        CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY);
        CREATE TABLE IF NOT EXISTS parcels (id INTEGER PRIMARY KEY, order_id INTEGER UNIQUE);
    """)


def get_order(order_id):
    return db().execute("SELECT * FROM orders WHERE id = ?", (order_id,)).fetchone()


def get_attempt(attempt_id):
    return db().execute("SELECT * FROM attempts WHERE id = ?", (attempt_id,)).fetchone()


@app.get("/healthz")
def healthz():
    return jsonify(status="ok")


@app.post("/orders")
def place_order():
    cart = request.get_json()
    order_id = db().execute("INSERT INTO orders (amount, currency) VALUES (?, ?)", (cart["amount"], cart["currency"])).lastrowid
    return jsonify(id=order_id, status="pending"), 201


@app.get("/orders/<int:order_id>")
def show_order(order_id):
    parcels = db().execute("SELECT count(*) FROM parcels WHERE order_id = ?", (order_id,)).fetchone()[0]
    return jsonify(id=order_id, status=get_order(order_id)["status"], parcels=parcels)


@app.post("/pay")
def pay():
    if not str(request.json["nonce"]).startswith(
        "nonce_"
    ):  # a page wired wrongly sends a card number: it must not come to rest here
        return jsonify(error="that is not what the card form gets from the gateway"), 422
    attempt_id, is_new = begin(request.json["order_id"], request.json["nonce"])
    if attempt_id:
        settle(attempt_id, looks_first=not is_new)
    status = get_order(request.json["order_id"])["status"]
    return jsonify(status=status), {"paid": 200, "failed": 402, "pending": 202}[status]


def begin(order_id, nonce):
    """The attempt a click is about, and whether it is new: a second click joins the one that is open."""
    with transaction():
        order = get_order(order_id)
        known = db().execute(
            "SELECT id FROM attempts WHERE order_id = ? AND (state = 'open' OR nonce = ?) ORDER BY state = 'open' DESC",
            (order_id, nonce),
        )
        if row := known.fetchone():
            return row["id"], False
        if order["status"] == "paid":
            return None, False
        attempt_id = str(uuid.uuid4())
        body = {
            "amount": order["amount"],
            "currency": order["currency"],
            "payment_nonce": nonce,
            "order_id": str(order["id"]),
            "metadata": {"attempt": attempt_id},
        }
        db().execute(
            "INSERT INTO attempts (id, order_id, nonce, key, body) VALUES (?, ?, ?, ?, ?)",
            (attempt_id, order_id, nonce, str(uuid.uuid4()), json.dumps(body)),
        )
        db().execute("UPDATE orders SET status = 'pending' WHERE id = ?", (order_id,))
        return attempt_id, True


locks = defaultdict(threading.Lock)  # one caller for each attempt; between processes the gateway's 409 does the same
pauses = {}  # attempt → tries so far, and when it may be tried again


def settle(attempt_id, *, looks_first):
    """Find out how an open attempt ended, within bounds: it may still be open afterwards."""
    with locks[attempt_id]:
        for _ in range(TRIES):
            tries, not_before = pauses.get(attempt_id, (0, 0.0))
            wait = not_before - time.monotonic()
            if wait > RETRY_CAP_S * 1.25:
                return
            time.sleep(max(wait, 0))
            attempt = get_attempt(attempt_id)
            if attempt["state"] != "open":
                return
            outcome, charge, retry_after = find(attempt) if looks_first else ("none", None, 0)
            if outcome == "none":
                outcome, charge, retry_after = call("POST", "/v1/charges", attempt["body"], attempt["key"])
                if outcome == "refused":  # perhaps because an earlier call of ours used the nonce up: look
                    found = find(attempt)
                    outcome, charge, retry_after = found if found[0] != "none" else ("failed", None, 0)
            looks_first = False
            with transaction():
                apply(attempt_id, outcome, charge)
            # pauses double, to a cap, with some chance in them
            pause = min(RETRY_CAP_S, RETRY_BASE_S * 2 ** min(tries, 20)) * random.uniform(1, 1.25)  # noqa: S311
            pauses[attempt_id] = tries + 1, time.monotonic() + max(pause, retry_after)


def call(method, path, body=None, key=None):
    """One call: its outcome (`succeeded`, `failed`, `refused`, `unknown`), what came, and how long to leave the gateway alone."""
    headers = {**HEADERS, "Content-Type": "application/json", **({"Idempotency-Key": key} if key else {})}
    try:
        response = requests.request(method, GATEWAY + path, data=body, headers=headers, timeout=TIMEOUT_S, allow_redirects=False)
        found = response.json()
    except (requests.RequestException, ValueError):
        return "unknown", None, 0  # it may have happened or not: silence is no failure
    retry_after = response.headers.get("Retry-After", "")
    if response.status_code >= 500 or response.status_code in SAYS_NOTHING or not isinstance(found, dict):
        return "unknown", None, float(retry_after) if retry_after.isdecimal() else 0
    if response.status_code in (200, 201):
        return outcome_of(found), found, 0
    return ("failed" if found.get("code") == "card_declined" else "refused"), None, 0


def outcome_of(charge):
    return {"succeeded": "succeeded", "failed": "failed"}.get(charge.get("status"), "unknown")


def find(attempt):
    """What the gateway shows of an attempt: as `call`, or `none` when there surely is no charge of it."""
    after = ""
    while True:
        _, page, retry_after = call("GET", f"/v1/charges?order_id={attempt['order_id']}&limit=100{after}")
        if page is None or not isinstance(page.get("data"), list):
            return "unknown", None, retry_after
        for charge in page["data"]:
            if (charge.get("metadata") or {}).get("attempt") == attempt["id"]:
                return outcome_of(charge), charge, 0
        if not page["data"] or not page["has_more"]:
            return "none", None, 0
        after = f"&starting_after={page['data'][-1]['id']}"


def apply(attempt_id, outcome, charge):
    """What is learned of an attempt, inside a transaction: from whom, in which order and how often does not matter."""
    attempt = get_attempt(attempt_id)
    order = get_order(attempt["order_id"])
    if outcome == "succeeded" and attempt["state"] != "succeeded":
        if (charge["amount"], charge["currency"]) != (order["amount"], order["currency"]):
            app.logger.error("charge %s is not what we asked for", charge["id"])
            return
        db().execute("UPDATE attempts SET state = 'succeeded' WHERE id = ?", (attempt_id,))
        if order["status"] == "paid":
            app.logger.error("charge %s paid for order %s once more", charge["id"], order["id"])
            return
        db().execute("UPDATE orders SET status = 'paid', charge_id = ? WHERE id = ?", (charge["id"], order["id"]))
        ship(order["id"])
    elif outcome == "failed" and attempt["state"] == "open":
        db().execute("UPDATE attempts SET state = 'failed' WHERE id = ?", (attempt_id,))
        db().execute("UPDATE orders SET status = 'failed' WHERE id = ? AND status = 'pending'", (order["id"],))


@app.post("/webhook")
def webhook():
    raw = request.get_data()  # the bytes as they came: parsed and written again they are others
    if not is_genuine(request.headers, raw):
        return jsonify(error="not signed by the gateway, or not just now"), 401
    event = json.loads(raw)
    attempt_id = (event["data"].get("metadata") or {}).get("attempt")
    with transaction():
        if db().execute("INSERT OR IGNORE INTO events VALUES (?)", (request.headers["webhook-id"],)).rowcount == 0:
            return "", 200  # seen before; say so, or it keeps coming
        if event["type"].startswith("charge.") and get_attempt(attempt_id):
            apply(attempt_id, outcome_of(event["data"]), event["data"])
    return "", 200  # only now, when it is durable


def is_genuine(headers, raw):
    """Whether the gateway signed these bytes, just now (standardwebhooks.com)."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message_id or not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > 300:
        return False
    signed = f"{message_id}.{timestamp}.".encode() + raw
    keys = [base64.b64decode(secret.removeprefix("whsec_")) for secret in WEBHOOK_SECRETS]
    ours = ["v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys]
    theirs = headers.get("webhook-signature", "").encode().split()
    return any(hmac.compare_digest(mine.encode(), given) for mine in ours for given in theirs)


def ship(order_id):
    db().execute("INSERT INTO parcels (order_id) VALUES (?)", (order_id,))  # UNIQUE, and in the transaction that says paid


def reconcile():
    """Ask about everything that is open, for ever. This is what makes a crash harmless."""
    while True:
        try:
            with app.app_context():
                for row in db().execute("SELECT id FROM attempts WHERE state = 'open'").fetchall():
                    settle(row["id"], looks_first=True)
        except Exception:
            app.logger.exception("a round of reconciliation failed; the next one may do better")
        time.sleep(RECONCILE_EVERY_S)


if __name__ == "__main__":
    with app.app_context():
        create_tables()
    threading.Thread(target=reconcile, daemon=True).start()
    app.run(port=int(os.environ.get("PORT", "5000")))
