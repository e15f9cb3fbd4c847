"""What falls due: each kind of timer and what it does, at its own time, in one transaction.

Webhook attempts are not here: they talk to the world, and are the shell's.
"""

from collections.abc import Callable, Mapping

from gatecrash.core import disputes, payments, refunds, subscriptions, timers
from gatecrash.core.records import Timer
from gatecrash.core.transaction import Context


def _settle_charge(ctx: Context, charge_id: str) -> None:
    subscriptions.answered(ctx, payments.settle_charge(ctx, charge_id))


def _expire_charge(ctx: Context, charge_id: str) -> None:
    subscriptions.answered(ctx, payments.expire_charge(ctx, charge_id))


#: What a timer of some kind does at its time, given what it refers to.
Handler = Callable[[Context, str], None]

HANDLERS: dict[str, Handler] = {
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

# how many timers are done in one commit: a long jump neither holds the writer nor grows without end
BATCH = 200


def run_due(ctx: Context, handlers: Mapping[str, Handler] = HANDLERS) -> int:
    """Do what is due, first due first, what comes of it included; at most BATCH of it. Return how many timers that were.

    `handlers`: those of the core, and of the dialects beside them.

    However late it is done, each is done at the time it was due: what it makes bears that time.
    """
    done = 0
    while done < BATCH and (timer := ctx.tx.due_timer(ctx.now)) is not None:
        ctx.tx.delete(Timer, timer.id)
        handlers[timer.kind](ctx._replace(now=timer.due_at), timer.ref)
        done += 1
    return done
