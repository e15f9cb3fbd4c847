"""Gives money back as carefully as it is taken: a stored key before the call, unknown is not failure."""

from __future__ import annotations

from .decisions import Decisions, Verdict
from .errors import RefusedError
from .flights import Flights
from .gateway_client import Answer, GatewayClient
from .model import Attempt, Order, Refund
from .outcomes import Outcomes
from .seams import Clock
from .store import Store


class Refunds:
    """Asks for refunds and settles them."""

    def __init__(
        self,
        store: Store,
        gateway: GatewayClient,
        decisions: Decisions,
        outcomes: Outcomes,
        clock: Clock,
        flights: Flights,
    ) -> None:
        self.store, self.gateway, self.decisions = store, gateway, decisions
        self.outcomes, self.clock, self.flights = outcomes, clock, flights

    async def refund(self, order_id: str, amount: int | None) -> Refund:
        """Give back an amount in minor units, or the rest. The refund, which may still be open.

        Raises RefusedError 409 if the order is not paid or a different refund is open, 400 if it is too much.
        """
        now = self.clock()
        with self.store.transaction():
            refund, is_new = self._begin(order_id, amount, now)
        await self.settle(refund.id, first_time=is_new)
        return self.store.get(Refund, refund.id)

    def _begin(self, order_id: str, amount: int | None, now: float) -> tuple[Refund, bool]:
        order = self.store.get(Order, order_id)
        going_on = self.store.first(Refund, "order_id = ? AND state = 'open' AND purpose = 'asked'", order_id)
        if going_on and amount in (None, going_on.amount):
            return going_on, False  # a second click
        if going_on:
            raise RefusedError(409, "refund_in_progress", f"a refund of {going_on.amount} is not settled yet")
        if order.status != "PAID" or order.paid_by is None:
            raise RefusedError(409, "order_not_refundable", f"the order is {order.status}, expected PAID")
        rest = order.amount - order.amount_refunded
        if amount is not None and amount > rest:
            raise RefusedError(400, "amount_too_large", f"amount is {amount}, at most {rest} is left", "amount")
        charge_id = self.store.get(Attempt, order.paid_by).charge_id
        assert charge_id is not None, "an order is paid by a charge"
        refund = self.outcomes.new_refund(order_id, charge_id, "asked", amount or rest, now)
        self.store.insert(refund)
        return refund, True

    async def settle(self, refund_id: str, *, first_time: bool = False) -> None:
        """Find out how an open refund ended, within bounds: it may still be open afterwards."""
        await self.flights.join(refund_id, lambda: self._settle(refund_id, first_time))

    async def _settle(self, refund_id: str, first_time: bool) -> float | None:
        refund = self.store.get(Refund, refund_id)
        if refund.state != "open":
            return None
        answer = await self._ask(refund, first_time)
        verdict = self.decisions.read(answer)
        with self.store.transaction():
            refund = self.store.get(Refund, refund_id)
            if verdict is Verdict.KNOWN:
                self.outcomes.refund(refund, answer.body)
            elif verdict is not Verdict.UNKNOWN:
                self.outcomes.refund_refused(refund)
        return (answer.retry_after or 0.0) if self._is_open(refund_id) else None

    async def _ask(self, refund: Refund, first_time: bool) -> Answer:
        """As for charges. Only the key guards against a second refund, so looking first matters more."""
        if refund.refund_id:
            return await self.gateway.get_refund(refund.refund_id)
        charge_id, key, decide = refund.charge_id, refund.idempotency_key, self.decisions
        return await self.flights.ask(
            refund.id,
            lambda tries: self.gateway.refund(charge_id, refund.request_body, decide.key_to_send(key, tries)),
            lambda: self.gateway.find_refund(charge_id, lambda seen: bool(seen.get("reason") == refund.id)),
            lambda: self._is_open(refund.id),
            first_time,
        )

    def _is_open(self, refund_id: str) -> bool:
        return self.store.get(Refund, refund_id).state == "open"
