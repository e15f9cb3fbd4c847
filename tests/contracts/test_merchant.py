"""The reference merchant keeps its own contract: every route, and every answer to a shopper, over the real gateway."""

from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from reference_merchant.app import create_app
from reference_merchant.config import Config
from reference_merchant.errors import JsonRunner
from reference_merchant.orders import CATALOGUE
from reference_merchant.validate import AMOUNT_MAX, CURRENCIES
from tests.contracts.checker import load
from tests.support.client import Client
from tests.support.gateway import LiveGateway

pytestmark = pytest.mark.asyncio
MERCHANT = load("merchant")
# what cannot be provoked from a browser: bugs, a gateway that is silent, late, or gone
UNSEEN = {"500", "502", "503", "202"}


class Shop:
    """The shop over HTTP; what its contract does not have is an error. `seen`: operation → statuses."""

    def __init__(self, url: str, http: aiohttp.ClientSession, app: web.Application) -> None:
        self.url, self.http, self.app = url, http, app
        self.seen: defaultdict[str, set[str]] = defaultdict(set)

    async def call(self, method: str, path: str, body: Any = None, **kwargs: Any) -> tuple[int, Any]:
        if body is not None:
            kwargs["json"] = body
        async with self.http.request(method, self.url + path, **kwargs) as answer:
            raw = await answer.read()
            MERCHANT.check(method, path, answer.status, answer.headers, raw)
            operation = MERCHANT.find(method, path)
            if operation is not None:
                self.seen[operation.id].add(str(answer.status))
            return answer.status, await answer.json() if answer.content_type == "application/json" else raw


@pytest_asyncio.fixture
async def shop(client: Client, gateway: LiveGateway, tmp_path: Path) -> AsyncIterator[Shop]:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    config = Config(
        gateway_url=gateway.url, gateway_secret_key=f"sk_test_{client.sandbox}", webhook_secrets=(secret,),
        database=str(tmp_path / "shop.sqlite"), reconcile_every_s=3600,
    )  # fmt: skip
    app = create_app(config)
    runner = JsonRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as http:
        yield Shop(f"http://127.0.0.1:{runner.addresses[0][1]}", http, app)
    await runner.cleanup()


async def test_every_route_of_the_shop_is_in_its_contract_and_the_other_way_round(shop: Shop) -> None:
    served = {
        (route.method, route.resource.canonical)
        for route in shop.app.router.routes()
        if route.method != "HEAD" and route.resource is not None
    }
    assert {(each.method, each.path) for each in MERCHANT.operations.values()} == served


async def test_the_words_of_the_contract_are_those_of_the_shop() -> None:
    assert MERCHANT.component("Currency")["enum"] == sorted(CURRENCIES)
    assert MERCHANT.component("Sku")["enum"] == list(CATALOGUE)
    assert MERCHANT.component("Amount")["maximum"] == AMOUNT_MAX


async def pay(shop: Shop, client: Client, card: str = "visa", **body: Any) -> tuple[str, int, Any]:
    """An order, and what came of paying it."""
    _, order = await shop.call("POST", "/orders", body or {"amount": 4200})
    payment = {"order_id": order["id"], "payment_nonce": await client.make_nonce(card)}
    return order["id"], *(await shop.call("POST", "/create-payment", payment))


