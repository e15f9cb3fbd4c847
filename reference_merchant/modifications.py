"""Captures, voids and refunds: later changes to a charge, made as carefully as the charge itself.

Each is stored with its key before its first call, and an unknown outcome is no failure. An order has one of
them under way at a time, so that a parcel and a cancellation cannot cross.
"""

from __future__ import annotations

from collections.abc import Callable

from .decisions import Decisions, Verdict
from .errors import RefusedError
from .flights import Flights
from .gateway_client import Answer, GatewayClient
from .model import Attempt, Modification, Order
from .outcomes import Outcomes
from .seams import Clock
from .store import Store

NOT_NOW = {"capture": "order_not_shippable", "void": "order_closed", "refund": "order_not_refundable"}


class Modifications:
    """Asks for changes to charges and settles them. `wake` is called after a commit that may owe goods to somebody."""

    def __init__(
        self,
        store: Store,
        gateway: GatewayClient,
        decisions: Decisions,
        outcomes: Outcomes,
        clock: Clock,
        flights: Flights,
        wake: Callable[[], None],
    ) -> None:
        self.store, self.gateway, self.decisions, self.outcomes = store, gateway, decisions, outcomes
        self.clock, self.flights, self.wake = clock, flights, wake

    async def modify(self, kind: str, order_id: str, amount: int | None = None) -> Modification:
        """Capture, void or refund an amount in minor units, or the rest. The modification, which may still be open.

        Raises RefusedError 409 if the order's state forbids it or another one is open, 400 if it is too much.
        """
        now = self.clock()
        with self.store.transaction():
            modification, is_new = self._begin(kind, order_id, amount, now)
        await self.settle(modification.id, first_time=is_new)
        return self.store.get(Modification, modification.id)

    def _begin(self, kind: str, order_id: str, amount: int | None, now: float) -> tuple[Modification, bool]:
        order = self.store.get(Order, order_id)
        going_on = self.store.first(Modification, "order_id = ? AND state = 'open' AND purpose = 'asked'", order_id)
        if going_on and going_on.kind == kind and amount in (None, going_on.amount):
            return going_on, False  # a second click
        if going_on:
            detail = f"a {going_on.kind} of {going_on.amount} is not settled yet"
            raise RefusedError(409, f"{going_on.kind}_in_progress", detail)
        if not self.decisions.allows(kind, order) or order.paid_by is None:
            raise RefusedError(409, NOT_NOW[kind], f"the order is {order.status}")
        if self.outcomes.is_charged_back(order_id) and not self.decisions.allows_when_charged_back(kind):
            raise RefusedError(409, "order_disputed", "the customer's bank has taken the money back; answer the dispute first")
        attempt = self.store.get(Attempt, order.paid_by)
        captured = attempt.amount_captured
        rest = captured - order.amount_refunded if kind == "refund" else attempt.amount - captured
        if amount is not None and amount > rest:
            raise RefusedError(400, "amount_too_large", f"amount is {amount}, at most {rest} is left", "amount")
        if rest == 0:
            raise RefusedError(409, NOT_NOW[kind], "nothing is left of the charge")
        assert attempt.charge_id is not None, "an order is paid by a charge"
        amount = amount or rest
        after = captured + amount if kind == "capture" else None
        modification = self.outcomes.new_modification(order_id, attempt.charge_id, kind, "asked", amount, now, after)
        self.store.insert(modification)
        return modification, True

    async def settle(self, modification_id: str, *, first_time: bool = False) -> None:
        """Find out how an open modification ended, within bounds: it may still be open afterwards."""
        await self.flights.join(modification_id, lambda: self._settle(modification_id, first_time))

    async def _settle(self, modification_id: str, first_time: bool) -> float | None:
        modification = self.store.get(Modification, modification_id)
        if modification.state != "open":
            return None
        answer = await self._ask(modification, first_time)
        now = self.clock()
        with self.store.transaction():
            self._record(self.store.get(Modification, modification_id), answer, now)
        self.wake()
        return (answer.retry_after or 0.0) if self._is_open(modification_id) else None

    def _record(self, modification: Modification, answer: Answer, now: float) -> None:
        verdict = self.decisions.read(answer)
        if verdict is Verdict.KNOWN and modification.kind == "refund":
            self.outcomes.refund(modification, answer.body)
        elif verdict is Verdict.KNOWN:
            self._charge_seen(modification, answer, now)
        elif verdict is Verdict.UNKNOWN:
            self.decisions.take_unknown(modification, answer)
        else:
            if "charge" in answer.body:
                self._charge_seen(modification, Answer(200, answer.body["charge"]), now)
            self.outcomes.modification_refused(modification)

    def _charge_seen(self, modification: Modification, answer: Answer, now: float) -> None:
        attempt = self.store.first(Attempt, "charge_id = ?", modification.charge_id)
        if attempt is not None:
            self.outcomes.charge(attempt, answer.body, now)

    async def _ask(self, modification: Modification, first_time: bool) -> Answer:
        """As for charges. Only the key guards against doing it a second time, so looking first matters more."""
        if modification.refund_id:
            return await self.gateway.get_refund(modification.refund_id)
        kind, charge_id, decide = modification.kind, modification.charge_id, self.decisions
        return await self.flights.ask(
            modification.id,
            lambda tries, last: self.gateway.modify(
                kind, charge_id, decide.body_of_modification(modification), decide.key_of_modification(modification, tries)
            ),
            lambda: self._look_up(modification),
            lambda: self._is_open(modification.id),
            first_time,
        )

    async def _look_up(self, modification: Modification) -> Answer:
        """200 with what was done, 404 if it surely was not (yet), 400 if it cannot be done any more."""
        if modification.kind == "refund":
            return await self.gateway.find_refund(
                modification.charge_id, lambda seen: bool(seen.get("reason") == modification.id)
            )
        found = await self.gateway.get_charge(modification.charge_id)
        if found.status != 200 or not isinstance(found.body.get("status"), str):
            return Answer(None, retry_after=found.retry_after)
        state = modification.state_by(found.body)
        if state == "open":
            return Answer(404, {"code": "not_found"})
        return found if state == "succeeded" else Answer(400, {"code": "authorization_lapsed", "charge": found.body})

    def _is_open(self, modification_id: str) -> bool:
        return self.store.get(Modification, modification_id).state == "open"
