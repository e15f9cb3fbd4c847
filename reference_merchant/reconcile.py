"""Resolves what was left unknown: at the start and then regularly, asks about each open attempt and modification.

This is what makes a crash harmless, and a webhook a convenience. It asks by attempt, not by order: another
attempt's outcome is no answer. Only then the goods of orders that surely nobody paid are let go.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable

from .checkout import Checkout
from .model import Attempt, Modification
from .modifications import Modifications
from .orders import Orders

log = logging.getLogger("reference_merchant.reconcile")
AT_A_TIME = 16


class Reconciler:
    """Runs over the open rows. Flights see to it that no call is made twice at once, and to the pauses."""

    def __init__(self, checkout: Checkout, modifications: Modifications, orders: Orders, every_s: float) -> None:
        self.checkout, self.modifications, self.orders, self.every_s = checkout, modifications, orders, every_s

    async def run(self) -> None:
        """Reconcile for ever."""
        while True:
            try:
                await self.run_once()
            except Exception:  # whatever it was, the next round may do better
                log.exception("a round of reconciliation failed")
            self.checkout.wake()
            await asyncio.sleep(self.every_s)

    async def run_once(self) -> None:
        """Ask about all that is open, then let go what was held too long."""
        store = self.checkout.store
        open_ones: list[Awaitable[None]] = [
            *(self.checkout.settle(each.id) for each in store.find(Attempt, "state = 'open'")),
            *(self.modifications.settle(each.id) for each in store.find(Modification, "state = 'open'")),
        ]
        places = asyncio.Semaphore(AT_A_TIME)

        async def one(work: Awaitable[None]) -> None:
            async with places:
                await work

        results = await asyncio.gather(*(one(each) for each in open_ones), return_exceptions=True)
        for failure in results:
            if isinstance(failure, Exception):
                log.error("an attempt could not be settled", exc_info=failure)
        self.orders.release_holds()
