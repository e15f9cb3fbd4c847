"""The rows of the shop's books as plain values, named as in `schema.sql`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

#: Statuses of an order that money is held or was taken for.
PAYMENT_MADE = ("AUTHORIZED", "PARTIALLY_PAID", "PAID", "PARTIALLY_REFUNDED", "REFUNDED")


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants to buy. `amount` is in minor units and always the shop's own price."""

    id: str
    customer_id: str | None
    items: str
    amount: int
    currency: str
    capture: str
    status: str
    paid_by: str | None
    amount_refunded: int
    created_at: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at paying: `open` while its outcome is not known, then authorized, succeeded, lapsed, declined or refused."""

    id: str
    order_id: str
    number: int
    idempotency_key: str | None
    nonce: str | None
    request_body: str
    amount: int
    currency: str
    state: str
    charge_id: str | None
    code: str | None
    created_at: float
    amount_captured: int = 0

    @property
    def captures_at_once(self) -> bool:
        """Whether the charge was asked to take all of the money at once."""
        return bool(json.loads(self.request_body).get("capture", True))


@dataclass(frozen=True, slots=True)
class Modification:
    """A capture, void or refund of a charge: `open` while its outcome is not known, then succeeded or failed."""

    id: str
    order_id: str
    charge_id: str
    kind: str
    purpose: str
    idempotency_key: str | None
    request_body: str
    amount: int
    captured_after: int | None
    state: str
    refund_id: str | None
    created_at: float

    def state_by(self, charge: dict[str, Any]) -> str:
        """How a capture or void stands when its charge looks like this."""
        captured, waiting = captured_of(charge), charge["status"] == "authorized"
        released = not waiting and captured < charge["amount"]
        done = captured >= (self.captured_after or 0) if self.kind == "capture" else released
        return "succeeded" if done else "open" if waiting else "failed"


def captured_of(charge: dict[str, Any]) -> int:
    """What a charge has taken of its amount; all of it, if it has succeeded and does not say."""
    captured = charge.get("amount_captured")
    if isinstance(captured, int):
        return captured
    return int(charge["amount"]) if charge["status"] == "succeeded" else 0
