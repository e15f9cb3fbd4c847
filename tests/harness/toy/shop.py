"""A shop that works on a good day, and is broken in the way that $BREAK names; merchant.toml beside it is true of it."""

import json
import os
import sys
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BREAK = os.environ.get("BREAK", "")
ORDERS: dict[str, dict[str, object]] = {}


class Shop(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/healthz":
            self.answer(503 if BREAK == "never-ready" else 200, {})
        elif self.path == "/health":
            self.answer(404, {})
        elif BREAK == "no-page":
            self.answer(404, {"error": "no such order"})
        else:
            self.answer(200, ORDERS[self.path.rpartition("/")[2]])

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/orders":
            self.place(asked)
        elif self.path == "/pay":
            self.pay(asked)
        else:
            if BREAK == "dies-of-a-webhook":
                die()
            self.answer(200, {})

    def place(self, asked: dict[str, object]) -> None:
        if BREAK == "dies-of-an-order" or (BREAK == "dies-of-a-second-order" and ORDERS):
            die()
        if BREAK == "dollars-only" and asked["currency"] != "usd":
            self.answer(422, {"error": "we take dollars"})
            return
        order = {"id": len(ORDERS) + 1, "status": "new", "parcels": [], **asked}
        ORDERS[str(order["id"])] = order
        self.answer(201, order)

    def pay(self, asked: dict[str, object]) -> None:
        if BREAK == "dies-of-a-payment":
            die()
        if BREAK == "fails-to-pay":
            print("no such table: payments", flush=True)
            self.answer(500, "<h1>Internal Server Error</h1>")
            return
        order = ORDERS[str(asked["order"])]
        body = {
            **({"capture": False} if BREAK == "captures-later" else {}),
            "amount": order["amount"],
            "currency": order["currency"],
            "payment_nonce": asked["nonce"],
            "order_id": str(order["id"]),
        }
        headers = {"Authorization": f"Bearer {os.environ['KEY']}", "Content-Type": "application/json"}
        call = urllib.request.Request(f"{os.environ['GATEWAY']}/v1/charges", json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(call, timeout=5) as answer:
                charge = json.load(answer)
            if BREAK == "captures-later":
                capture = f"{os.environ['GATEWAY']}/v1/charges/{charge['id']}/capture"
                with urllib.request.urlopen(urllib.request.Request(capture, b"{}", headers), timeout=5):
                    pass
        except OSError:
            if BREAK == "fails-at-declines":
                self.answer(500, "<h1>Internal Server Error</h1>")
                return
            self.answer(402, {"status": "declined"})
            return
        order |= {"status": "complete", "parcels": ["a parcel"]}
        self.answer(200, order)

    def answer(self, status: int, body: object) -> None:
        raw = (body if isinstance(body, str) else json.dumps(body)).encode()
        if BREAK == "speaks-html" and status == 201:
            raw = b"<html>Thank you for your order!</html>"
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None: ...


def die() -> None:
    print("a bug in the shop", flush=True)
    os._exit(3)


if __name__ == "__main__":
    if BREAK == "dies-at-once":
        sys.exit("no database today")
    if BREAK.startswith("locks-itself "):
        lock = os.path.join(BREAK.partition(" ")[2], "lock")
        if os.path.exists(lock):
            sys.exit("another one is running")
        open(lock, "w").close()
    if BREAK == "never-listens":
        time.sleep(600)
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Shop).serve_forever()
