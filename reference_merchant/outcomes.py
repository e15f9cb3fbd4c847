"""What an outcome does to the books, the same whether it comes from an answer, a webhook or reconciliation.

All functions run inside a transaction of the caller. Outcomes may come twice, late and in any order, so
each is tied to its own attempt, a success is never undone by a failure, and doing it again changes nothing.
"""

from __future__ import annotations

import json
from typing import Any

from .decisions import Decisions
from .model import Attempt, Modification, Order, captured_of
from .seams import Ids
from .store import Store

Json = dict[str, Any]
HOLDS_MONEY = frozenset({"authorized", "succeeded"})
FAILED_STATUSES = frozenset({"failed", "voided", "expired"})


class Outcomes:
    """Applies charges and refunds, as the gateway shows them, to orders."""

    def __init__(self, store: Store, decisions: Decisions, ids: Ids) -> None:
        self.store, self.decisions, self.ids = store, decisions, ids

    def charge(self, attempt: Attempt, charge: Json, now: float) -> None:
        """Apply a charge to the attempt that it belongs to, and to the captures and voids that wait for it."""
        if charge["status"] in HOLDS_MONEY:
            self._money(attempt, charge, now)
        elif charge["status"] in FAILED_STATUSES and attempt.state == "authorized":
            self._lapsed(attempt, charge["status"])
        elif charge["status"] in FAILED_STATUSES:
            self.failure(attempt, "declined", str(charge.get("decline_code") or charge["status"]), charge["id"])
        elif attempt.charge_id is None:  # still being decided at the gateway: from now on ask for it by its id
            self.store.execute("UPDATE attempts SET charge_id = ? WHERE id = ?", charge["id"], attempt.id)
        for each in self.store.find(Modification, "charge_id = ? AND kind <> 'refund' AND state = 'open'", charge["id"]):
            self._close(each, each.state_by(charge))

    def failure(self, attempt: Attempt, state: str, code: str, charge_id: str | None = None) -> None:
        """Close an open attempt as declined or refused; its order may then be paid by another."""
        if not self.decisions.failure_counts(attempt):
            return
        self.store.execute(
            "UPDATE attempts SET state = ?, code = ?, charge_id = coalesce(?, charge_id) WHERE id = ?",
            *(state, code, charge_id, attempt.id),
        )
        status = self.decisions.status_after_failure(self.store.get(Order, attempt.order_id), code)
        self._set_status(attempt.order_id, status)

    def _money(self, attempt: Attempt, charge: Json, now: float) -> None:
        """A charge that took money, or may take it."""
        if not self.decisions.fits(attempt, charge):
            self.flag("amount_mismatch", charge["id"], attempt.order_id, f"expected {attempt.amount}", now)
            if attempt.idempotency_key is None:  # of somebody else's making, and it pays for nothing
                self._give_back(attempt.order_id, charge, now)
            return
        captured = captured_of(charge)
        if not self.decisions.is_news(attempt, captured):
            return
        whole = captured >= attempt.amount or (charge["status"] == "succeeded" and attempt.captures_at_once)
        state = "succeeded" if whole else "authorized" if charge["status"] == "authorized" else "lapsed"
        self.store.execute(
            "UPDATE attempts SET state = ?, code = NULL, charge_id = ?, amount_captured = ? WHERE id = ?",
            *(state, charge["id"], min(captured, attempt.amount), attempt.id),
        )
        order = self.store.get(Order, attempt.order_id)
        if self.decisions.pays(order) or (order.paid_by == attempt.id and order.status != "CANCELLED"):
            self.paid(order, attempt.id, "PAID" if state == "succeeded" else "PARTIALLY_PAID" if captured else "AUTHORIZED")
        else:
            self._surplus(order, charge, now)

    def paid(self, order: Order, attempt_id: str | None, status: str) -> None:
        """Tell an order how far it is paid, and by which attempt; all of it owes the goods."""
        self.store.execute("UPDATE orders SET status = ?, paid_by = ? WHERE id = ?", status, attempt_id, order.id)
        if status == "PAID":
            self.decisions.owe_goods(self.store, order)
        self._count_refunds(order.id)

    def _lapsed(self, attempt: Attempt, how: str) -> None:
        """An authorization is gone: as we asked, or else the order has to be paid again."""
        self.store.execute("UPDATE attempts SET state = 'lapsed', code = ? WHERE id = ?", how, attempt.id)
        asked = self.store.find(
            Modification, "charge_id = ? AND kind = 'void' AND purpose = 'asked' AND state <> 'failed'", attempt.charge_id
        )
        order = self.store.get(Order, attempt.order_id)
        if order.paid_by == attempt.id and order.status == "AUTHORIZED":
            self._set_status(order.id, "CANCELLED" if asked else "FAILED")

    def _surplus(self, order: Order, charge: Json, now: float) -> None:
        """A charge too many (it should never happen): give it back, and have somebody look at it."""
        self.flag("surplus_charge", charge["id"], order.id, f"the order was {order.status}", now)
        self._give_back(order.id, charge, now)

    def _give_back(self, order_id: str, charge: Json, now: float) -> None:
        """Refund or void a whole charge, once."""
        if not self.decisions.returns_surplus:
            return
        if not self.store.find(Modification, "charge_id = ? AND purpose = 'surplus'", charge["id"]):
            captured = captured_of(charge)
            kind, amount = ("refund", captured) if captured else ("void", charge["amount"])
            self.store.insert(self.new_modification(order_id, charge["id"], kind, "surplus", amount, now))

    def new_modification(
        self, order_id: str, charge_id: str, kind: str, purpose: str, amount: int, now: float, captured_after: int | None = None
    ) -> Modification:
        """A capture, void or refund to ask for. A refund's own id is the reason given, by which it is found again."""
        own_id = self.ids(kind)
        body = {"capture": {"amount": amount}, "void": {}, "refund": {"amount": amount, "reason": own_id}}[kind]
        return Modification(
            *(own_id, order_id, charge_id, kind, purpose, self.ids("key"), json.dumps(body)),
            *(amount, captured_after, "open", None, now),
        )

    def refund(self, refund: Modification, seen: Json) -> None:
        """Apply a refund as the gateway shows it to ours."""
        state = {"succeeded": "succeeded", "failed": "failed"}.get(seen["status"], "open")
        if refund.state == "open":
            self.store.execute("UPDATE modifications SET refund_id = ? WHERE id = ?", seen["id"], refund.id)
        self._close(refund, state)
        if state == "failed" and refund.state == "succeeded" and self.decisions.can_come_back(refund):
            self.store.execute("UPDATE modifications SET state = 'failed' WHERE id = ?", refund.id)
        self._count_refunds(refund.order_id)

    def modification_refused(self, modification: Modification) -> None:
        """The gateway will not do this."""
        self._close(modification, self.decisions.refusal_closes(modification))
        self._count_refunds(modification.order_id)

    def refund_made_elsewhere(self, order: Order, seen: Json, now: float) -> None:
        """Book a refund that the shop did not ask for."""
        if seen["status"] == "succeeded":
            row = Modification(
                *(self.ids("refund"), order.id, seen["charge_id"], "refund", "elsewhere", None, "{}"),
                *(seen["amount"], None, "succeeded", seen["id"], now),
            )
            self.store.insert(row)
            self._count_refunds(order.id)

    def dispute(self, order: Order, seen: Json) -> None:
        """Note a dispute as the gateway shows it. Events come in any order: a decision and a chargeback stand."""
        self.store.execute(
            "INSERT INTO disputes VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
            " stage = CASE stage WHEN 'chargeback' THEN stage ELSE excluded.stage END,"
            " status = CASE WHEN status IN ('won', 'lost', 'closed') THEN status ELSE excluded.status END",
            *(seen["id"], order.id, seen.get("stage", "chargeback"), seen["status"]),
        )

    def is_charged_back(self, order_id: str) -> bool:
        """Whether the customer's bank has taken the money of an order back, and keeps it as far as anybody knows."""
        return bool(
            self.store.scalar(
                "SELECT count(*) FROM disputes WHERE order_id = ? AND stage = 'chargeback' AND status NOT IN ('won', 'closed')",
                order_id,
            )
        )

    def _close(self, modification: Modification, state: str) -> None:
        self.store.execute("UPDATE modifications SET state = ? WHERE id = ? AND state = 'open'", state, modification.id)

    def _count_refunds(self, order_id: str) -> None:
        """Set what has gone back of the charge that paid; a paid order shows whether that is some or all of it."""
        refunded = self.store.scalar(
            "SELECT coalesce(sum(m.amount), 0) FROM orders o JOIN attempts a ON a.id = o.paid_by"
            " JOIN modifications m ON m.charge_id = a.charge_id AND m.kind = 'refund' AND m.state = 'succeeded' WHERE o.id = ?",
            order_id,
        )
        self.store.execute(
            "UPDATE orders SET amount_refunded = ?1, status = CASE"
            " WHEN status NOT IN ('PAID', 'PARTIALLY_REFUNDED', 'REFUNDED') THEN status"
            " WHEN ?1 = 0 THEN 'PAID' WHEN ?1 = amount THEN 'REFUNDED' ELSE 'PARTIALLY_REFUNDED' END"
            " WHERE id = ?2 AND (amount_refunded <> ?1 OR (status = 'PAID' AND ?1 > 0))",
            *(refunded, order_id),
        )

    def _set_status(self, order_id: str, status: str) -> None:
        self.store.execute("UPDATE orders SET status = ? WHERE id = ?", status, order_id)

    def flag(self, kind: str, reference: str, order_id: str | None, detail: str, now: float) -> None:
        """Leave a note for a person, once."""
        self.store.execute("INSERT OR IGNORE INTO flags VALUES (?, ?, ?, ?, ?)", kind, reference, order_id, detail, now)
