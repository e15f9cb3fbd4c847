"""Takes payments in phases: write down the attempt, call the gateway, write down the outcome.

Between the phases anything may crash. The attempt, with its key and the exact body to send, is committed
before the first call, so the call can be repeated by anybody at any time and is still the same call.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from .decisions import Decisions, Verdict
from .errors import RefusedError
from .flights import Flights
from .gateway_client import Answer, GatewayClient
from .model import Attempt, Order
from .outcomes import Outcomes
from .seams import Clock
from .store import Store

Json = dict[str, Any]


class Checkout:
    """Begins attempts and settles them. `wake` is called after a commit that may owe goods to somebody."""

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

    async def take_payment(self, order: Order, body: Json) -> Attempt:
        """Pay an order with a nonce, or join the payment under way. The attempt, which may still be open."""
        now = self.clock()
        with self.store.transaction():
            attempt, is_new = self.begin(order.id, body, now)
        await self.settle(attempt.id, first_time=is_new)
        return self.store.get(Attempt, attempt.id)

    def begin(self, order_id: str, body: Json, now: float) -> tuple[Attempt, bool]:
        """The attempt a click is about, and whether it is new: if the order is payable and none is open.

        Raises RefusedError 409 if the order is refunded or cancelled.
        """
        order, nonce = self.store.get(Order, order_id), body["payment_nonce"]
        going_on = self.store.first(Attempt, "order_id = ? AND state = 'open'", order.id)
        if going_on and self.decisions.joins(going_on, nonce):
            return going_on, False
        if not self.decisions.payable(order):
            if order.paid_by and order.status not in ("REFUNDED", "CANCELLED"):
                return self.store.get(Attempt, order.paid_by), False
            raise RefusedError(409, "order_not_payable", f"the order is {order.status}; place a new one")
        tried = self.store.first(Attempt, "order_id = ? AND nonce = ?", order.id, nonce)
        if tried:
            return tried, False  # a nonce works once; the same click again gets the same outcome
        attempt = self.new_attempt(order, body, now)
        self.store.insert(attempt)
        self.store.execute("UPDATE orders SET status = 'PENDING' WHERE id = ? AND status = 'FAILED'", order.id)
        return attempt, True

    def new_attempt(self, order: Order, body: Json, now: float) -> Attempt:
        """An open attempt, with everything that its call needs."""
        attempt_id, nonce = self.outcomes.ids("attempt"), body["payment_nonce"]
        last = self.store.first(Attempt, "order_id = ? ORDER BY number DESC", order.id)
        key = self.decisions.new_key(order, nonce, last, self.outcomes.ids)
        amount = self.decisions.amount_to_charge(order, body)
        charge: Json = {
            "amount": amount,
            "currency": order.currency,
            "payment_nonce": nonce,
            "order_id": order.id,
            "metadata": {"attempt": attempt_id},
        }
        if order.capture == "later":
            charge["capture"] = False
        return Attempt(
            *(attempt_id, order.id, 1 + (last.number if last else 0), key, nonce, json.dumps(charge)),
            *(amount, order.currency, "open", None, None, now),
        )

    async def ask_about(self, order_id: str) -> None:
        """Settle the attempt of an order that is open, if there is one."""
        attempt = self.store.first(Attempt, "order_id = ? AND state = 'open'", order_id)
        if attempt is not None:
            await self.settle(attempt.id)

    async def settle(self, attempt_id: str, *, first_time: bool = False) -> None:
        """Find out how an open attempt ended, within bounds: it may still be open afterwards.

        `first_time` says that it was surely never sent.
        """
        await self.flights.join(attempt_id, lambda: self._settle(attempt_id, first_time))

    async def _settle(self, attempt_id: str, first_time: bool) -> float | None:
        attempt = self.store.get(Attempt, attempt_id)
        if attempt.state != "open":
            return None
        answer = await self._ask(attempt, first_time)
        now = self.clock()
        with self.store.transaction():
            self.record(self.store.get(Attempt, attempt_id), answer, now)
        self.wake()
        return (answer.retry_after or 0.0) if self._is_open(attempt_id) else None

    async def _ask(self, attempt: Attempt, first_time: bool) -> Answer:
        """The gateway's word on an attempt.

        To send the call again is safe: while the gateway knows the key, it replays; when it has forgotten the
        key, the nonce is used up or dead, as it works once.
        """
        if attempt.charge_id:
            return await self.gateway.get_charge(attempt.charge_id)
        decide = self.decisions
        return await self.flights.ask(
            attempt.id,
            lambda tries, last: self.gateway.charge(attempt.request_body, decide.key_to_send(attempt, tries, last)),
            lambda: self.gateway.find_charge(attempt.order_id, lambda seen: decide.belongs(attempt, seen)),
            lambda: self._is_open(attempt.id),
            first_time,
        )

    def _is_open(self, attempt_id: str) -> bool:
        return self.store.get(Attempt, attempt_id).state == "open"

    def record(self, attempt: Attempt, answer: Answer, now: float) -> None:
        """Write down what an answer says about an attempt; inside a transaction."""
        verdict = self.decisions.read(answer)
        if verdict is Verdict.KNOWN:
            self.outcomes.charge(attempt, answer.body, now)
        elif verdict is Verdict.DECLINED:
            charge_id = answer.body.get("charge_id")
            code = str(answer.body.get("decline_code") or answer.code)
            self.outcomes.failure(attempt, "declined", code, charge_id if isinstance(charge_id, str) else None)
        elif verdict is Verdict.REFUSED:
            self.outcomes.failure(attempt, "refused", answer.code)
        elif not self.decisions.stays_open(attempt, answer):
            self.outcomes.failure(attempt, "refused", "unavailable")
