"""Hears the gateway's webhooks: verify the raw bytes, apply the event in one transaction, then say 2xx.

A webhook comes at least once, in any order, and perhaps before the answer that it repeats. Anything but 2xx
makes it come again, so 2xx is only said of what is committed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from .decisions import Decisions
from .errors import RefusedError
from .model import Attempt, Modification, Order
from .outcomes import HOLDS_MONEY, Outcomes
from .seams import Clock
from .signatures import SignatureError
from .store import Store

Json = dict[str, Any]


class Webhooks:
    """Receives events. `wake` is called after a commit that may owe goods to somebody."""

    def __init__(self, store: Store, decisions: Decisions, outcomes: Outcomes, clock: Clock, wake: Callable[[], None]) -> None:
        self.store, self.decisions, self.outcomes = store, decisions, outcomes
        self.clock, self.wake = clock, wake

    async def receive(self, headers: Mapping[str, str], raw: bytes) -> int:
        """Take one delivery; the 2xx status to answer with.

        Raises RefusedError: 401 not signed, 400 signed but no event, 409 of an order that is not here (yet).
        """
        now = self.clock()
        try:
            webhook_id = self.decisions.verify(headers, raw, now)
        except SignatureError as error:
            raise RefusedError(401, error.code, str(error)) from None
        try:
            event = json.loads(raw)
            data = event["data"]
            well_formed = isinstance(event["type"], str) and isinstance(data, dict)
        except (ValueError, KeyError, TypeError, RecursionError):
            well_formed = False
        if not well_formed:
            raise RefusedError(400, "invalid_event", "the body must be a JSON object with type and data")
        return await self.decisions.take_event(self, webhook_id, event, now)

    def apply(self, webhook_id: str, event: Json, now: float) -> int:
        """Apply an event once; the status to answer with."""
        with self.store.transaction():
            if not self.decisions.is_new(self.store, webhook_id, event["type"], now):
                return 200
            status = self.apply_data(event["type"], event["data"], now)
        self.wake()
        return status

    def apply_data(self, event_type: str, data: Json, now: float) -> int:
        """Apply what an event shows, inside a transaction; the status to answer with."""
        family = event_type.partition(".")[0]
        if not self.decisions.knows_type(event_type):
            raise RefusedError(500, "event_type_unknown", "no idea what this is")
        if family not in ("charge", "refund", "dispute"):
            return 200
        if not all(isinstance(data.get(name), str) for name in ("id", "status")):
            raise RefusedError(400, "invalid_event", f"data must be a {family} with id and status")
        if data.get("order_id") is None:
            return 200  # not made by this shop
        order = self.store.first(Order, "id = ?", data["order_id"])
        if order is None:
            if self.decisions.unknown_order_status < 300:
                return self.decisions.unknown_order_status
            raise RefusedError(
                self.decisions.unknown_order_status,
                "order_unknown",
                "no such order here yet; send it again later",
            )
        if family == "charge":
            self.charge_seen(order, data, now)
        elif family == "dispute":
            self.outcomes.dispute(order, data)
        else:
            self.refund_seen(order, data, now)
        return 200

    def charge_seen(self, order: Order, charge: Json, now: float) -> None:
        """Apply a charge to its attempt.

        One that bears our order's id but is of no attempt of ours (made by hand at the gateway, say) still
        is money paid for the order. It is noted as one more attempt, and then held to the same rules.
        """
        attempts = self.store.find(Attempt, "order_id = ? ORDER BY number", order.id)
        attempt = next((each for each in attempts if self.decisions.belongs(each, charge)), None)
        if attempt is None:
            if charge["status"] not in HOLDS_MONEY:
                return
            attempt = Attempt(
                *(self.outcomes.ids("attempt"), order.id, len(attempts) + 1, None, None, "{}"),
                *(order.amount, order.currency, "refused", charge["id"], "made_elsewhere", now),
            )
            self.store.insert(attempt)
        self.outcomes.charge(attempt, charge, now)

    def refund_seen(self, order: Order, seen: Json, now: float) -> None:
        """Apply a refund to ours, found by the gateway's id or by the reason we gave; else book it as new."""
        refunds = self.store.find(Modification, "kind = 'refund' AND (refund_id = ? OR id = ?)", seen["id"], seen.get("reason"))
        refund = next((each for each in refunds if self.decisions.is_ours(each, seen)), None)
        if refund is not None:
            self.outcomes.refund(refund, seen)
        else:
            self.outcomes.refund_made_elsewhere(order, seen, now)
