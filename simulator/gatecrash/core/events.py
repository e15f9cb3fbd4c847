"""Events: what happened, told to every endpoint that wants to hear it, in the commit that made it happen."""

from typing import Any

import msgspec

from gatecrash.core import timers
from gatecrash.core.errors import Refused
from gatecrash.core.records import Charge, Delivery, Dispute, Endpoint, Event, Refund, Subscription
from gatecrash.core.transaction import Context

# every type the gateway tells
TYPES = (
    "charge.succeeded", "charge.failed", "charge.authorized", "charge.processing", "charge.captured", "charge.voided",
    "charge.expired", "refund.succeeded", "refund.failed", "dispute.opened", "dispute.updated", "dispute.funds_withdrawn",
    "dispute.funds_reinstated", "dispute.won", "dispute.lost", "dispute.closed", "subscription.created",
    "subscription.renewed", "subscription.past_due", "subscription.updated", "subscription.canceled",
)  # fmt: skip

Subject = Charge | Refund | Dispute | Subscription


def emit(ctx: Context, event_type: str, subject: Subject) -> Event:
    """Record that `event_type` happened to `subject`, and start a delivery to each endpoint that wants to hear it."""
    assert event_type in TYPES, event_type
    event = Event(
        id=ctx.ids.new("evt"), type=event_type, object_id=subject.id, order_id=subject.order_id, amount=subject.amount,
        data=snapshot(subject), created_at=ctx.now,
    )  # fmt: skip
    ctx.tx.insert(event)
    for endpoint in ctx.tx.find(Endpoint, status="enabled"):
        if wants(endpoint, event_type):
            deliver(ctx, event, endpoint)
    return event


def snapshot(subject: Subject) -> dict[str, Any]:
    """A copy that later changes of `subject` do not reach."""
    copied: dict[str, Any] = msgspec.to_builtins(subject)
    return copied


def wants(endpoint: Endpoint, event_type: str) -> bool:
    """Whether the endpoint's filter (`*`, `charge.*`, `charge.succeeded`) lets the type through."""
    family = event_type.partition(".")[0] + ".*"
    return any(pattern in ("*", family, event_type) for pattern in endpoint.events)


def deliver(ctx: Context, event: Event, endpoint: Endpoint) -> Delivery:
    """Start one delivery: its first attempt is due now."""
    delivery = Delivery(
        id=ctx.ids.new("dlv"), event_id=event.id, endpoint_id=endpoint.id, url=endpoint.url, attempts=[],
        next_attempt_at=ctx.now, created_at=ctx.now,
    )  # fmt: skip
    ctx.tx.insert(delivery)
    timers.set_the_timer(ctx, timers.WEBHOOK_ATTEMPT, endpoint.id, ctx.now, earlier_stands=True)
    ctx.tx.timers_changed = True  # even if that timer was due already: there may be room for one more attempt
    return delivery


def get_event(ctx: Context, event_id: str) -> Event:
    event = ctx.tx.get(Event, event_id)
    if event is None:
        raise Refused(
            "resource_missing",
            f"no event {event_id[:60]!r} in this sandbox; GET /v1/events lists those there are.",
            "id",
        )
    return event


def resend(ctx: Context, event_id: str, endpoint_id: str | None = None) -> list[Delivery]:
    """Deliver an event once more, to one endpoint or to all that are enabled."""
    event = get_event(ctx, event_id)
    endpoints = [endpoint for endpoint in ctx.tx.find(Endpoint, status="enabled") if endpoint_id in (None, endpoint.id)]
    if endpoint_id is not None and not endpoints:
        raise Refused("resource_missing", f"no enabled webhook endpoint {endpoint_id[:60]!r} in this sandbox.", "endpoint_id")
    return [deliver(ctx, event, endpoint) for endpoint in endpoints]
