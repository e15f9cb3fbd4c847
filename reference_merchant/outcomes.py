"""What an outcome does to the books, the same whether it comes from an answer, a webhook or reconciliation.

All functions run inside a transaction of the caller. Outcomes may come twice, late and in any order, so
each is tied to its own attempt, a success is never undone by a failure, and doing it again changes nothing.
"""

from __future__ import annotations

import json
from typing import Any

from .decisions import Decisions
from .model import Attempt, Order, Refund
from .seams import Ids
from .store import Store

Json = dict[str, Any]
FAILED_STATUSES = frozenset({"failed", "voided", "expired"})


class Outcomes:
    """Applies charges and refunds, as the gateway shows them, to orders."""

    def __init__(self, store: Store, decisions: Decisions, ids: Ids) -> None:
        self.store, self.decisions, self.ids = store, decisions, ids

    def charge(self, attempt: Attempt, charge: Json, now: float) -> None:
        """Apply a charge to the attempt that it belongs to."""
        if charge["status"] == "succeeded":
            self._success(attempt, charge, now)
        elif charge["status"] in FAILED_STATUSES:
            self.failure(attempt, "declined", str(charge.get("decline_code") or charge["status"]), charge["id"])
        elif attempt.charge_id is None:  # still being decided at the gateway: from now on ask for it by its id
            self.store.execute("UPDATE attempts SET charge_id = ? WHERE id = ?", charge["id"], attempt.id)

    def failure(self, attempt: Attempt, state: str, code: str, charge_id: str | None = None) -> None:
        """Close an open attempt as declined or refused; its order may then be paid by another."""
        if not self.decisions.failure_counts(attempt):
            return
        self.store.execute(
            "UPDATE attempts SET state = ?, code = ?, charge_id = coalesce(?, charge_id) WHERE id = ?",
            *(state, code, charge_id, attempt.id),
        )
        self.store.execute("UPDATE orders SET status = 'FAILED' WHERE id = ? AND status = 'PENDING'", attempt.order_id)

    def _success(self, attempt: Attempt, charge: Json, now: float) -> None:
        if not self.decisions.fits(attempt, charge):
            self.flag("amount_mismatch", charge["id"], attempt.order_id, f"expected {attempt.amount}", now)
            return
        self.store.execute(
            "UPDATE attempts SET state = 'succeeded', code = NULL, charge_id = ? WHERE id = ?",
            *(charge["id"], attempt.id),
        )
        order = self.store.get(Order, attempt.order_id)
        if self.decisions.pays(order):
            self.store.execute("UPDATE orders SET status = 'PAID', paid_by = ? WHERE id = ?", attempt.id, order.id)
            self.decisions.owe_goods(self.store, order)
            self._count_refunds(order.id)
        elif order.paid_by != attempt.id:
            self._return_surplus(order, charge, now)

    def _return_surplus(self, order: Order, charge: Json, now: float) -> None:
        """A charge too many (it should never happen): give it back, once, and have somebody look at it."""
        self.flag("surplus_charge", charge["id"], order.id, f"the order was {order.status}", now)
        if not self.store.find(Refund, "charge_id = ? AND purpose = 'surplus'", charge["id"]):
            self.store.insert(self.new_refund(order.id, charge["id"], "surplus", charge["amount"], now))

    def new_refund(self, order_id: str, charge_id: str, purpose: str, amount: int, now: float) -> Refund:
        """A refund to ask for. Its own id is the reason given, by which it is found again."""
        refund_id = self.ids("refund")
        body = json.dumps({"amount": amount, "reason": refund_id})
        return Refund(refund_id, order_id, charge_id, purpose, self.ids("key"), body, amount, "open", None, now)

    def refund(self, refund: Refund, seen: Json) -> None:
        """Apply a refund as the gateway shows it to ours."""
        state = {"succeeded": "succeeded", "failed": "failed"}.get(seen["status"], "open")
        if refund.state == "open":
            self.store.execute("UPDATE refunds SET state = ?, refund_id = ? WHERE id = ?", state, seen["id"], refund.id)
        self._count_refunds(refund.order_id)

    def refund_refused(self, refund: Refund) -> None:
        """The gateway will not give this money back."""
        self.store.execute("UPDATE refunds SET state = 'failed' WHERE id = ? AND state = 'open'", refund.id)

    def refund_made_elsewhere(self, order: Order, seen: Json, now: float) -> None:
        """Book a refund that the shop did not ask for."""
        if seen["status"] == "succeeded":
            row = Refund(
                *(self.ids("refund"), order.id, seen["charge_id"], "elsewhere", None, "{}"),
                *(seen["amount"], "succeeded", seen["id"], now),
            )
            self.store.insert(row)
            self._count_refunds(order.id)

    def _count_refunds(self, order_id: str) -> None:
        """Set what has gone back of the charge that paid; all of it makes the order REFUNDED."""
        refunded = self.store.scalar(
            "SELECT coalesce(sum(r.amount), 0) FROM orders o JOIN attempts a ON a.id = o.paid_by"
            " JOIN refunds r ON r.charge_id = a.charge_id AND r.state = 'succeeded' WHERE o.id = ?",
            order_id,
        )
        self.store.execute("UPDATE orders SET amount_refunded = ? WHERE id = ?", refunded, order_id)
        self.store.execute(
            "UPDATE orders SET status = 'REFUNDED' WHERE id = ? AND status = 'PAID' AND amount_refunded = amount",
            order_id,
        )

    def flag(self, kind: str, reference: str, order_id: str | None, detail: str, now: float) -> None:
        """Leave a note for a person, once."""
        self.store.execute("INSERT OR IGNORE INTO flags VALUES (?, ?, ?, ?, ?)", kind, reference, order_id, detail, now)
