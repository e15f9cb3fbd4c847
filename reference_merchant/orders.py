"""Places, edits and shows orders. What something costs is decided here, and never by the browser."""

from __future__ import annotations

import json
from typing import Any

from .decisions import Decisions
from .errors import RefusedError
from .model import Attempt, Order
from .seams import Clock, Ids
from .store import Store
from .validate import AMOUNT_MAX, currency, identifier, whole_number

Json = dict[str, Any]

CATALOGUE: dict[str, tuple[str, int]] = {  # sku: (name, price in US cents)
    "mug": ("Mug with a gate on it", 1400),
    "tea": ("Tin of tea", 950),
    "kettle": ("Kettle", 4200),
    "spoon": ("Spoon", 29),
}
CATALOGUE_CURRENCY = "usd"
ITEM_FIELDS = frozenset({"sku", "quantity"})
ORDER_FIELDS = frozenset({"id", "items", "amount", "currency", "customer_id", "capture"})
EDIT_FIELDS = frozenset({"items", "amount", "currency"})
EDITABLE = ("PENDING", "FAILED")


class Orders:
    """The orders of the shop."""

    def __init__(self, store: Store, decisions: Decisions, clock: Clock, ids: Ids) -> None:
        self.store, self.decisions, self.clock, self.ids = store, decisions, clock, ids

    def place(self, body: Json) -> tuple[Order, bool]:
        """An order of `items` from the catalogue, or of a gift card of any `amount` and `currency`; whether it is new.

        The browser may choose the `id`, so that an order placed twice (a double click, a lost answer) is one.
        """
        items, amount, unit = price(body)
        customer, now = identifier(body, "customer_id", required=False), self.clock()
        capture = body.get("capture", "now")
        if capture not in ("now", "later"):
            raise RefusedError(400, "invalid_field", "capture must be now or later", "capture")
        own_id = identifier(body, "id", required=False) or self.ids("order")
        order = Order(own_id, customer, json.dumps(items), amount, unit, capture, "PENDING", None, 0, now)
        with self.store.transaction():
            there = self.store.first(Order, "id = ?", own_id)
            if there is None:
                self.store.insert(order)
            elif wish(there) != wish(order):
                raise RefusedError(409, "order_exists", "there is another order with this id", "id")
        return there or order, there is None

    def edit(self, order_id: str, body: Json) -> Order:
        """Change what is ordered. Not while a payment of the old amount may be under way, nor after it."""
        items, amount, unit = price(body)
        with self.store.transaction():
            self._expect_editable(order_id)
            self.store.execute(
                "UPDATE orders SET items = ?, amount = ?, currency = ? WHERE id = ?",
                *(json.dumps(items), amount, unit, order_id),
            )
        return self.find(order_id)

    def cancel(self, order_id: str) -> Order:
        """Give up an order that nothing is charged for. Not while a payment may be under way."""
        with self.store.transaction():
            if self.find(order_id).status != "CANCELLED":
                self._expect_editable(order_id)
                self.store.execute("UPDATE orders SET status = 'CANCELLED' WHERE id = ?", order_id)
        return self.find(order_id)

    def _expect_editable(self, order_id: str) -> None:
        order = self.find(order_id)
        if order.status not in EDITABLE:
            raise RefusedError(409, "order_closed", f"the order is {order.status}")
        has_open_attempt = self.store.first(Attempt, "order_id = ? AND state = 'open'", order_id) is not None
        if not self.decisions.may_change(order, has_open_attempt):
            raise RefusedError(409, "payment_in_progress", "a payment of this order is not settled yet")

    def release_holds(self) -> None:
        """Cancel the orders that were not paid in time, so that somebody else can have the goods."""
        now = self.clock()
        for order in self.store.find(
            Order, "status IN ('PENDING', 'FAILED') AND created_at <= ?", now - self.decisions.config.hold_s
        ):
            with self.store.transaction():
                is_open = self.store.first(Attempt, "order_id = ? AND state = 'open'", order.id) is not None
                if self.decisions.hold_is_over(order, is_open, now):
                    self.store.execute("UPDATE orders SET status = 'CANCELLED' WHERE id = ?", order.id)

    def find(self, order_id: str) -> Order:
        """The order with this id; RefusedError 404 if there is none."""
        order = self.store.first(Order, "id = ?", order_id)
        if order is None:
            raise RefusedError(404, "order_not_found", "there is no order with this id", "order_id")
        return order

    def newest(self, limit: int = 100) -> list[Order]:
        """The latest orders, newest first."""
        return self.store.find(Order, "true ORDER BY rowid DESC LIMIT ?", limit)

    def show(self, order: Order) -> Json:
        """An order as the shop's API gives it; amounts in minor units."""
        attempts = self.store.find(Attempt, "order_id = ? ORDER BY number", order.id)
        return {
            "id": order.id,
            "customer_id": order.customer_id,
            "items": json.loads(order.items),
            "amount": order.amount,
            "currency": order.currency,
            "capture": order.capture,
            "status": order.status,
            "amount_captured": self.store.scalar(
                "SELECT coalesce(max(amount_captured), 0) FROM attempts WHERE id = ?", order.paid_by
            ),
            "amount_refunded": order.amount_refunded,
            "disputes": self.store.column("SELECT status FROM disputes WHERE order_id = ? ORDER BY id", order.id),
            "fulfilments": self.store.scalar("SELECT count(*) FROM fulfilments WHERE order_id = ?", order.id),
            "attempts": [
                {"number": each.number, "status": each.state, "charge_id": each.charge_id, "code": each.code} for each in attempts
            ],
        }


def wish(order: Order) -> tuple[Any, ...]:
    """What somebody wanted when they placed it."""
    return order.customer_id, order.items, order.amount, order.currency, order.capture


def price(body: Json) -> tuple[list[Json], int, str]:
    """The items, the amount in minor units and the currency of an order as asked for."""
    if ("items" in body) == ("amount" in body):
        raise RefusedError(400, "invalid_body", "give either items or an amount, one of them", "items")
    if "amount" in body:
        amount = whole_number(body["amount"], "amount")
        return (
            [{"sku": "gift-card", "name": "Gift card", "quantity": 1, "price": amount}],
            amount,
            currency(body),
        )
    if "currency" in body:
        raise RefusedError(400, "invalid_field", "the goods are priced in usd; leave currency out", "currency")
    asked = body["items"]
    if not isinstance(asked, list) or not 1 <= len(asked) <= 100:
        raise RefusedError(400, "invalid_field", "items must be a list of 1 to 100 items", "items")
    items = [priced(item) for item in asked]
    total = sum(item["price"] * item["quantity"] for item in items)
    if total > AMOUNT_MAX:
        raise RefusedError(400, "amount_too_large", f"the items cost more than {AMOUNT_MAX} cents", "items")
    return items, total, CATALOGUE_CURRENCY


def priced(item: Any) -> Json:
    """One line of an order with the shop's name and price for it."""
    if not isinstance(item, dict) or not set(item) <= ITEM_FIELDS:
        raise RefusedError(400, "invalid_field", "an item is {sku, quantity} and nothing else", "items")
    sku = item.get("sku")
    if not isinstance(sku, str) or sku not in CATALOGUE:
        raise RefusedError(400, "unknown_sku", f"sku must be one of {', '.join(CATALOGUE)}", "sku")
    name, cents = CATALOGUE[sku]
    return {
        "sku": sku,
        "name": name,
        "quantity": whole_number(item.get("quantity", 1), "quantity", 999),
        "price": cents,
    }
