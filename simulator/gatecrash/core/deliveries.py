"""What becomes of a delivery after each attempt: done, tried again later, or given up; and what is due at an endpoint.

An endpoint has one timer, set for the delivery of its that falls due next: ten thousand of them waiting cost no more
than one.
"""

from collections.abc import Container
from typing import NamedTuple

from msgspec import Struct

from gatecrash.core import endpoints, timers
from gatecrash.core.records import Attempt, Delivery, Endpoint
from gatecrash.core.transaction import Context

GONE = 410


class Schedule(Struct, frozen=True):
    """A retry policy as data.

    `delays_s`: seconds before each attempt, counted from the one before. `acknowledgement`: what the body must be for a 2xx
    to count. `exhausting_disables`: a delivery that used up its attempts disables its endpoint, unless that accepted
    another meanwhile. `in_order`: a delivery waits until the one before it has succeeded or was given up. `in_flight`: how
    many attempts an endpoint is sent at a time.
    """

    delays_s: tuple[float, ...]
    timeout_s: float
    honours_retry_after: bool = True
    acknowledgement: str | None = None
    gone_disables: bool = True
    exhausting_disables: bool = True
    in_order: bool = False
    in_flight: int = 10

    def accepts(self, status: int | None, answer: str | None) -> bool:
        """Whether the endpoint has said that it has the event."""
        if status is None or not 200 <= status < 300:
            return False
        return self.acknowledgement is None or (answer or "").strip() == self.acknowledgement

    @property
    def width(self) -> int:
        """How many attempts an endpoint is sent at a time."""
        return 1 if self.in_order else self.in_flight


class Due(NamedTuple):
    """The deliveries to attempt now, and when the next one falls due by itself (None: when one of these is done)."""

    deliveries: list[str]
    next_at: int | None


def take_due(ctx: Context, endpoint_id: str, schedule: Schedule, in_flight: Container[str], free: int) -> Due:
    """What is due at an endpoint, first due first: at most `free`, and nothing that is `in_flight` already."""
    taken: list[str] = []
    next_at: int | None = None
    for waiting in ctx.tx.pending_deliveries(endpoint_id, schedule.width + 1, in_order=schedule.in_order):
        if waiting.id in in_flight:
            if schedule.in_order:
                break
        elif waiting.next_attempt_at > ctx.now or len(taken) == free:
            next_at = waiting.next_attempt_at if waiting.next_attempt_at > ctx.now else None
            break
        else:
            taken.append(waiting.id)
            if schedule.in_order:
                break
    if not taken:
        set_timer(ctx, endpoint_id, schedule)
    return Due(taken, next_at)


def set_timer(ctx: Context, endpoint_id: str, schedule: Schedule) -> None:
    """Set the endpoint's timer for its delivery that falls due next; none if there is none."""
    for first in ctx.tx.pending_deliveries(endpoint_id, 1, in_order=schedule.in_order):
        timers.set_the_timer(ctx, timers.WEBHOOK_ATTEMPT, endpoint_id, first.next_attempt_at)
        return
    timers.clear_the_timer(ctx, endpoint_id)


def record_attempt(
    ctx: Context, delivery_id: str, attempt: Attempt, schedule: Schedule, retry_after_s: float | None = None
) -> Endpoint | None:
    """Write down how an attempt went and when the next is due. Returns the endpoint if this has disabled it.

    A delivery that is gone or settled meanwhile stays as it is, and so does one whose endpoint wants no more.
    """
    delivery = ctx.tx.get(Delivery, delivery_id)
    if delivery is None or delivery.status != "pending":
        return None
    endpoint = ctx.tx.get(Endpoint, delivery.endpoint_id)
    if endpoint is None or endpoint.status == "disabled":
        return None  # it is about to be canceled
    delivery.attempts.append(attempt)
    made = len(delivery.attempts)
    if schedule.accepts(attempt.status, attempt.excerpt):
        delivery.status, delivery.next_attempt_at = "succeeded", None
    elif made >= len(schedule.delays_s):
        delivery.status, delivery.next_attempt_at = "failed", None
    else:
        wait_s = schedule.delays_s[made]
        if retry_after_s is not None and schedule.honours_retry_after:
            wait_s = max(wait_s, retry_after_s)
        delivery.next_attempt_at = ctx.now + int(wait_s * 1000)
    ctx.tx.update(delivery, "status", "attempts", "next_attempt_at")
    endpoints.note_health(ctx, endpoint, accepted=delivery.status == "succeeded", at=attempt.at)
    reason = _why_disable(endpoint, delivery, schedule)
    if reason is not None:
        endpoints.disable_endpoint(ctx, endpoint, reason)
        return endpoint
    set_timer(ctx, endpoint.id, schedule)
    return None


def _why_disable(endpoint: Endpoint, delivery: Delivery, schedule: Schedule) -> str | None:
    """Why an endpoint should be told no more, after an attempt; None if it should."""
    last = delivery.attempts[-1]
    if last.status == GONE and schedule.gone_disables:
        return f"it answered 410 (gone) to attempt {last.attempt} of {delivery.event_id}"
    if delivery.status != "failed" or not schedule.exhausting_disables:
        return None
    first = delivery.attempts[0]
    if endpoint.failing_since is None or endpoint.failing_since > first.at:
        return None  # it accepted others meanwhile: it is this event that it cannot bear
    hours = (last.at - first.at) / 3_600_000
    said = f"the last was answered with {last.status}" if last.error is None else f"the last: {last.error}"
    return f"all {last.attempt} attempts over {hours:.1f} h to deliver {delivery.event_id} failed; {said}"


def postpone(ctx: Context, delivery_id: str, seconds: float, schedule: Schedule) -> None:
    """Let the next attempt fall due `seconds` later than now."""
    delivery = ctx.tx.get(Delivery, delivery_id)
    if delivery is None or delivery.status != "pending":
        return
    delivery.next_attempt_at = ctx.now + int(seconds * 1000)
    ctx.tx.update(delivery, "next_attempt_at")
    set_timer(ctx, delivery.endpoint_id, schedule)
