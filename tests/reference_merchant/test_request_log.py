"""The request log: one line of JSON each, and nothing in it that a client wrote."""

import json
import logging
from typing import Any

import pytest

CARD = "4242424242424242"


@pytest.mark.asyncio
async def test_each_request_is_a_line_of_json_without_anything_that_was_sent(shop: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "reference_merchant")
    order = await shop.order()
    await shop.pay(order, "nonce_secretive")
    await shop.call("POST", "/create-payment", {"order_id": order, "payment_nonce": CARD})
    await shop.call("GET", f"/orders/{CARD}?card={CARD}", headers={"Authorization": "Bearer sk_test_x"})
    await shop.call("GET", f"/{CARD}")

    lines = [json.loads(record.getMessage()) for record in caplog.records if record.name == "reference_merchant.requests"]
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("POST", "/orders", 201),
        ("POST", "/create-payment", 200),
        ("POST", "/create-payment", 400),
        ("GET", "/orders/{id}", 404),
        ("GET", "(no route)", 404),
    ]
    assert all(line.keys() == {"method", "route", "status", "ms"} and line["ms"] >= 0 for line in lines)
    written = "".join(record.getMessage() for record in caplog.records)
    assert not [secret for secret in (CARD, "secretive", "sk_test") if secret in written]
