"""What becomes of a delivery after each attempt: done, tried again later, or given up."""

from msgspec import Struct

from gatecrash.core import endpoints, timers
from gatecrash.core.records import Attempt, Delivery, Endpoint
from gatecrash.core.transaction import Context

GONE = 410


class Schedule(Struct, frozen=True):
    """A retry policy as data. `delays_s`: seconds before each attempt, counted from the one before."""

    delays_s: tuple[float, ...]
    timeout_s: float
    honours_retry_after: bool = True


def record_attempt(
    ctx: Context, delivery_id: str, attempt: Attempt, schedule: Schedule, retry_after_s: float | None = None
) -> Delivery | None:
    """Write down how an attempt went and set the timer of the next one. None if the delivery is gone or settled."""
    delivery = ctx.tx.get(Delivery, delivery_id)
    if delivery is None or delivery.status != "pending":
        return None
    delivery.attempts.append(attempt)
    timers.clear_timer(ctx, timers.WEBHOOK_ATTEMPT, delivery.id)
    made = len(delivery.attempts)
    if attempt.status is not None and 200 <= attempt.status < 300:
        delivery.status, delivery.next_attempt_at = "succeeded", None
    elif made >= len(schedule.delays_s):
        delivery.status, delivery.next_attempt_at = "failed", None
    else:
        wait_s = schedule.delays_s[made]
        if retry_after_s is not None and schedule.honours_retry_after:
            wait_s = max(wait_s, retry_after_s)
        delivery.next_attempt_at = ctx.now + int(wait_s * 1000)
        timers.set_timer(ctx, timers.WEBHOOK_ATTEMPT, delivery.id, delivery.next_attempt_at)
    ctx.tx.update(delivery, "status", "attempts", "next_attempt_at")
    if attempt.status == GONE:
        endpoint = ctx.tx.get(Endpoint, delivery.endpoint_id)
        if endpoint is not None:
            endpoints.disable_endpoint(ctx, endpoint)
    return delivery


def postpone(ctx: Context, delivery_id: str, seconds: float) -> None:
    """Let the next attempt fall due `seconds` later than now."""
    delivery = ctx.tx.get(Delivery, delivery_id)
    if delivery is None or delivery.status != "pending":
        return
    timers.clear_timer(ctx, timers.WEBHOOK_ATTEMPT, delivery.id)
    delivery.next_attempt_at = ctx.now + int(seconds * 1000)
    timers.set_timer(ctx, timers.WEBHOOK_ATTEMPT, delivery.id, delivery.next_attempt_at)
    ctx.tx.update(delivery, "next_attempt_at")
