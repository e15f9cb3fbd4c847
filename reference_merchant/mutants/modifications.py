"""Bugs of captures and refunds: made twice, too late, or booked twice."""

from __future__ import annotations

import json
from dataclasses import replace

from ..decisions import Json, Verdict
from ..gateway_client import Answer
from ..model import Attempt, Modification, Order
from ..modifications import Modifications
from ..webhooks import Webhooks
from .mutant import Mutant, Unguarded


class DoubleCapture(Mutant):
    """Captures without a key."""

    violates = ("S8",)
    exposed_by = "lost response"

    def key_of_modification(self, modification: Modification, tries: int) -> str | None:
        return None if modification.kind == "capture" else modification.idempotency_key


class CaptureCancelled(Mutant):
    """Captures a cancelled order, and takes `not capturable` for `captured already`."""

    violates = ("S3",)
    exposed_by = "cancel race"
    relaxes = ("paid_stays_paid", "paid_needs_a_charge")

    async def ship(self, modifications: Modifications, order: Order, amount: int | None) -> Modification:
        attempt = self.store.first(Attempt, "id = ?", order.paid_by)
        if order.status != "CANCELLED" or attempt is None:
            return await super().ship(modifications, order, amount)
        now, charge_id = modifications.clock(), attempt.charge_id or ""
        capture = self.outcomes.new_modification(order.id, charge_id, "capture", "asked", order.amount, now, order.amount)
        await self.gateway.modify("capture", charge_id, capture.request_body, capture.idempotency_key)
        with self.store.transaction():
            self.store.insert(replace(capture, state="succeeded"))
            self.believe(order, attempt.id)
        modifications.wake()
        return self.store.get(Modification, capture.id)


class AuthExpired(Mutant):
    """Ships on an expired authorization: it was good when it was taken."""

    violates = ("S3",)
    exposed_by = "+7 days"
    relaxes = ("paid_needs_a_charge",)

    async def ship(self, modifications: Modifications, order: Order, amount: int | None) -> Modification:
        capture = await super().ship(modifications, order, amount)
        if capture.state == "failed":
            with self.store.transaction():
                self.believe(order, order.paid_by)
            modifications.wake()
            return replace(capture, state="succeeded")
        return capture


class RefundTwice(Mutant):
    """Makes a fresh key for each try at a refund."""

    violates = ("S8",)
    exposed_by = "lost response"

    def key_of_modification(self, modification: Modification, tries: int) -> str | None:
        return self.outcomes.ids("key") if modification.kind == "refund" else modification.idempotency_key


class RefundEcho(Mutant):
    """Books a refund of its own again when the webhook tells of it."""

    violates = ("books",)
    exposed_by = "refund event"
    relaxes = ("refund_booked_once",)

    def is_ours(self, refund: Modification, seen: Json) -> bool:
        return False


class RefundById(Mutant):
    """Knows a refund of its own by the gateway's id alone, which it learns from the answer."""

    violates = ("books",)
    exposed_by = "webhook before the answer"
    relaxes = ("refund_booked_once",)

    def is_ours(self, refund: Modification, seen: Json) -> bool:
        return bool(refund.refund_id == seen["id"])


class RefundKeyAmount(Mutant):
    """Makes the key of a refund of its charge and amount, so that a second one of the same amount is the first again."""

    violates = ("books",)
    exposed_by = "two equal refunds"
    relaxes = ("refund_booked_once",)

    def key_of_modification(self, modification: Modification, tries: int) -> str | None:
        if modification.kind != "refund":
            return modification.idempotency_key
        return f"refund.{modification.charge_id}.{modification.amount}"

    def body_of_modification(self, modification: Modification) -> str:
        return json.dumps({"amount": modification.amount})


class RefundNeverFails(Mutant):
    """Takes a refund that was made for done, whatever the gateway says of it later."""

    violates = ("books",)
    exposed_by = "refund that comes back"

    def can_come_back(self, refund: Modification) -> bool:
        return False


