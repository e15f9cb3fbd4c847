"""Bugs of captures and refunds: made twice, too late, or booked twice."""

from __future__ import annotations

from dataclasses import replace

from ..decisions import Json
from ..model import Attempt, Modification, Order
from ..modifications import Modifications
from .mutant import Mutant


class DoubleCapture(Mutant):
    """Captures without a key."""

    violates = ("S8",)
    exposed_by = "lost response"

    def key_of_modification(self, modification: Modification, tries: int) -> str | None:
        return None if modification.kind == "capture" else modification.idempotency_key


class CaptureCancelled(Mutant):
    """Captures a cancelled order, and takes `not capturable` for `captured already`."""

    violates = ("S3",)
    exposed_by = "cancel race"
    relaxes = ("paid_stays_paid", "paid_needs_a_charge")

    async def ship(self, modifications: Modifications, order: Order, amount: int | None) -> Modification:
        attempt = self.store.first(Attempt, "id = ?", order.paid_by)
        if order.status != "CANCELLED" or attempt is None:
            return await super().ship(modifications, order, amount)
        now, charge_id = modifications.clock(), attempt.charge_id or ""
        capture = self.outcomes.new_modification(order.id, charge_id, "capture", "asked", order.amount, now, order.amount)
        await self.gateway.modify("capture", charge_id, capture.request_body, capture.idempotency_key)
        with self.store.transaction():
            self.store.insert(replace(capture, state="succeeded"))
            self.believe(order, attempt.id)
        modifications.wake()
        return self.store.get(Modification, capture.id)


class AuthExpired(Mutant):
    """Ships on an expired authorization: it was good when it was taken."""

    violates = ("S3",)
    exposed_by = "+7 days"
    relaxes = ("paid_needs_a_charge",)

    async def ship(self, modifications: Modifications, order: Order, amount: int | None) -> Modification:
        capture = await super().ship(modifications, order, amount)
        if capture.state == "failed":
            with self.store.transaction():
                self.believe(order, order.paid_by)
            modifications.wake()
            return replace(capture, state="succeeded")
        return capture


class RefundTwice(Mutant):
    """Makes a fresh key for each try at a refund."""

    violates = ("S8",)
    exposed_by = "lost response"

    def key_of_modification(self, modification: Modification, tries: int) -> str | None:
        return self.outcomes.ids("key") if modification.kind == "refund" else modification.idempotency_key


class RefundEcho(Mutant):
    """Books a refund of its own again when the webhook tells of it."""

    violates = ("books",)
    exposed_by = "refund event"
    relaxes = ("refund_booked_once",)

    def is_ours(self, refund: Modification, seen: Json) -> bool:
        return False
