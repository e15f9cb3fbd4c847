"""A shop of another design: decimal amounts, booleans for a status, ids in a Location header, and the browser's own key.

$BUG: `new-key` charges under a fresh key each time; `ships-twice` sends two boxes; `stays-at-home` keeps its books beside
the code; `now-and-then` has the first bug in every second life.
"""

import json
import os
import sqlite3
import sys
import threading
import urllib.error
import urllib.request
import uuid
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BUG = os.environ.get("BUG", "")
if BUG == "now-and-then":  # in every second life of the shop, so that one play in two shows it
    with Path(__file__).with_name("lives").open("a+") as lives:
        lives.write("x")
    BUG = "new-key" if Path(__file__).with_name("lives").stat().st_size % 2 == 0 else ""
BOOKS = Path(__file__).with_name("books.sqlite") if BUG == "stays-at-home" else Path(os.environ["BOOKS"])
ONE_AT_A_TIME = threading.Lock()


def books() -> sqlite3.Connection:
    made = sqlite3.connect(BOOKS, isolation_level=None)
    made.execute(
        "CREATE TABLE IF NOT EXISTS carts (id TEXT PRIMARY KEY, total TEXT, currency TEXT, paid INT, declined INT, boxes INT)"
    )
    return made


class Shop(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/":
            self.answer(200, {})
            return
        self.show(200, self.path.split("/")[3])

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/v2/carts":
            cart = f"c/{uuid.uuid4().hex}"  # a slash, which must be encoded in a path
            with books() as open_books:
                open_books.execute("INSERT INTO carts VALUES (?, ?, ?, 0, 0, 0)", (cart, asked["total"], asked["currency"]))
            self.answer(201, None, location=f"/v2/carts/{cart.replace('/', '%2F')}")
            return
        cart = self.path.split("/")[3].replace("%2F", "/")
        with ONE_AT_A_TIME, books() as open_books:
            total, currency, paid = open_books.execute("SELECT total, currency, paid FROM carts WHERE id = ?", (cart,)).fetchone()
            if not paid:
                status = self.charge(cart, total, currency, asked["token"])
                if status is None:
                    self.answer(504, "the payment could not be confirmed")
                    return
                boxes = 2 if BUG == "ships-twice" else 1
                change = (1, 0, boxes) if status == 201 else (0, 1, 0)
                open_books.execute("UPDATE carts SET paid = ?, declined = ?, boxes = ? WHERE id = ?", (*change, cart))
        self.show(200, cart)

    def charge(self, cart: str, total: str, currency: str, nonce: str) -> int | None:
        exponent = {"jpy": 0, "kwd": 3}.get(currency, 2)
        body = {"amount": int(Decimal(total).scaleb(exponent)), "currency": currency, "payment_nonce": nonce, "order_id": cart}
        headers = {
            "Authorization": f"Bearer {os.environ['KEY']}", "Content-Type": "application/json",
            "Idempotency-Key": uuid.uuid4().hex if BUG == "new-key" else self.headers["Idempotency-Key"],
        }  # fmt: skip
        call = urllib.request.Request(f"{os.environ['GATEWAY']}/v1/charges", json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(call, timeout=2) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code if error.code == 402 else None
        except OSError:
            return None

    def show(self, status: int, cart: str) -> None:
        with books() as open_books:
            found = open_books.execute(
                "SELECT paid, declined, boxes FROM carts WHERE id = ?", (cart.replace("%2F", "/"),)
            ).fetchone()
        if found is None:
            self.answer(404, {"error": "no such cart"})
            return
        paid, declined, boxes = found
        money = {"paid": bool(paid), "declined": bool(declined), "refunded": "0.00"}
        self.answer(402 if declined else status, {"money": money, "boxes_shipped": boxes})

    def answer(self, status: int, body: object, location: str = "") -> None:
        raw = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(200 if status == 402 and self.command == "GET" else status)
        self.send_header("Content-Length", str(len(raw)))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None: ...


if __name__ == "__main__":
    books().close()
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Shop).serve_forever()
