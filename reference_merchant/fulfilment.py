"""Hands over the goods, exactly once: works off the outbox that was written together with PAID.

Here to fulfil is to write a row, so one transaction does both that and the ticking off. A warehouse behind
an API would get the order's id as its idempotency key.
"""

from __future__ import annotations

import asyncio
import logging

from .model import Order
from .seams import Clock
from .store import Store

log = logging.getLogger("reference_merchant.fulfilment")


class Fulfilment:
    """The worker. It starts with what a crash left behind."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store, self.clock = store, clock
        self._awake = asyncio.Event()

    def wake(self) -> None:
        """Say that there may be work."""
        self._awake.set()

    async def run(self) -> None:
        """Work whenever woken, for ever."""
        while True:
            self._awake.clear()
            try:
                if self._pending():
                    self.drain(self.clock())
            except Exception:  # the rows are still there; the next wake-up tries again
                log.exception("fulfilment failed")
            await self._awake.wait()

    def _pending(self) -> list[str]:
        return [row[0] for row in self.store.execute("SELECT order_id FROM outbox WHERE state = 'pending'")]

    def drain(self, now: float) -> None:
        """Fulfil all that is owed, one by one. Goods for an order refunded meanwhile stay here."""
        for order_id in self._pending():
            with self.store.transaction():
                paid = self.store.get(Order, order_id).status in ("PAID", "PARTIALLY_REFUNDED")
                if paid:
                    self.store.execute("INSERT OR IGNORE INTO fulfilments VALUES (?, ?)", order_id, now)
                self.store.execute("UPDATE outbox SET state = ? WHERE order_id = ?", "done" if paid else "dropped", order_id)
