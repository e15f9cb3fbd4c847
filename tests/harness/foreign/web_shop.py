"""A shop made of pages: customers log in, forms carry a CSRF token, an order is a redirect, a payment is accepted, done later.

$BUG: `new-key` charges under a fresh key each time.
"""

import json
import os
import sqlite3
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

BUG = os.environ.get("BUG", "")
SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, amount INT, currency TEXT, state INT);
CREATE TABLE IF NOT EXISTS attempts (key TEXT PRIMARY KEY, order_id INT, nonce TEXT, open INT);
"""
#: Sessions live in memory: who is logged in has to log in again after a restart.
SESSIONS: dict[str, str] = {}
WORK = threading.Event()


def books() -> sqlite3.Connection:
    return sqlite3.connect(os.environ["BOOKS"], isolation_level=None, timeout=10)


class Shop(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/login":
            sid = uuid.uuid4().hex
            SESSIONS[sid] = ""
            page = f'<form method="post"><input type="hidden" name="csrf" value="token-{sid}"><input name="user"></form>'
            self.answer(200, page, {"Set-Cookie": f"sid={sid}; Path=/; HttpOnly"})
        elif self.path == "/":
            self.answer(200, "<h1>Welcome</h1>")
        elif not self.user():
            self.answer(303, "", {"Location": "/login"})
        elif "/thanks?" in self.path:
            self.answer(200, "<h1>Thank you</h1>")
        else:
            with books() as open_books:
                found = open_books.execute(
                    "SELECT state FROM orders WHERE id = ?", (self.path.split("/")[2].removesuffix(".json"),)
                ).fetchone()
            self.answer(200 if found else 404, json.dumps({"state": found[0]} if found else {}))

    def do_POST(self) -> None:
        form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        sid = self.sid()
        if sid not in SESSIONS or form.get("csrf") != f"token-{sid}":
            self.answer(403, "<h1>Your form has expired</h1>")
        elif self.path == "/login":
            SESSIONS[sid] = form["user"]
            self.answer(303, "", {"Location": "/"})
        elif not self.user():
            self.answer(401, "<h1>Log in first</h1>")
        elif self.path == "/orders":
            with books() as open_books:
                row = (form["amount"], form["currency"])
                made = open_books.execute("INSERT INTO orders (amount, currency) VALUES (?, ?)", row).lastrowid
            self.answer(303, "", {"Location": f"/orders/{made}/thanks?welcome=yes"})
        else:
            self.begin(self.path.split("/")[2], form["nonce"])
            self.answer(202, "")

    def begin(self, order: str, nonce: str) -> None:
        """An attempt, unless the order is paid or has one under way."""
        with books() as open_books:
            open_books.execute("BEGIN IMMEDIATE")
            [state] = open_books.execute("SELECT state FROM orders WHERE id = ?", (order,)).fetchone()
            under_way = open_books.execute("SELECT 1 FROM attempts WHERE order_id = ? AND open", (order,)).fetchone()
            if state != 1 and not under_way:
                open_books.execute("INSERT INTO attempts VALUES (?, ?, ?, 1)", (uuid.uuid4().hex, order, nonce))
                open_books.execute("UPDATE orders SET state = NULL WHERE id = ?", (order,))
            open_books.execute("COMMIT")
        WORK.set()

    def sid(self) -> str:
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get("sid")
        return cookie.value if cookie else ""

    def user(self) -> str:
        return SESSIONS.get(self.sid(), "")

    def answer(self, status: int, page: str, headers: dict[str, str] | None = None) -> None:
        raw = page.encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(raw)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None: ...


def settle() -> None:
    """Charge for open attempts, each until its outcome is known."""
    pause_s = 0.02
    while True:
        with books() as open_books:
            query = "SELECT key, order_id, nonce, amount, currency FROM attempts JOIN orders ON orders.id = order_id WHERE open"
            for key, order, nonce, amount, currency in open_books.execute(query).fetchall():
                status = charge(key, {"amount": amount, "currency": currency, "payment_nonce": nonce, "order_id": str(order)})
                if status is not None:
                    open_books.execute("BEGIN IMMEDIATE")
                    open_books.execute("UPDATE attempts SET open = 0 WHERE key = ?", (key,))
                    open_books.execute("UPDATE orders SET state = ? WHERE id = ?", (1 if status == 201 else 2, order))
                    open_books.execute("COMMIT")
            left = open_books.execute("SELECT count(*) FROM attempts WHERE open").fetchone()[0]
        if left:
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, 0.2)
            continue
        pause_s = 0.02
        WORK.wait()
        WORK.clear()


def charge(key: str, body: dict[str, object]) -> int | None:
    headers = {
        "Authorization": f"Bearer {os.environ['KEY']}", "Content-Type": "application/json",
        "Idempotency-Key": uuid.uuid4().hex if BUG == "new-key" else key,
    }  # fmt: skip
    call = urllib.request.Request(f"{os.environ['GATEWAY']}/v1/charges", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(call, timeout=2) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code if error.code in (400, 402, 422) else None
    except OSError:
        return None


if __name__ == "__main__":
    with books() as opened:
        opened.executescript(SCHEMA)
    threading.Thread(target=settle, daemon=True).start()
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Shop).serve_forever()
