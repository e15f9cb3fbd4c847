"""Timers: one table for all that falls due, in sandbox time.

A timer is set in the commit that wants it and removed in the commit that did its work, so a crash in between only
means that it falls due again.
"""

from gatecrash.core.records import Timer
from gatecrash.core.transaction import Context

WEBHOOK_ATTEMPT = "webhook.attempt"  # ref: an endpoint; run by the courier, since it talks to the world
EVENT_FANS_OUT = "event.fans_out"  # ref: an event, and the endpoint after which its deliveries go on, and what they began with
DELIVERIES_CANCEL = "deliveries.cancel"  # ref: an endpoint that wants no more, and up to which delivery they are canceled
CHARGE_EXPIRES = "charge.expires"  # ref: a charge
CHARGE_SETTLES = "charge.settles"  # ref: a charge that is processing
DISPUTE_OPENS = "dispute.opens"  # ref: a charge
DISPUTE_LAPSES = "dispute.lapses"  # ref: a dispute that waits for evidence
DISPUTE_DECIDED = "dispute.decided"  # ref: a dispute under review
SUBSCRIPTION_RENEWS = "subscription.renews"  # ref: a subscription
SUBSCRIPTION_RETRIES = "subscription.retries"  # ref: a subscription that is past due
REFUND_SETTLES = "refund.settles"  # ref: a refund
REFUND_FAILS = "refund.fails"  # ref: a refund


def set_timer(ctx: Context, kind: str, ref: str, due_at: int) -> Timer:
    timer = Timer(id=ctx.ids.new("tmr"), due_at=due_at, kind=kind, ref=ref)
    ctx.tx.insert(timer)
    return timer


def clear_timer(ctx: Context, kind: str, ref: str) -> None:
    for timer in ctx.tx.find(Timer, kind=kind, ref=ref):
        ctx.tx.delete(Timer, timer.id)


def set_the_timer(ctx: Context, kind: str, ref: str, due_at: int, *, earlier_stands: bool = False) -> None:
    """Set the one timer that `ref` has, or move it; with `earlier_stands`, never to a later time.

    Its id follows from `ref`: how often it comes and goes depends on the world, and no other id shall.
    """
    standing = ctx.tx.get(Timer, _the_timer(ref))
    if standing is None or standing.due_at > due_at or (standing.due_at < due_at and not earlier_stands):
        ctx.tx.put(Timer(id=_the_timer(ref), due_at=due_at, kind=kind, ref=ref))
        ctx.tx.timers_changed = True


def clear_the_timer(ctx: Context, ref: str) -> None:
    ctx.tx.delete(Timer, _the_timer(ref))


def _the_timer(ref: str) -> str:
    return f"tmr_{ref}"
