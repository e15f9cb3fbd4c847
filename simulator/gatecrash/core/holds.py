"""Attempts that a fault put off: they go out when their time comes, or when what they wait for has happened.

An attempt that was put off has passed `webhook.due`; the record says so also after a restart, since no station is passed twice.
"""

from gatecrash.core import timers
from gatecrash.core.deliveries import Schedule, postpone
from gatecrash.core.records import Delivery, Event, Hold
from gatecrash.core.transaction import Context


def put_off(ctx: Context, hold: Hold, seconds: float, schedule: Schedule) -> None:
    """Have an attempt fall due `seconds` later, or as soon as it is let go."""
    ctx.tx.put(hold)
    postpone(ctx, hold.id, seconds, schedule)


def attempted(ctx: Context, endpoint_id: str, event: Event) -> None:
    """An event was on its way to an endpoint: let go of what waited for that."""
    for hold in ctx.tx.find(Hold, endpoint_id=endpoint_id):
        # ids sort by creation
        if hold.awaited and hold.event_id < event.id and hold.event_type in (None, event.type, event.fact):
            hold.awaited -= 1
            ctx.tx.put(hold)
            if not hold.awaited:
                _go(ctx, hold)


def let_go(ctx: Context, rule_id: str) -> None:
    """The rule is removed: what it put off goes out now."""
    for hold in ctx.tx.find(Hold, rule_id=rule_id):
        hold.awaited = 0
        ctx.tx.put(hold)
        _go(ctx, hold)


def _go(ctx: Context, hold: Hold) -> None:
    delivery = ctx.tx.get(Delivery, hold.id)
    if delivery is not None and delivery.next_attempt_at is not None and delivery.next_attempt_at > ctx.now:
        delivery.next_attempt_at = ctx.now
        ctx.tx.update(delivery, "next_attempt_at")
        timers.set_the_timer(ctx, timers.WEBHOOK_ATTEMPT, hold.endpoint_id, ctx.now)
