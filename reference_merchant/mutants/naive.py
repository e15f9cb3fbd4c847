"""The tutorial's shop."""

from __future__ import annotations

from dataclasses import replace

from ..checkout import Checkout
from ..decisions import Json
from ..model import Attempt, Order
from ..webhooks import Webhooks
from .mutant import Mutant


class Naive(Mutant):
    """The tutorial's handler: charges without a key, then saves; no answer is a failure; webhooks are ignored.

    A lost response leaves a customer charged for an order that reads FAILED (L1), and the next click charges again (S1).
    """

    violates = ("L1", "S1")
    exposed_by = "lost response"
    relaxes = ("paid_stays_paid", "nonce_tried_once", "attempts_are_numbered")
    reconciles = False

    async def pay(self, checkout: Checkout, order: Order, body: Json) -> Attempt:
        """Charge at every click, and only then write anything down."""
        store = checkout.store
        attempt = replace(checkout.new_attempt(order, body, order.created_at), idempotency_key=None)
        answer = await checkout.gateway.charge(attempt.request_body, None)
        paid = answer.status == 201
        attempt = replace(
            *(attempt,),
            state="succeeded" if paid else "declined",
            charge_id=answer.body.get("id" if paid else "charge_id"),
            code=None if paid else answer.body.get("decline_code", "error"),
        )
        with store.transaction():
            store.insert(attempt)
            store.execute(
                "UPDATE orders SET status = ?, paid_by = ? WHERE id = ?",
                *("PAID" if paid else "FAILED", attempt.id if paid else None, order.id),
            )
            if paid:
                store.execute("INSERT OR IGNORE INTO outbox VALUES (?, 'pending')", order.id)
        checkout.wake()
        return attempt

    async def take_event(self, webhooks: Webhooks, webhook_id: str, event: Json, now: float) -> int:
        """Say thank you."""
        return 200
