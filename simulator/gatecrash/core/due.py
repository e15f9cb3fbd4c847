"""What falls due: each kind of timer and what it does, at its own time, in one transaction.

Webhook attempts are not here: they talk to the world, and are the shell's.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from gatecrash.core import disputes, endpoints, events, payments, refunds, subscriptions, timers
from gatecrash.core.records import Timer
from gatecrash.core.transaction import Context


def _settle_charge(ctx: Context, charge_id: str) -> None:
    subscriptions.answered(ctx, payments.settle_charge(ctx, charge_id))


def _expire_charge(ctx: Context, charge_id: str) -> None:
    subscriptions.answered(ctx, payments.expire_charge(ctx, charge_id))


#: What a timer of some kind does at its time, given what it refers to.
Handler = Callable[[Context, str], None]

HANDLERS: dict[str, Handler] = {
    timers.EVENT_FANS_OUT: events.fan_out,
    timers.DELIVERIES_CANCEL: endpoints.cancel_slice,
    timers.CHARGE_EXPIRES: _expire_charge,
    timers.CHARGE_SETTLES: _settle_charge,
    timers.REFUND_SETTLES: refunds.settle_refund,
    timers.REFUND_FAILS: refunds.fail_refund,
    timers.DISPUTE_OPENS: disputes.open_dispute,
    timers.DISPUTE_LAPSES: disputes.lapse,
    timers.DISPUTE_DECIDED: disputes.decide,
    timers.SUBSCRIPTION_RENEWS: subscriptions.renew,
    timers.SUBSCRIPTION_RETRIES: subscriptions.retry,
}

# what one commit does a slice of: the commit ends there
_SLICES = frozenset({timers.EVENT_FANS_OUT, timers.DELIVERIES_CANCEL})
# how many timers are done in one commit: a long jump neither holds the writer nor grows without end
BATCH = 200


class Done(NamedTuple):
    """How many timers were done, and whether there may be more that are due."""

    timers: int
    has_more: bool


def run_due(ctx: Context, handlers: Mapping[str, Handler] = HANDLERS) -> Done:
    """Do what is due, first due first, what comes of it included; at most BATCH of it, or one slice of deliveries.

    However late it is done, each is done at the time it was due: what it makes bears that time. A slice of deliveries belongs
    to the event or the endpoint that it is about, and counts as no timer of its own. `handlers`: those of the core, and of the
    dialects beside them.
    """
    for done in range(BATCH):
        timer = ctx.tx.due_timer(ctx.now)
        if timer is None:
            return Done(done, has_more=False)
        ctx.tx.delete(Timer, timer.id)
        handlers[timer.kind](ctx._replace(now=timer.due_at), timer.ref)
        if timer.kind in _SLICES:
            return Done(done, has_more=True)
    return Done(BATCH, has_more=True)