class RefundPending(Unguarded):
    """Takes a refund that is pending for one that was not made, and makes another."""

    violates = ("S8",)
    exposed_by = "refund that takes its time"
    relaxes = ("refund_booked_once",)

    def key_of_modification(self, modification: Modification, tries: int) -> str | None:
        return self.outcomes.ids("key") if modification.kind == "refund" else modification.idempotency_key

    def read(self, answer: Answer) -> Verdict:
        return Verdict.UNKNOWN if answer.body.get("status") == "pending" else super().read(answer)


class RefundBelieved(Mutant):
    """Books a refund when it is asked for, whatever the gateway answers."""

    violates = ("books",)
    exposed_by = "disputed charge"

    def refusal_closes(self, modification: Modification) -> str:
        return "succeeded" if modification.kind == "refund" else "failed"

    def allows_when_charged_back(self, kind: str) -> bool:
        return kind != "capture"


class DisputeShipped(Mutant):
    """Ships the rest of an order although the customer's bank has taken the money back."""

    violates = ("S11",)
    exposed_by = "disputed charge"

    def allows_when_charged_back(self, kind: str) -> bool:
        return kind != "refund"


class DisputeRefunded(Mutant):
    """Gives money back on top of what the customer's bank has taken."""

    violates = ("S10",)
    exposed_by = "disputed charge"

    def allows_when_charged_back(self, kind: str) -> bool:
        return kind != "capture"


class RefundElsewhere(Mutant):
    """Ignores refunds that it did not ask for."""

    violates = ("S3",)
    exposed_by = "refund on the gateway's own pages"

    async def take_event(self, webhooks: Webhooks, webhook_id: str, event: Json, now: float) -> int:
        if not event["type"].startswith("refund."):
            return await super().take_event(webhooks, webhook_id, event, now)
        seen = event["data"]
        asked = self.store.find(Modification, "kind = 'refund' AND (refund_id = ? OR id = ?)", seen["id"], seen.get("reason"))
        return await super().take_event(webhooks, webhook_id, event, now) if asked else 200


class CancelBlindly(Unguarded):
    """Cancels an order without a look at the payment that is under way."""

    violates = ("L1",)
    exposed_by = "cancel while paying"

    def may_change(self, order: Order, has_open_attempt: bool) -> bool:
        return True


class RefundUnheard(Mutant):
    """Takes a refund whose answer is lost for one that was made."""

    violates = ("L6",)
    exposed_by = "dropped request"

    def take_unknown(self, modification: Modification, answer: Answer) -> None:
        if modification.kind == "refund":
            self.outcomes.refund(modification, {"id": modification.id, "status": "succeeded"})


class RefundAgain(Mutant):
    """Gives money back whenever a webhook tells of a refund, also of its own."""

    violates = ("S8",)
    exposed_by = "refund event"

    async def take_event(self, webhooks: Webhooks, webhook_id: str, event: Json, now: float) -> int:
        status = await super().take_event(webhooks, webhook_id, event, now)
        if event["type"] == "refund.succeeded":
            await give_back(self, event["data"]["charge_id"], event["data"]["amount"], webhook_id)
        return status


class RefundOnCopy(Mutant):
    """Takes the second delivery of a payment's webhook for a second payment, and gives it back."""

    violates = ("S8",)
    exposed_by = "webhook twice"

    async def take_event(self, webhooks: Webhooks, webhook_id: str, event: Json, now: float) -> int:
        seen = self.store.scalar("SELECT count(*) FROM events WHERE id = ?", webhook_id)
        status = await super().take_event(webhooks, webhook_id, event, now)
        if seen and event["type"] == "charge.succeeded":
            await give_back(self, event["data"]["id"], event["data"]["amount"], webhook_id)
        return status


async def give_back(shop: Mutant, charge_id: str, amount: int, webhook_id: str) -> None:
    """Refund a charge for the sake of a webhook, once for each."""
    await shop.gateway.modify("refund", charge_id, json.dumps({"amount": amount, "reason": webhook_id}), f"webhook.{webhook_id}")
