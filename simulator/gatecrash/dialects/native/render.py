"""Native objects out: record → JSON, by one function a kind."""

from collections.abc import Callable
from typing import Any

import msgspec

from gatecrash.core.clock import rfc3339
from gatecrash.core.endpoints import secret_of
from gatecrash.core.records import (
    Charge,
    ClientToken,
    Delivery,
    Dispute,
    Endpoint,
    Event,
    Nonce,
    PaymentMethod,
    Record,
    Refund,
    Subscription,
)
from gatecrash.core.vault import Vault
from gatecrash.dialects.native.calls import Page
from gatecrash.webhooks.signing.standard import public_key

encode = msgspec.json.Encoder().encode


def _time(ms: int | None) -> str | None:
    return None if ms is None else rfc3339(ms)


def charge(c: Charge) -> dict[str, Any]:
    return {
        "object": "charge", "id": c.id, "status": c.status, "amount": c.amount, "amount_captured": c.amount_captured,
        "amount_refunded": c.amount_refunded, "amount_disputed": c.amount_disputed, "disputed": c.disputed,
        "currency": c.currency, "capture": c.capture, "order_id": c.order_id, "metadata": c.metadata, "card": c.card,
        "bank_account": c.bank_account, "payment_nonce": c.payment_nonce, "payment_method": c.payment_method,
        "subscription_id": c.subscription_id, "decline_code": c.decline_code, "created_at": rfc3339(c.created_at),
        "expires_at": _time(c.expires_at),
    }  # fmt: skip


def refund(r: Refund) -> dict[str, Any]:
    return {
        "object": "refund", "id": r.id, "charge_id": r.charge_id, "order_id": r.order_id, "status": r.status,
        "amount": r.amount, "currency": r.currency, "reason": r.reason, "created_at": rfc3339(r.created_at),
    }  # fmt: skip


def dispute(d: Dispute) -> dict[str, Any]:
    return {
        "object": "dispute", "id": d.id, "charge_id": d.charge_id, "order_id": d.order_id, "stage": d.stage, "status": d.status,
        "reason": d.reason, "resolution": d.resolution, "amount": d.amount, "currency": d.currency, "evidence": d.evidence,
        "evidence_due_at": _time(d.evidence_due_at), "created_at": rfc3339(d.created_at),
    }  # fmt: skip


def payment_method(m: PaymentMethod) -> dict[str, Any]:
    return {
        "object": "payment_method", "id": m.id, "card": m.card, "bank_account": m.bank_account,
        "created_at": rfc3339(m.created_at),
    }  # fmt: skip


def subscription(s: Subscription) -> dict[str, Any]:
    return {
        "object": "subscription", "id": s.id, "status": s.status, "payment_method": s.payment_method, "amount": s.amount,
        "currency": s.currency, "interval": s.interval, "order_id": s.order_id, "metadata": s.metadata,
        "latest_charge_id": s.latest_charge_id, "failed_attempts": s.failed_attempts,
        "current_period_start": rfc3339(s.current_period_start), "current_period_end": rfc3339(s.current_period_end),
        "next_attempt_at": _time(s.next_attempt_at), "canceled_at": _time(s.canceled_at), "cancel_reason": s.cancel_reason,
        "created_at": rfc3339(s.created_at),
    }  # fmt: skip


def nonce(n: Nonce) -> dict[str, Any]:
    return {
        "object": "nonce", "id": n.id, "card": n.card, "bank_account": n.bank_account, "used": n.used_by is not None,
        "created_at": rfc3339(n.created_at), "expires_at": rfc3339(n.expires_at),
    }  # fmt: skip


def client_token(t: ClientToken) -> dict[str, Any]:
    return {
        "object": "client_token", "id": t.id, "client_token": t.id, "used": t.used,
        "created_at": rfc3339(t.created_at), "expires_at": rfc3339(t.expires_at),
    }  # fmt: skip


def endpoint(e: Endpoint) -> dict[str, Any]:
    return {
        "object": "webhook_endpoint", "id": e.id, "url": e.url, "events": e.events, "description": e.description,
        "status": e.status, "disabled_reason": e.disabled_reason, "failing_since": _time(e.failing_since),
        "signature_scheme": e.scheme, "public_key": None, "verify": e.verify,
        "created_at": rfc3339(e.created_at),
    }  # fmt: skip


def event(e: Event) -> dict[str, Any]:
    """The envelope of Standard Webhooks (`type`, `timestamp`, `data`), with the event's id."""
    return {"id": e.id, "type": e.type, "timestamp": rfc3339(e.created_at), "data": _snapshot(e)}


# family of events → what they are about
_SUBJECTS: dict[str, type[Record]] = {"charge": Charge, "refund": Refund, "dispute": Dispute, "subscription": Subscription}


def _snapshot(e: Event) -> dict[str, Any]:
    kind = _SUBJECTS[e.type.partition(".")[0]]
    return _VIEWS[kind](msgspec.convert(e.data, kind))


def delivery(d: Delivery) -> dict[str, Any]:
    attempts = [{**msgspec.to_builtins(attempt), "at": rfc3339(attempt.at)} for attempt in d.attempts]
    return {
        "object": "delivery", "id": d.id, "event_id": d.event_id, "endpoint_id": d.endpoint_id, "url": d.url,
        "status": d.status, "attempts": attempts, "next_attempt_at": _time(d.next_attempt_at),
        "created_at": rfc3339(d.created_at),
    }  # fmt: skip


_VIEWS: dict[type[Record], Callable[[Any], dict[str, Any]]] = {
    Charge: charge, Refund: refund, Nonce: nonce, ClientToken: client_token, Endpoint: endpoint, Event: event,
    Delivery: delivery, Dispute: dispute, PaymentMethod: payment_method, Subscription: subscription,
}  # fmt: skip


def view(result: Record | Page, vault: Vault) -> dict[str, Any]:
    """What an operation gave, as the JSON object that the contract shows. `vault` opens what is sealed in it."""
    if isinstance(result, Page):
        return {"data": [view(item, vault) for item in result.items], "has_more": result.has_more}
    shown = _VIEWS[type(result)](result)
    if isinstance(result, Endpoint):
        shown["public_key"] = public_key(secret_of(vault, result))
    return shown
