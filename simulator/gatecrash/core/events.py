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
    fact: str | None = None,
    order_id: str | None = None,
    amount: int | None = None,
) -> Event:
    """Record an event in a dialect's words; start a delivery to each of that dialect's endpoints that wants it.

    `fact`: which of core.facts.FACTS it tells of. Fault rules, stories and lint know the event by that, too.
    """
    event = Event(
        id=ctx.ids.new("evt"), dialect=dialect, type=event_type, fact=fact, object_id=object_id, order_id=order_id, amount=amount,
        data=data, created_at=ctx.now,
    )  # fmt: skip
    ctx.tx.insert(event)
    endpoints, has_more = ctx.tx.page(Endpoint, SLICE, None, status="enabled", dialect=dialect)
    for endpoint in reversed(endpoints):
        if wants(endpoint, event_type):
            deliver(ctx, event, endpoint)
    if has_more:
        _go_on_later(ctx, event.id, endpoints[-1], event.id)
    return event


def _go_on_later(ctx: Context, event_id: str, after: Endpoint, origin: str) -> None:
    """Have the event delivered to endpoints older than `after` by a timer that is due now, set in the same commit.

    `origin`: the event itself, or the first delivery by which it is told once more.
    """
    ref = f"{event_id}:{after.id}:{origin}"
    ctx.tx.put(Timer(id=f"tmr_{origin}", due_at=ctx.now, kind=timers.EVENT_FANS_OUT, ref=ref))
    ctx.tx.timers_changed = True


def fan_out(ctx: Context, ref: str) -> None:
    """Start the deliveries of an event to the next of its endpoints. Their ids follow from the endpoint's and the origin's."""
    event_id, after, origin = ref.split(":")
    event = ctx.tx.get(Event, event_id)
    assert event is not None, event_id
    endpoints, has_more = ctx.tx.page(Endpoint, SLICE, after, status="enabled", dialect=event.dialect)
    for endpoint in reversed(endpoints):
        if origin != event_id or wants(endpoint, event.type):
            deliver(ctx, event, endpoint, ctx.ids.derived("dlv", origin, endpoint.id))
    if has_more:
        _go_on_later(ctx, event_id, endpoints[-1], origin)


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


def resend(ctx: Context, event_id: str, endpoint_id: str | None = None) -> tuple[list[Delivery], bool]:
    """Deliver an event once more, to one endpoint or to all that are enabled.

    Returns the deliveries that have begun, and whether others are to begin after this commit.
    """
    event = get_event(ctx, event_id)
    if endpoint_id is not None:
        endpoint = ctx.tx.get(Endpoint, endpoint_id)
        if endpoint is None or endpoint.status != "enabled" or endpoint.dialect != event.dialect:
            raise Refused("resource_missing", f"no enabled webhook endpoint {endpoint_id[:60]!r} in this sandbox.", "endpoint_id")
        return [deliver(ctx, event, endpoint)], False
    endpoints, has_more = ctx.tx.page(Endpoint, SLICE, None, status="enabled", dialect=event.dialect)
    begun = [deliver(ctx, event, endpoint) for endpoint in reversed(endpoints)]
    if has_more:
        _go_on_later(ctx, event.id, endpoints[-1], begun[0].id)
    return begun, has_more
