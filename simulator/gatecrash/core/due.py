"""What falls due: each kind of timer and what it does, at its own time, in one transaction.

Webhook attempts are not here: they talk to the world, and are the shell's.
"""

from collections.abc import Callable

from gatecrash.core import payments, refunds, timers
from gatecrash.core.records import Timer
from gatecrash.core.transaction import Context

HANDLERS: dict[str, Callable[[Context, str], None]] = {
    timers.CHARGE_EXPIRES: payments.expire_charge,
    timers.REFUND_SETTLES: refunds.settle_refund,
    timers.REFUND_FAILS: refunds.fail_refund,
}

# how many timers are done in one commit: a long jump neither holds the writer nor grows without end
BATCH = 200


def run_due(ctx: Context) -> int:
    """Do what is due, first due first, what comes of it included; at most BATCH of it. Returns how many timers that were.

    However late it is done, each is done at the time it was due: what it makes bears that time.
    """
    done = 0
    while done < BATCH and (timer := ctx.tx.due_timer(ctx.now)) is not None:
        ctx.tx.delete(Timer, timer.id)
        HANDLERS[timer.kind](ctx._replace(now=timer.due_at), timer.ref)
        done += 1
    return done
