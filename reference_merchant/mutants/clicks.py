"""Bugs of the browser's side: clicks that meet, tabs, and what a page claims."""

from __future__ import annotations

from ..decisions import Json
from ..model import Attempt, Order
from .mutant import Mutant, Unguarded


class DoubleClick(Unguarded):
    """Has no lock, and a new key for each click."""

    violates = ("S1",)
    exposed_by = "concurrent clicks"
    relaxes = ("one_open_attempt",)

    def joins(self, attempt: Attempt, nonce: str) -> bool:
        return False


class TwoTabs(Unguarded):
    """Accepts a second payment of one order."""

    violates = ("S1",)
    exposed_by = "two browser tabs"

    def payable(self, order: Order) -> bool:
        return order.status in ("PENDING", "FAILED", "PAID")


class ClientAmount(Mutant):
    """Trusts the browser's price."""

    violates = ("S2",)
    exposed_by = "tampered body"

    def price_agreed(self, order: Order, shown: int | None) -> bool:
        return True

    def amount_to_charge(self, order: Order, body: Json) -> int:
        return int(body.get("amount", order.amount))


class MoneyUnit(Mutant):
    """Reckons in floats and hundreds: 0.29 becomes 28 cents, and 500 yen 50000."""

    violates = ("S2",)
    exposed_by = "0.29; JPY"

    def amount_to_charge(self, order: Order, body: Json) -> int:
        shown = order.amount if order.currency == "jpy" else order.amount / 100
        return int(float(shown) * 100)
