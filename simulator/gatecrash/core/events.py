"""Events: a fact in a dialect's words, and its deliveries to the endpoints that want it."""

from typing import Any

from gatecrash.core import timers
from gatecrash.core.errors import Refused
from gatecrash.core.records import Delivery, Endpoint, Event, Timer
from gatecrash.core.transaction import Context

# to how many endpoints an event is delivered in one commit: more would keep everybody else waiting
SLICE = 100


def tell(
    ctx: Context,
    dialect: str,
    event_type: str,
    data: dict[str, Any],
    *,
    object_id: str,
    order_id: str | None = None,
    amount: int | None = None,
) -> Event:
    """Record an event in a dialect's words; start a delivery to each of that dialect's endpoints that wants it."""
    event = Event(
        id=ctx.ids.new("evt"), dialect=dialect, type=event_type, object_id=object_id, order_id=order_id, amount=amount, data=data,
        created_at=ctx.now,
    )  # fmt: skip
    ctx.tx.insert(event)
    endpoints, has_more = ctx.tx.page(Endpoint, SLICE, None, status="enabled", dialect=dialect)
    for endpoint in reversed(endpoints):
        if wants(endpoint, event_type):
            deliver(ctx, event, endpoint)
    if has_more:
        _go_on_later(ctx, event, endpoints[-1])
    return event


def _go_on_later(ctx: Context, event: Event, after: Endpoint) -> None:
    """Have the event delivered to endpoints older than `after` by a timer that is due now, set in the commit of the event."""
    ref = f"{event.id}:{after.id}"
    ctx.tx.put(Timer(id=f"tmr_{event.id}", due_at=ctx.now, kind=timers.EVENT_FANS_OUT, ref=ref))
    ctx.tx.timers_changed = True


def fan_out(ctx: Context, ref: str) -> None:
    """Start the deliveries of an event to the next of its endpoints. Their ids follow from the event's and the endpoint's."""
    event_id, _, after = ref.partition(":")
    event = ctx.tx.get(Event, event_id)
    assert event is not None, event_id
    endpoints, has_more = ctx.tx.page(Endpoint, SLICE, after, status="enabled", dialect=event.dialect)
    for endpoint in reversed(endpoints):
        if wants(endpoint, event.type):
            deliver(ctx, event, endpoint, ctx.ids.derived("dlv", event.id, endpoint.id))
    if has_more:
        _go_on_later(ctx, event, endpoints[-1])


def wants(endpoint: Endpoint, event_type: str) -> bool:
    """Whether the endpoint's filter (`*`, `charge.*`, `charge.succeeded`) lets the type through."""
    family = event_type.partition(".")[0] + ".*"
    return any(pattern in ("*", family, event_type) for pattern in endpoint.events)


def deliver(ctx: Context, event: Event, endpoint: Endpoint, delivery_id: str | None = None) -> Delivery:
    """Start one delivery: its first attempt is due now."""
    delivery = Delivery(
        id=delivery_id or ctx.ids.new("dlv"), event_id=event.id, endpoint_id=endpoint.id, url=endpoint.url, attempts=[],
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
    endpoints = [
        endpoint
        for endpoint in ctx.tx.find(Endpoint, status="enabled")
        if endpoint_id in (None, endpoint.id) and endpoint.dialect == event.dialect
    ]
    if endpoint_id is not None and not endpoints:
        raise Refused("resource_missing", f"no enabled webhook endpoint {endpoint_id[:60]!r} in this sandbox.", "endpoint_id")
    return [deliver(ctx, event, endpoint) for endpoint in endpoints]
