"""Bugs of hearing webhooks: what is let in, how often it counts, and when it is acknowledged."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping
from typing import Any

from .. import signatures
from ..checkout import Checkout
from ..decisions import Json
from ..errors import RefusedError
from ..model import Order
from ..signatures import SignatureError
from ..store import Store
from ..webhooks import Webhooks
from .mutant import Mutant


class UnsignedOk(Mutant):
    """Checks no signature."""

    violates = ("S6",)
    exposed_by = "forged webhook"

    def verify(self, headers: Mapping[str, str], raw: bytes, now: float) -> str:
        return headers.get("webhook-id", "")


class SigPresence(Mutant):
    """Checks only that there is a signature."""

    violates = ("S6",)
    exposed_by = "bad signature"

    def verify(self, headers: Mapping[str, str], raw: bytes, now: float) -> str:
        if not headers.get("webhook-signature"):
            raise SignatureError("signature_missing", "webhook-signature is needed")
        return headers.get("webhook-id", "")


class Reserialised(Mutant):
    """Verifies JSON that it has read and written again, not the raw bytes."""

    violates = ("L3",)
    exposed_by = "odd white space, key order"

    def verify(self, headers: Mapping[str, str], raw: bytes, now: float) -> str:
        try:
            raw = json.dumps(json.loads(raw)).encode()
        except (ValueError, RecursionError):
            raise SignatureError("signature_invalid", "this is not JSON") from None
        return super().verify(headers, raw, now)


class NoTolerance(Mutant):
    """Ignores the timestamp."""

    violates = ("S6",)
    exposed_by = "old replay"

    def verify(self, headers: Mapping[str, str], raw: bytes, now: float) -> str:
        return signatures.verify(headers, raw, self.config.webhook_secrets, now, math.inf)


class SkewStrict(Mutant):
    """Allows no clock skew: a second, and no more."""

    violates = ("L3",)
    exposed_by = "clock skew"

    def verify(self, headers: Mapping[str, str], raw: bytes, now: float) -> str:
        return signatures.verify(headers, raw, self.config.webhook_secrets, now, 1)


class FulfilsByWebhook(Mutant):
    """A shop that ships for each event that is new, and only then; right as long as it tells new ones from others."""

    relaxes = ("one_parcel_per_order", "fulfilled_once")

    def owe_goods(self, store: Store, order: Order) -> None:
        """Not here."""

    async def take_event(self, webhooks: Webhooks, webhook_id: str, event: Json, now: float) -> int:
        with self.store.transaction():
            if not self.is_new(self.store, webhook_id, event["type"], now):
                return 200
            status = webhooks.apply_data(event["type"], event["data"], now)
            order = self.store.first(Order, "id = ?", event["data"].get("order_id"))
            if event["type"] in ("charge.succeeded", "charge.captured") and order is not None and order.status == "PAID":
                self.store.execute("INSERT INTO outbox VALUES (?, 'pending')", order.id)
        webhooks.wake()
        return status


class NoDedupe(FulfilsByWebhook):
    """Does not dedupe events."""

    violates = ("S4",)
    exposed_by = "duplicate webhook"

    def is_new(self, store: Store, webhook_id: str, event_type: str, now: float) -> bool:
        return True


class DedupeMemory(FulfilsByWebhook):
    """Dedupes events in memory only."""

    violates = ("S4",)
    exposed_by = "duplicate across a crash"

    def set_up(self, checkout: Checkout) -> None:
        super().set_up(checkout)
        self.seen: set[str] = set()

    def is_new(self, store: Store, webhook_id: str, event_type: str, now: float) -> bool:
        is_new = webhook_id not in self.seen
        self.seen.add(webhook_id)
        return is_new


class DedupeLate(FulfilsByWebhook):
    """Looks whether an event is new, asks the gateway to be sure, and notes the event only then."""

    violates = ("S4",)
    exposed_by = "duplicates at once"

    async def take_event(self, webhooks: Webhooks, webhook_id: str, event: Json, now: float) -> int:
        if self.store.scalar("SELECT count(*) FROM events WHERE id = ?", webhook_id):
            return 200
        if event["type"].startswith("charge."):
            await self.gateway.get_charge(str(event["data"].get("id")))
        return await super().take_event(webhooks, webhook_id, event, now)

    def is_new(self, store: Store, webhook_id: str, event_type: str, now: float) -> bool:
        super().is_new(store, webhook_id, event_type, now)
        return True


class FailureFinal(Mutant):
    """Closes an order for good when a webhook tells that its payment has failed."""

    violates = ("L5",)
    exposed_by = "decline, told by webhook"

    async def take_event(self, webhooks: Webhooks, webhook_id: str, event: Json, now: float) -> int:
        status = await super().take_event(webhooks, webhook_id, event, now)
        if event["type"] == "charge.failed":
            with self.store.transaction():
                self.store.execute(
                    "UPDATE orders SET status = 'CANCELLED' WHERE id = ? AND status = 'FAILED'", event["data"].get("order_id")
                )
        return status


class DedupeFirst(Mutant):
    """Marks the event as seen, then asks the gateway to be sure, then applies it."""

    violates = ("L1",)
    exposed_by = "crash between, hookonly"

    async def take_event(self, webhooks: Webhooks, webhook_id: str, event: Json, now: float) -> int:
        with self.store.transaction():
            if not self.is_new(self.store, webhook_id, event["type"], now):
                return 200
        data: Any = event["data"]
        if event["type"].startswith("charge."):
            found = await self.gateway.get_charge(str(data.get("id")))
            if found.status != 200:
                raise RefusedError(503, "gateway_unavailable", "the gateway does not say what became of the charge")
            data = found.body
        with self.store.transaction():
            status = webhooks.apply_data(event["type"], data, now)
        webhooks.wake()
        return status


class AckEarly(Mutant):
    """Answers 2xx, and writes once the gateway has confirmed what it told."""

    violates = ("S5",)
    exposed_by = "kill after the acknowledgement"

    async def take_event(self, webhooks: Webhooks, webhook_id: str, event: Json, now: float) -> int:
        async def write() -> None:
            if event["type"].startswith("charge."):
                await self.charge_confirmed(str(event["data"].get("id")))
            webhooks.apply(webhook_id, event, now)

        self.writing = asyncio.create_task(self.checkout.flights.join(f"event {webhook_id}", write))
        return 200


class AckUnknown(Mutant):
    """Acknowledges the event of an order that it does not know (yet)."""

    violates = ("L1",)
    exposed_by = "webhook before order"
    unknown_order_status = 200


class RejectUnknown(Mutant):
    """Fails at event types that it does not know."""

    violates = ("L3",)
    exposed_by = "a new type"

    def knows_type(self, event_type: str) -> bool:
        return event_type in ("charge.succeeded", "charge.failed", "refund.succeeded", "refund.failed")


class SlowHook(Mutant):
    """Does its work before it answers, however long that takes."""

    violates = ("L3",)
    exposed_by = "slow dependency"

    async def take_event(self, webhooks: Webhooks, webhook_id: str, event: Json, now: float) -> int:
        if event["type"].startswith("charge."):
            await self.charge_confirmed(str(event["data"].get("id")))
        return await super().take_event(webhooks, webhook_id, event, now)
