"""Bugs of reconciliation: none, or one that asks the wrong question or misreads the answer."""

from __future__ import annotations

from ..decisions import Json
from ..gateway_client import Answer
from ..model import Attempt, Order
from .mutant import Mutant, Unguarded


class ReconNone(Mutant):
    """Does not reconcile."""

    violates = ("L1",)
    exposed_by = "abandon"
    reconciles = False


class Recon404(Mutant):
    """Cancels the order when the charge is not found, though the call may not have been made yet."""

    violates = ("L5",)
    exposed_by = "crash before send"

    def look_decides(self, found: Answer) -> bool:
        return True

    def status_after_failure(self, order: Order, code: str) -> str:
        return "CANCELLED" if code == "not_found" else super().status_after_failure(order, code)


class ReconByOrder(Mutant):
    """Looks a charge up by its order, and takes the one of another attempt for its own."""

    violates = ("L2",)
    exposed_by = "three crashes"

    def belongs(self, attempt: Attempt, charge: Json) -> bool:
        return attempt.order_id == charge.get("order_id")


class DarkIsUnpaid(Unguarded):
    """Takes a look-up that fails for one that finds nothing, and closes the payment."""

    violates = ("S1",)
    exposed_by = "dark look-ups"

    def looks_first(self) -> bool:
        return True

    def look_decides(self, found: Answer) -> bool:
        return True

    def stays_open(self, attempt: Attempt, answer: Answer) -> bool:
        return bool(answer.status or answer.lack)
