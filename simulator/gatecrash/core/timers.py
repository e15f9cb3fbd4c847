"""Timers: one table for all that falls due, in sandbox time.

A timer is set in the commit that wants it and removed in the commit that did its work, so a crash in between only
means that it falls due again.
"""

from gatecrash.core.records import Timer
from gatecrash.core.transaction import Context

WEBHOOK_ATTEMPT = "webhook.attempt"  # ref: a delivery; run by the courier, since it talks to the world
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
