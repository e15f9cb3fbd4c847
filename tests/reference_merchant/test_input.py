"""Bad input: every route answers in JSON, names what is wrong, and repeats nothing secret."""

import asyncio
import json
import logging
from typing import Any

import pytest
from aiohttp import ClientSession

CARD = "4242424242424242"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_body"),
        ({"amount": 1, "items": []}, "invalid_body"),
        ({"amount": 0}, "invalid_field"),
        ({"amount": -1}, "invalid_field"),
        ({"amount": 4.2}, "invalid_field"),
        ({"amount": "4200"}, "invalid_field"),
        ({"amount": True}, "invalid_field"),
        ({"amount": None}, "invalid_field"),
        ({"amount": 100_000_000}, "invalid_field"),
        ({"amount": 5, "currency": "USD"}, "invalid_field"),
        ({"amount": 5, "currency": "xxx"}, "invalid_field"),
        ({"amount": 5, "currency": 7}, "invalid_field"),
        ({"amount": 5, "customer_id": "\ud800"}, "invalid_field"),
        ({"amount": 5, "customer_id": "a b"}, "invalid_field"),
        ({"items": []}, "invalid_field"),
        ({"items": {}}, "invalid_field"),
        ({"items": ["mug"]}, "invalid_field"),
        ({"items": [{"sku": "yacht"}]}, "unknown_sku"),
        ({"items": [{"sku": ["mug"]}]}, "unknown_sku"),
        ({"items": [{"sku": "mug", "quantity": 0}]}, "invalid_field"),
        ({"items": [{"sku": "mug", "price": 1}]}, "invalid_field"),
        ({"items": [{"sku": "mug"}], "currency": "jpy"}, "invalid_field"),
        ({"items": [{"sku": "kettle", "quantity": 999}] * 100}, "amount_too_large"),
        ({"amount": 5, "status": "PAID"}, "unknown_field"),
    ],
)
@pytest.mark.asyncio
async def test_an_order_that_makes_no_sense_is_refused(shop: Any, body: Any, code: str) -> None:
    status, answer = await shop.call("POST", "/orders", body)

    assert (status, answer["error"]["code"]) == (400, code)
    assert answer["error"]["message"]


@pytest.mark.asyncio
async def test_an_integral_float_is_the_integer_it_is(shop: Any) -> None:
    order = await shop.order(amount=299.0)

    assert (await shop.see(order))["amount"] == 299


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\xff\xfe",
        b'{"amount": NaN}',
        b'{"amount": 1e999}',
        b"[" * 100_000,
        b'{"amount": ' + b"9" * 5000 + b"}",
        b'{"a":' * 50 + b"1" + b"}" * 50,
    ],
)
@pytest.mark.parametrize("path", ["/orders", "/create-payment", "/orders/order_1/refund"])
@pytest.mark.asyncio
async def test_a_body_that_is_no_json_object_is_refused(shop: Any, path: str, raw: bytes) -> None:
    status, answer = await shop.call("POST", path, data=raw, headers={"Content-Type": "application/json"})

    assert status == 400
    assert answer["error"]["code"]


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({}, "missing_field", "order_id"),
        ({"order_id": "order_1"}, "missing_field", "payment_nonce"),
        ({"order_id": 7, "payment_nonce": "nonce_a"}, "invalid_field", "order_id"),
        ({"order_id": "order_1", "payment_nonce": "x" * 201}, "invalid_field", "payment_nonce"),
        ({"order_id": "order_1", "payment_nonce": "n\n"}, "invalid_field", "payment_nonce"),
        ({"order_id": "order_1", "payment_nonce": "n", "amount": 1.5}, "invalid_field", "amount"),
        ({"order_id": "order_1", "payment_nonce": "n", "currency": "jpy"}, "unknown_field", "currency"),
    ],
)
@pytest.mark.asyncio
async def test_a_payment_that_makes_no_sense_is_refused_by_name(
    shop: Any, gateway: Any, body: Any, code: str, param: str
) -> None:
    await shop.order()

    status, answer = await shop.call("POST", "/create-payment", body)

    assert (status, answer["error"]["code"], answer["error"]["param"]) == (400, code, param)
    assert gateway.asked == []


