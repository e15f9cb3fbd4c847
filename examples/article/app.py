"""The handler of the articles: the page sends a nonce and an amount, the server charges, and that is all.

There is no order, no database, no webhook and no idempotency key. A declined card is a 500 in plain text.
"""

import json
import os
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GATEWAY, SECRET_KEY = os.environ["GATEWAY_URL"], os.environ["GATEWAY_SECRET_KEY"]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/client-token":
            self.answer(200, json.dumps(ask("/v1/client_tokens", {})))
        else:
            self.answer(200, "<h1>Pay here</h1>")

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            ask("/v1/charges", {"amount": sent["amount"], "currency": "usd", "payment_nonce": sent["nonce"]})
        except Exception as error:
            self.answer(500, f"Payment failed: {error}")
            return
        self.answer(200, "Payment successful!")

    def answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())


def ask(path: str, body: dict[str, object]) -> dict[str, object]:
    headers = {"Authorization": f"Bearer {SECRET_KEY}", "Content-Type": "application/json"}
    call = urllib.request.Request(GATEWAY + path, json.dumps(body).encode(), headers)  # noqa: S310 - the gateway is http
    with urllib.request.urlopen(call, timeout=5) as answer:  # noqa: S310
        return dict(json.load(answer))


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "5000"))), Handler).serve_forever()
