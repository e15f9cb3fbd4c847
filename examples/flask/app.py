"""A checkout as many tutorials have it: charge the card, save the order, listen to the webhook. It works.

Every line looks reasonable, and on a good day nothing is wrong. README.md says what `gatecrash prove` says of it.
"""

import os
import sqlite3

import requests
from flask import Flask, g, jsonify, request

app = Flask(__name__)
GATEWAY = os.environ["GATEWAY_URL"]
HEADERS = {"Authorization": f"Bearer {os.environ['GATEWAY_SECRET_KEY']}"}
TIMEOUT_S = float(os.environ.get("GATEWAY_TIMEOUT_S", "10"))


def db():
    if "db" not in g:
        g.db = sqlite3.connect(os.environ.get("DATABASE", "shop.sqlite"), timeout=10)
        g.db.row_factory = sqlite3.Row
    return g.db


@app.teardown_appcontext
def close(_error):
    if "db" in g:
        g.db.close()


def create_tables():
    db().executescript("""
        CREATE TABLE IF NOT EXISTS orders (
            id INTEGER PRIMARY KEY, amount INTEGER, currency TEXT, status TEXT DEFAULT 'pending', charge_id TEXT);
        CREATE TABLE IF NOT EXISTS parcels (id INTEGER PRIMARY KEY, order_id INTEGER);
    """)


def get_order(order_id):
    return db().execute("SELECT * FROM orders WHERE id = ?", (order_id,)).fetchone()


@app.get("/healthz")
def healthz():
    return jsonify(status="ok")


@app.post("/orders")
def place_order():
    cart = request.get_json()
    order_id = db().execute("INSERT INTO orders (amount, currency) VALUES (?, ?)", (cart["amount"], cart["currency"])).lastrowid
    db().commit()
    return jsonify(id=order_id, status="pending"), 201


@app.get("/orders/<int:order_id>")
def show_order(order_id):
    parcels = db().execute("SELECT count(*) FROM parcels WHERE order_id = ?", (order_id,)).fetchone()[0]
    return jsonify(id=order_id, status=get_order(order_id)["status"], parcels=parcels)


@app.post("/pay")
def pay():
    order = get_order(request.json["order_id"])
    if order["status"] == "paid":
        return jsonify(status="paid")
    try:
        response = requests.post(
            f"{GATEWAY}/v1/charges",
            headers=HEADERS,
            json={
                "amount": order["amount"],
                "currency": order["currency"],
                "payment_nonce": request.json["nonce"],
                "order_id": str(order["id"]),
            },
            timeout=TIMEOUT_S,
        )
        response.raise_for_status()
        charge = response.json()
    except Exception:
        db().execute("UPDATE orders SET status = 'failed' WHERE id = ?", (order["id"],))
        db().commit()
        return jsonify(status="failed", message="Your payment failed, please try again."), 402
    db().execute("UPDATE orders SET status = 'paid', charge_id = ? WHERE id = ?", (charge["id"], order["id"]))
    ship(order["id"])
    db().commit()
    return jsonify(status="paid")


@app.post("/webhook")
def webhook():
    event = request.get_json()
    order_id = event["data"].get("order_id")
    if event["type"] == "charge.succeeded":
        if get_order(order_id)["status"] != "paid":
            db().execute("UPDATE orders SET status = 'paid', charge_id = ? WHERE id = ?", (event["data"]["id"], order_id))
            ship(order_id)
    elif event["type"] == "charge.failed":
        db().execute("UPDATE orders SET status = 'failed' WHERE id = ?", (order_id,))
    db().commit()
    return "", 200


def ship(order_id):
    db().execute("INSERT INTO parcels (order_id) VALUES (?)", (order_id,))


if __name__ == "__main__":
    with app.app_context():
        create_tables()
    app.run(port=int(os.environ.get("PORT", "5000")))