@pytest.mark.parametrize(
    "extra",
    [
        {"card": {"number": CARD}},
        {"cvc": "123"},
        {"Card_Number": "x"},
        {"note": "4242 4242 4242 4242"},
        {"note": [{"deep": int(CARD)}]},
        {CARD: "x"},
        {"payment_nonce": CARD},
    ],
)
@pytest.mark.asyncio
async def test_card_data_is_refused_and_neither_repeated_nor_logged(
    shop: Any, caplog: pytest.LogCaptureFixture, extra: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    for path in ("/create-payment", "/orders"):
        status, answer = await shop.call("POST", path, {"order_id": "order_1", "payment_nonce": "n", **extra})

        assert (status, answer["error"]["code"]) == (400, "card_data_refused")
        assert "4242" not in json.dumps(answer)
    assert "4242" not in "".join(record.getMessage() for record in caplog.records if record.name != "asyncio")


@pytest.mark.asyncio
async def test_orders_that_are_not_there_are_404(shop: Any) -> None:
    payment = {"order_id": "order_none", "payment_nonce": "nonce_a"}
    answers = [
        await shop.call("GET", "/orders/order_none"),
        await shop.call("POST", "/orders/order_none/refund"),
        await shop.call("POST", "/orders/order_none/cancel"),
        await shop.call("PUT", "/orders/order_none", {"amount": 1}),
        await shop.call("POST", "/create-payment", payment),
    ]

    assert [(status, answer["error"]["code"]) for status, answer in answers] == [(404, "order_not_found")] * 5


@pytest.mark.asyncio
async def test_a_path_or_method_that_is_not_there_is_told_in_json(shop: Any) -> None:
    assert (await shop.call("GET", "/nowhere"))[0] == 404
    assert (await shop.call("GET", "/orders/%00/%ff"))[0] == 404
    async with shop.http.delete(shop.url + "/orders") as response:
        assert response.status == 405
        assert response.headers["Allow"] == "GET,HEAD,POST"
        assert (await response.json())["error"]["code"] == "method_not_allowed"


@pytest.mark.asyncio
async def test_a_body_without_end_and_one_that_is_no_json_are_refused(shop: Any) -> None:
    kind = {"Content-Type": "application/json"}

    assert (await shop.call("POST", "/orders", data=b"x" * 300_000, headers=kind))[0] == 413
    assert (await shop.call("POST", "/orders", data=b"amount=5"))[0] == 415


@pytest.mark.asyncio
async def test_what_is_not_http_is_answered_in_json_and_not_logged(shop: Any, caplog: pytest.LogCaptureFixture) -> None:
    port = int(shop.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{CARD} what\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()

    assert answer.startswith(("HTTP/1.0 400", "HTTP/1.1 400"))
    assert json.loads(answer.partition("\r\n\r\n")[2])["error"]["code"] == "http_malformed"
    assert CARD not in caplog.text


@pytest.mark.parametrize("amount", [0, -5, "all", 1.5])
@pytest.mark.asyncio
async def test_a_refund_of_no_amount_is_refused(shop: Any, amount: Any) -> None:
    order = await shop.order()

    status, answer = await shop.call("POST", f"/orders/{order}/refund", {"amount": amount})

    assert (status, answer["error"]["param"]) == (400, "amount")


@pytest.mark.asyncio
async def test_a_failure_of_the_shop_itself_shows_no_traceback(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reference_merchant.orders.Orders.newest", lambda self: 1 / 0)

    status, answer = await shop.call("GET", "/orders")

    assert (status, answer) == (
        500,
        {"error": {"code": "internal_error", "message": "the shop failed; try again"}},
    )


@pytest.mark.asyncio
async def test_the_orders_are_listed_newest_first(shop: Any) -> None:
    orders = [await shop.order() for _ in range(3)]

    _, answer = await shop.call("GET", "/orders")

    assert [order["id"] for order in answer["data"]] == orders[::-1]


@pytest.mark.asyncio
async def test_the_gateway_down_is_told_to_who_asks_for_a_client_token(shop: Any) -> None:
    await shop.restart(gateway_url="http://127.0.0.1:9")

    status, answer = await shop.call("GET", "/client-token")

    assert (status, answer["error"]["code"]) == (503, "gateway_unavailable")


@pytest.mark.asyncio
async def test_health_is_told(shop: Any) -> None:
    async with ClientSession() as http, http.get(shop.url + "/healthz") as response:
        assert await response.json() == {"status": "ok"}
