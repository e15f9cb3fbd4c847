"""Bugs of idempotency keys: none, too many, too few, or forgotten."""

from __future__ import annotations

from ..checkout import Checkout
from ..decisions import Json
from ..gateway_client import Answer
from ..model import Attempt, Order
from ..seams import Ids
from ..webhooks import Webhooks
from .mutant import Mutant, Unguarded


class NoKey(Unguarded):
    """Sends no idempotency key."""

    violates = ("S1",)
    exposed_by = "lost response"

    def key_to_send(self, attempt: Attempt, tries: int, last: Answer | None) -> str | None:
        return None


class NewKeyRetry(Unguarded):
    """Makes a fresh key for each call."""

    violates = ("P1", "S1")
    exposed_by = "lost response"

    def key_to_send(self, attempt: Attempt, tries: int, last: Answer | None) -> str | None:
        return self.outcomes.ids("key")


class NewKeyTimeout(Unguarded):
    """Makes a fresh key after a timeout."""

    violates = ("P1", "S1")
    exposed_by = "late response"

    def set_up(self, checkout: Checkout) -> None:
        super().set_up(checkout)
        self.keys: dict[str, str] = {}

    def key_to_send(self, attempt: Attempt, tries: int, last: Answer | None) -> str | None:
        if last is not None and last.lack == "timeout":
            self.keys[attempt.id] = self.outcomes.ids("key")
        return self.keys.get(attempt.id, attempt.idempotency_key)


class KeyInMemory(Unguarded):
    """Does not persist the key: what is stored is a name for it, and the key dies with the process."""

    violates = ("S1",)
    exposed_by = "crash after send"

    def set_up(self, checkout: Checkout) -> None:
        super().set_up(checkout)
        self.keys: dict[str | None, str] = {}

    def key_to_send(self, attempt: Attempt, tries: int, last: Answer | None) -> str | None:
        return self.keys.setdefault(attempt.idempotency_key, self.outcomes.ids("key"))


class KeyFromToken(Unguarded):
    """Makes the ephemeral token part of the key, so a page loaded anew is a new payment."""

    violates = ("S1",)
    exposed_by = "lost response + new token"
    relaxes = ("one_open_attempt",)

    def new_key(self, order: Order, nonce: str, last: Attempt | None, ids: Ids) -> str:
        return f"{order.id}.{nonce}"

    def joins(self, attempt: Attempt, nonce: str) -> bool:
        return attempt.nonce == nonce


class KeyPerChannel(Unguarded):
    """Builds another key in the webhook path, which takes a payment that is under way in its own hands."""

    violates = ("S1",)
    exposed_by = "webhook races the response"

    async def take_event(self, webhooks: Webhooks, webhook_id: str, event: Json, now: float) -> int:
        attempt = self.store.first(Attempt, "order_id = ? AND state = 'open'", event["data"].get("order_id"))
        if attempt is None:
            return await super().take_event(webhooks, webhook_id, event, now)
        answer = await self.gateway.charge(attempt.request_body, f"webhook.{webhook_id}")
        with self.store.transaction():
            self.checkout.record(self.store.get(Attempt, attempt.id), answer, now)
        self.checkout.wake()
        return 200


class KeyAfterDecline(Mutant):
    """Sends a new card under the order's old key, and gets the old answer or a refusal."""

    violates = ("L5",)
    exposed_by = "decline"
    relaxes = ("key_of_one_attempt",)

    def new_key(self, order: Order, nonce: str, last: Attempt | None, ids: Ids) -> str:
        return f"order.{order.id}"


class KeyNewAmount(Mutant):
    """Keeps the key of the last attempt when the cart was edited since."""

    violates = ("P3", "L2")
    exposed_by = "cart edit"
    relaxes = ("key_of_one_attempt",)

    def new_key(self, order: Order, nonce: str, last: Attempt | None, ids: Ids) -> str:
        edited = last is not None and last.amount != order.amount
        return last.idempotency_key or ids("key") if last is not None and edited else ids("key")


class KeyCollides(Mutant):
    """Uses the customer's id as the key, and takes the refusal of their second order for `paid already`."""

    violates = ("S3",)
    exposed_by = "two orders"
    relaxes = ("key_of_one_attempt", "paid_needs_a_charge")

    def new_key(self, order: Order, nonce: str, last: Attempt | None, ids: Ids) -> str:
        return f"customer.{order.customer_id}"

    async def pay(self, checkout: Checkout, order: Order, body: Json) -> Attempt:
        attempt = await super().pay(checkout, order, body)
        if attempt.code == "idempotency_key_reused":
            with self.store.transaction():
                self.believe(order, attempt.id)
        return attempt


class KeyExpired(Unguarded):
    """Relies on a key for ever: after its life the call is a new one, and its refusal is believed."""

    violates = ("S1",)
    exposed_by = "down > 24 h"
