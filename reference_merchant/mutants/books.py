"""Bugs of bookkeeping: news that are old, of another attempt, of another amount, or written in two halves."""

from __future__ import annotations

from ..checkout import Checkout
from ..decisions import Json
from ..model import Attempt, Modification, Order
from ..modifications import Modifications
from ..store import Store
from ..webhooks import Webhooks
from .mutant import Mutant, Unguarded


class FailedAfterOk(Mutant):
    """Lets a late failure overwrite a paid order."""

    violates = ("S7",)
    exposed_by = "reorder"
    relaxes = ("paid_stays_paid",)

    def failure_counts(self, attempt: Attempt) -> bool:
        return True

    def status_after_failure(self, order: Order, code: str) -> str:
        return "FAILED"


class StaleAttempt(Unguarded):
    """Does not tie a failure to its attempt, but to the one that is open."""

    violates = ("S1",)
    exposed_by = "late + crash"
    relaxes = ("charge_of_one_attempt",)

    def belongs(self, attempt: Attempt, charge: Json) -> bool:
        return attempt.state == "open" if charge.get("status") == "failed" else super().belongs(attempt, charge)


class SnapshotWins(Mutant):
    """Lets an old event overwrite a newer state."""

    violates = ("S7",)
    exposed_by = "reorder"
    relaxes = ("paid_stays_paid",)

    def is_news(self, attempt: Attempt, captured: int) -> bool:
        return captured != attempt.amount_captured or super().is_news(attempt, captured)


class AmountUnchecked(Mutant):
    """Does not compare the amount and currency of an event with the order's."""

    violates = ("S3",)
    exposed_by = "signed event, lower amount"

    def fits(self, attempt: Attempt, charge: Json) -> bool:
        return True


class FulfilSepTx(Mutant):
    """Writes PAID in one transaction and the parcel in another, with the receipt fetched in between."""

    violates = ("L4",)
    exposed_by = "crash between"

    def owe_goods(self, store: Store, order: Order) -> None:
        """Later."""

    async def pay(self, checkout: Checkout, order: Order, body: Json) -> Attempt:
        attempt = await super().pay(checkout, order, body)
        await self.fulfil(order.id)
        return attempt

    async def take_event(self, webhooks: Webhooks, webhook_id: str, event: Json, now: float) -> int:
        status = await super().take_event(webhooks, webhook_id, event, now)
        await self.fulfil(event["data"].get("order_id"))
        return status

    async def ship(self, modifications: Modifications, order: Order, amount: int | None) -> Modification:
        capture = await super().ship(modifications, order, amount)
        await self.fulfil(order.id)
        return capture

    async def fulfil(self, order_id: str | None) -> None:
        """Note the parcel of an order that is paid."""
        paid = self.store.first(Attempt, "id = (SELECT paid_by FROM orders WHERE id = ? AND status = 'PAID')", order_id)
        if paid is not None:
            await self.charge_confirmed(paid.charge_id or "")
            with self.store.transaction():
                self.store.execute("INSERT OR IGNORE INTO outbox VALUES (?, 'pending')", order_id)
            self.checkout.wake()


class HoldExpiry(Unguarded):
    """Has a timer that cancels an order whose payment is not known yet."""

    violates = ("L1",)
    exposed_by = "late webhook"

    def hold_is_over(self, order: Order, has_open_attempt: bool, now: float) -> bool:
        return super().hold_is_over(order, False, now)