async def test_every_answer_to_a_shopper_is_in_the_contract(shop: Shop, client: Client) -> None:
    paid, status, _ = await pay(shop, client, items=[{"sku": "mug", "quantity": 2}], customer_id="ada")
    assert status == 200
    declined, status, refused = await pay(shop, client, "declined")
    assert (status, refused["error"]["code"], refused["decline_code"]) == (402, "card_declined", "generic_decline")
    status, refused = await shop.call("POST", "/create-payment", {"order_id": declined, "payment_nonce": "unheard-of"})
    assert (status, refused["error"]["code"]) == (400, "nonce_unknown")

    assert (await shop.call("PUT", f"/orders/{declined}", {"amount": 5}))[0] == 200
    assert (await shop.call("PUT", f"/orders/{paid}", {"amount": 5}))[0] == 409
    assert (await shop.call("POST", f"/orders/{paid}/cancel"))[0] == 409
    assert (await shop.call("POST", f"/orders/{declined}/refund"))[0] == 409
    assert (await shop.call("POST", f"/orders/{paid}/refund", {"amount": 1}))[0] == 200
    assert (await shop.call("POST", f"/orders/{paid}/refund", {"amount": 99_999}))[0] == 400
    assert (await shop.call("POST", f"/orders/{paid}/refund"))[0] == 200
    assert (await shop.call("POST", f"/orders/{declined}/cancel"))[0] == 200
    status, refused = await shop.call("POST", "/create-payment", {"order_id": declined, "payment_nonce": "other"})
    assert (status, refused["error"]["code"]) == (409, "order_not_payable")
    held, status, _ = await pay(shop, client, amount=4200, capture="later", id="cart-1")
    assert status == 200
    assert (await shop.call("POST", "/orders", {"amount": 4200, "capture": "later", "id": "cart-1"}))[0] == 200
    assert (await shop.call("POST", "/orders", {"amount": 4201, "id": "cart-1"}))[0] == 409
    assert (await shop.call("POST", f"/orders/{held}/ship", {"amount": 5}))[0] == 200
    assert (await shop.call("POST", f"/orders/{held}/ship"))[0] == 200
    assert (await shop.call("POST", f"/orders/{held}/ship"))[0] == 409
    voided, _, _ = await pay(shop, client, amount=4200, capture="later")
    assert (await shop.call("POST", f"/orders/{voided}/cancel"))[0] == 200
    lapsed, _, _ = await pay(shop, client, amount=4200, capture="later")
    await client.advance(7 * 86400)
    status, refused = await shop.call("POST", f"/orders/{lapsed}/ship")
    assert (status, refused["error"]["code"]) == (409, "authorization_lapsed")
    status, refused = await shop.call("POST", "/create-payment", {"order_id": lapsed, "payment_nonce": "n", "amount": 1})
    assert (status, refused["error"]["code"]) == (409, "amount_changed")
    assert (await shop.call("GET", f"/return?order_id={paid}&status=failed", allow_redirects=False))[0] == 303
    assert (await shop.call("GET", "/return?status=succeeded", allow_redirects=False))[0] == 404
    for path in ("/", "/storefront.js", "/healthz", "/client-token", "/orders", f"/orders/{paid}"):
        assert (await shop.call("GET", path))[0] == 200
    assert (await shop.call("GET", "/nothing"))[0] == 404
    assert (await shop.call("DELETE", "/orders"))[0] == 405

    for operation in MERCHANT.operations.values():
        path = operation.path.replace("{id}", paid)
        if "{id}" in operation.path:
            body = {"amount": 1} if operation.method == "PUT" else None
            assert (await shop.call(operation.method, operation.path.replace("{id}", "x"), body))[0] == 404
        if operation.method in ("POST", "PUT") and operation.id != "webhooks.receive":
            assert (await shop.call(operation.method, path, {"colour": "red"}))[0] == 400
            assert (await shop.call(operation.method, path, data=b"{", headers={"Content-Type": "application/json"}))[0] == 400
            assert (await shop.call(operation.method, path, data=b"{}", headers={"Content-Type": "text/plain"}))[0] == 415
        if operation.method in ("POST", "PUT"):
            large = b" " * 300_000
            assert (await shop.call(operation.method, path, data=large, headers={"Content-Type": "application/json"}))[0] == 413
    await shop.call("POST", "/create-payment", {"order_id": "x", "payment_nonce": "x"})
    assert (await shop.call("POST", "/webhooks/payment", {}))[0] == 401

    for operation in MERCHANT.operations.values():
        promised = operation.spec["responses"].keys() - UNSEEN
        if operation.id == "webhooks.receive":
            promised -= {"200", "400", "409"}  # signed ones: the next test
        assert shop.seen[operation.id] >= promised, f"{operation.id}: never seen: {promised - shop.seen[operation.id]}"
