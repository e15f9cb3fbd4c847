"""The request log: one line of JSON each, and nothing in it that a client wrote."""

import json
import logging
from typing import Any

import pytest

from reference_merchant.request_log import JsonLines

CARD = "4242424242424242"


@pytest.mark.asyncio
async def test_each_request_is_a_line_of_json_without_anything_that_was_sent(shop: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "reference_merchant")
    order = await shop.order()
    await shop.pay(order, "nonce_secretive")
    await shop.call("POST", "/create-payment", {"order_id": order, "payment_nonce": CARD})
    await shop.call("GET", f"/orders/{CARD}?card={CARD}", headers={"Authorization": "Bearer sk_test_x"})
    await shop.call("GET", f"/{CARD}")

    written = [JsonLines().format(record) for record in caplog.records if record.name.startswith("reference_merchant")]
    lines = [json.loads(line) for line in written if json.loads(line)["logger"] == "reference_merchant.requests"]
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("POST", "/orders", 201),
        ("POST", "/create-payment", 200),
        ("POST", "/create-payment", 400),
        ("GET", "/orders/{id}", 404),
        ("GET", "(no route)", 404),
    ]
    fields = {"at", "level", "logger", "message", "method", "route", "status", "ms"}
    assert all(line.keys() == fields and line["ms"] >= 0 for line in lines)
    assert not [secret for secret in (CARD, "secretive", "sk_test") if secret in "".join(written)]


@pytest.mark.asyncio
async def test_a_bug_of_the_shop_is_logged_with_its_traceback_in_one_line(
    shop: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reference_merchant.orders.Orders.newest", lambda self: 1 / 0)

    await shop.call("GET", "/orders")

    (line,) = [JsonLines().format(record) for record in caplog.records if record.name == "reference_merchant"]
    assert "\n" not in line
    assert "ZeroDivisionError" in json.loads(line)["traceback"]
