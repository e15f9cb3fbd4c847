"""The shop's HTTP routes: thin, each hears, asks the right room, and answers in JSON."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from aiohttp import web

from . import storefront
from .checkout import Checkout
from .config import Config
from .decisions import Decisions
from .errors import RefusedError
from .gateway_client import GatewayClient, Json
from .model import PAYMENT_MADE, Attempt, Modification, Order
from .modifications import Modifications
from .orders import EDIT_FIELDS, ORDER_FIELDS, Orders
from .validate import identifier, json_object, whole_number
from .webhooks import Webhooks

LAPSED = "the authorization has expired or was voided; nothing more can be captured, the customer has to pay again"
PAYMENT_FIELDS = frozenset({"order_id", "payment_nonce", "amount"})


@dataclass(frozen=True)
class Routes:
    """All routes over the rooms that they ask."""

    config: Config
    decisions: Decisions
    gateway: GatewayClient
    orders: Orders
    checkout: Checkout
    modifications: Modifications
    webhooks: Webhooks

    async def place_order(self, request: web.Request) -> web.Response:
        """`POST /orders {items: [{sku, quantity}]} | {amount, currency?}, customer_id?, capture?, id?` → 201 order, 200 again."""
        order, is_new = self.orders.place(await json_object(request, ORDER_FIELDS))
        headers = {"Location": f"/orders/{order.id}"}
        return web.json_response(self.orders.show(order), status=201 if is_new else 200, headers=headers)

    async def list_orders(self, request: web.Request) -> web.Response:
        """`GET /orders` → the newest hundred."""
        return web.json_response({"data": [self.orders.show(order) for order in self.orders.newest()]})

    async def get_order(self, request: web.Request) -> web.Response:
        """`GET /orders/{id}` → 200 order."""
        return self._order(request.match_info["id"])

    async def edit_order(self, request: web.Request) -> web.Response:
        """`PUT /orders/{id} {items} | {amount, currency?}` → 200 order."""
        body = await json_object(request, EDIT_FIELDS)
        self.orders.find(request.match_info["id"])
        return self._order(self.orders.edit(request.match_info["id"], body).id)

    async def cancel_order(self, request: web.Request) -> web.Response:
        """`POST /orders/{id}/cancel` → 200 order, its authorization voided; 202 while that is not known."""
        await json_object(request, ())
        order = self.orders.find(request.match_info["id"])
        if order.status != "AUTHORIZED":
            return self._order(self.orders.cancel(order.id).id)
        void = await self.modifications.modify("void", order.id)
        return self._modified(void, "void_refused")

    async def ship_order(self, request: web.Request) -> web.Response:
        """`POST /orders/{id}/ship {amount?}` → 200 captured and on its way, 202 not known yet."""
        amount = await self._amount_asked(request)
        order = self.orders.find(request.match_info["id"])
        capture = await self.decisions.ship(self.modifications, order, amount)
        return self._modified(capture, "capture_refused")

    async def refund_order(self, request: web.Request) -> web.Response:
        """`POST /orders/{id}/refund {amount?}` → 200 refunded, 202 not known yet."""
        amount = await self._amount_asked(request)
        order = self.orders.find(request.match_info["id"])
        refund = await self.modifications.modify("refund", order.id, amount)
        return self._modified(refund, "refund_refused")

    async def _amount_asked(self, request: web.Request) -> int | None:
        body = await json_object(request, ("amount",))
        return whole_number(body["amount"], "amount") if "amount" in body else None

    def _modified(self, modification: Modification, refusal: str) -> web.Response:
        order = self.orders.show(self.orders.find(modification.order_id))
        if modification.state == "failed" and modification.kind == "capture" and order["attempts"][-1]["status"] == "lapsed":
            raise RefusedError(409, "authorization_lapsed", LAPSED, order=order)
        if modification.state == "failed":
            raise RefusedError(502, refusal, f"the gateway refused the {modification.kind}")
        shown = {"id": modification.id, "amount": modification.amount, "status": modification.state}
        return web.json_response({modification.kind: shown, "order": order}, status=202 if modification.state == "open" else 200)

    async def create_payment(self, request: web.Request) -> web.Response:
        """`POST /create-payment {order_id, payment_nonce, amount?}` → 200 paid, 202 not known yet, 402 declined."""
        body = await json_object(request, PAYMENT_FIELDS)
        for name in ("order_id", "payment_nonce"):
            identifier(body, name)
        order = self.orders.find(body["order_id"])
        shown = whole_number(body["amount"], "amount") if "amount" in body else None
        if not self.decisions.price_agreed(order, shown):
            message = f"the order costs {order.amount}; show that to the customer before they pay"
            raise RefusedError(409, "amount_changed", message, "amount")
        attempt = await self.decisions.pay(self.checkout, order, body)
        return self._payment(self.orders.find(order.id), attempt)

    async def customer_returns(self, request: web.Request) -> web.Response:
        """`GET /return?order_id=…`: back from a page of the bank or the gateway → 303 to the storefront.

        Whatever else stands in the query, the outcome is what the gateway says when it is asked.
        """
        order = self.orders.find(request.query.get("order_id", ""))
        await self.decisions.came_back(self.checkout, order, request.query)
        return web.Response(status=303, headers={"Location": f"/?{urlencode({'order_id': order.id})}"})

    def _payment(self, order: Order, attempt: Attempt) -> web.Response:
        shown: Json = {"order_id": order.id, "status": order.status, "order": self.orders.show(order)}
        if order.status in PAYMENT_MADE:
            return web.json_response(shown)
        if attempt.state in ("open", "succeeded"):
            return web.json_response({**shown, "status": "PENDING"}, status=202)
        if attempt.state == "declined":
            raise RefusedError(
                402,
                "card_declined",
                "the card was declined; try another one",
                decline_code=attempt.code,
                **shown,
            )
        if (attempt.code or "").startswith("nonce"):
            message = "the payment_nonce was refused; enter the card again"
            raise RefusedError(400, attempt.code or "", message, "payment_nonce", **shown)
        raise RefusedError(502, "payment_refused", f"the gateway refused the payment: {attempt.code}", **shown)

    async def webhook(self, request: web.Request) -> web.Response:
        """`POST /webhooks/payment`: the gateway's events."""
        status = await self.webhooks.receive(request.headers, await request.read())
        return web.json_response({"received": True}, status=status)

    async def client_token(self, request: web.Request) -> web.Response:
        """`GET /client-token` → 200 `{client_token, expires_at}` for one card in one browser."""
        answer = await self.gateway.client_token()
        client_token = answer.body.get("client_token")
        if answer.status not in (200, 201) or not isinstance(client_token, str):
            raise RefusedError(503, "gateway_unavailable", "the gateway gave no client token; try again")
        shown = {"client_token": client_token, "expires_at": answer.body.get("expires_at")}
        return web.json_response(shown, headers={"Cache-Control": "no-store"})

    async def healthz(self, request: web.Request) -> web.Response:
        """`GET /healthz` → 200 once the shop serves."""
        self.orders.store.scalar("SELECT 1")
        return web.json_response({"status": "ok"})

    async def page(self, request: web.Request) -> web.Response:
        """`GET /`: the storefront."""
        return storefront.page(self.config.gateway_url)

    async def script(self, request: web.Request) -> web.Response:
        """`GET /storefront.js`."""
        return storefront.script()

    def _order(self, order_id: str) -> web.Response:
        return web.json_response(self.orders.show(self.orders.find(order_id)))

    def table(self) -> list[web.RouteDef]:
        """Every route of the shop."""
        return [
            web.get("/", self.page),
            web.get("/storefront.js", self.script),
            web.get("/healthz", self.healthz),
            web.post("/orders", self.place_order),
            web.get("/orders", self.list_orders),
            web.get("/orders/{id}", self.get_order),
            web.put("/orders/{id}", self.edit_order),
            web.post("/orders/{id}/cancel", self.cancel_order),
            web.post("/orders/{id}/ship", self.ship_order),
            web.post("/orders/{id}/refund", self.refund_order),
            web.post("/create-payment", self.create_payment),
            web.get("/return", self.customer_returns),
            web.post("/webhooks/payment", self.webhook),
            web.get("/client-token", self.client_token),
        ]
