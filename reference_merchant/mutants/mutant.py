"""What all mutants have in common, and the shop without its nets."""

from __future__ import annotations

import asyncio
import re
from typing import ClassVar

from ..checkout import Checkout
from ..decisions import Decisions, Json
from ..gateway_client import Answer
from ..model import Order

#: The longest that a mutant rests before it asks once more: what is dark may stay so, and simulated time makes only waiting free.
PAUSE_MAX_S = 10.0


class Mutant(Decisions):
    """The shop with one real-world bug; the first line of a subclass's docstring tells it."""

    violates: ClassVar[tuple[str, ...]] = ()  # codes of the oracles that object: S… safety, L… liveness, P… protocol, or books
    exposed_by: ClassVar[str] = ""

    @classmethod
    def name(cls) -> str:
        """`NewKeyRetry` is `new_key_retry`, `Cached500` is `cached_500`."""
        return re.sub(r"(?<!^)(?=[A-Z])|(?<=[a-z])(?=[0-9])", "_", cls.__name__).lower()

    @classmethod
    def bug(cls) -> str:
        """One line."""
        return (cls.__doc__ or "").partition("\n")[0]

    def set_up(self, checkout: Checkout) -> None:
        """Keep hold of the rooms."""
        self.checkout = checkout
        self.store, self.gateway, self.outcomes = checkout.store, checkout.gateway, checkout.outcomes

    async def charge_confirmed(self, charge_id: str) -> Json:
        """A charge as the gateway shows it, however long it takes to hear of it."""
        pause_s = self.config.retry_base_s
        while True:
            found = await self.gateway.get_charge(charge_id)
            if found.status == 200:
                return found.body
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_MAX_S)

    def believe(self, order: Order, attempt_id: str | None = None) -> None:
        """Take an order for paid, whatever the gateway says; inside a transaction."""
        self.store.execute("UPDATE attempts SET state = 'succeeded' WHERE id = ?", attempt_id)
        self.outcomes.paid(order, attempt_id, "PAID")


class Unguarded(Mutant):
    """The shop without the nets beneath its decisions; right as long as each of them is.

    It relies on its idempotency keys alone: it does not look a charge up before it repeats the call, nor when a call is
    refused, and does not give a surplus charge back. Most shops have no such nets, and with them many a bug does no harm.
    """

    returns_surplus = False

    def looks_first(self) -> bool:
        return False

    def refusal_stands(self, found: Answer) -> bool:
        return True
