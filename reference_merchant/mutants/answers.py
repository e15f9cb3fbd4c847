"""Bugs of reading: what the gateway said, did not say, or somebody else said in its name."""

from __future__ import annotations

import time
from collections.abc import Mapping

from ..checkout import Checkout
from ..decisions import Json, Verdict
from ..gateway_client import Answer
from ..model import Attempt, Order
from .mutant import Mutant, Unguarded


class ChargeFirst(Mutant):
    """Saves the attempt after the charge."""

    violates = ("L1",)
    exposed_by = "crash before commit"

    async def pay(self, checkout: Checkout, order: Order, body: Json) -> Attempt:
        is_open = self.store.first(Attempt, "order_id = ? AND state = 'open'", order.id) is not None
        if is_open or not self.payable(order):
            return await super().pay(checkout, order, body)
        attempt = checkout.new_attempt(order, body, time.time())
        answer = await self.gateway.charge(attempt.request_body, attempt.idempotency_key)
        with self.store.transaction():
            self.store.insert(attempt)
            checkout.record(attempt, answer, time.time())
        checkout.wake()
        return self.store.get(Attempt, attempt.id)


class Cached500(Unguarded):
    """Takes a 500 for a failure, though it is the answer to a charge that was made."""

    violates = ("L1",)
    exposed_by = "500 after commit"

    def read(self, answer: Answer) -> Verdict:
        return Verdict.REFUSED if answer.status == 500 else super().read(answer)


class Conflict409(Unguarded):
    """Takes `in progress` for a failure."""

    violates = ("L1",)
    exposed_by = "duplicate while in flight"

    def read(self, answer: Answer) -> Verdict:
        return Verdict.REFUSED if answer.status == 409 else super().read(answer)


class TimeoutFailed(Unguarded):
    """Takes a timeout for a failure."""

    violates = ("S1", "L1")
    exposed_by = "late response"

    def read(self, answer: Answer) -> Verdict:
        return Verdict.REFUSED if answer.lack == "timeout" else super().read(answer)


class TimeoutPaid(Mutant):
    """Takes a timeout for a payment."""

    violates = ("S3",)
    exposed_by = "dropped request"
    relaxes = ("paid_needs_a_charge",)

    def stays_open(self, attempt: Attempt, answer: Answer) -> bool:
        if answer.lack == "timeout":
            self.believe(self.store.get(Order, attempt.order_id), attempt.id)
        return True


class NeterrFailed(Unguarded):
    """Takes a broken connection for a failure."""

    violates = ("S1",)
    exposed_by = "lost + dropped"

    def read(self, answer: Answer) -> Verdict:
        return Verdict.REFUSED if answer.lack == "connection" else super().read(answer)


class Final503(Unguarded):
    """Keeps an unknown outcome as the final one, when its patience is over."""

    violates = ("L1", "S1")
    exposed_by = "lost response"

    def stays_open(self, attempt: Attempt, answer: Answer) -> bool:
        return False


class RetryStorm(Mutant):
    """Repeats a call at once, and again, and again."""

    violates = ("P2",)
    exposed_by = "burst of 503"

    def tries_again(self, tries: int) -> bool:
        return tries < 100

    def retry_pause_s(self, key: str, tries: int, retry_after: float | None) -> float:
        return 0.0


class Ignore429(Unguarded):
    """Takes a rate limit for a decline."""

    violates = ("L2",)
    exposed_by = "rate limit"

    def read(self, answer: Answer) -> Verdict:
        return Verdict.DECLINED if answer.status == 429 else super().read(answer)


class RedirectPaid(Mutant):
    """Trusts the return URL."""

    violates = ("S3",)
    exposed_by = "forged return"
    relaxes = ("paid_needs_a_charge",)

    async def came_back(self, checkout: Checkout, order: Order, query: Mapping[str, str]) -> None:
        if query.get("status") == "succeeded" and self.payable(order):
            with self.store.transaction():
                self.believe(order)
            checkout.wake()


class ProcessingPaid(Mutant):
    """Takes a debit that is under way for a payment."""

    violates = ("S3",)
    exposed_by = "bank debit that is refused"
    relaxes = ("paid_stays_paid", "paid_needs_a_charge")

    async def pay(self, checkout: Checkout, order: Order, body: Json) -> Attempt:
        attempt = await super().pay(checkout, order, body)
        if attempt.state == "open" and attempt.charge_id is not None:
            with self.store.transaction():
                self.believe(order, attempt.id)
            checkout.wake()
            return self.store.get(Attempt, attempt.id)
        return attempt
