"""Facts: what happened to the money. Each dialect hears a fact in the commit that made it true, and tells its own endpoints."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from gatecrash.core.records import Charge, Dispute, Refund, Subscription

if TYPE_CHECKING:
    from gatecrash.core.transaction import Context

FACTS: tuple[str, ...] = (
    "charge.succeeded", "charge.failed", "charge.authorized", "charge.processing", "charge.captured", "charge.voided",
    "charge.expired", "refund.succeeded", "refund.failed", "dispute.opened", "dispute.updated", "dispute.funds_withdrawn",
    "dispute.funds_reinstated", "dispute.won", "dispute.lost", "dispute.closed", "subscription.created",
    "subscription.renewed", "subscription.past_due", "subscription.updated", "subscription.canceled",
)  # fmt: skip

Subject = Charge | Refund | Dispute | Subscription


class Fact(NamedTuple):
    """`what` happened, one of FACTS, and the record it happened to, as it is now."""

    what: str
    subject: Subject


Hearer = Callable[["Context", Fact], None]


def emit(ctx: "Context", what: str, subject: Subject) -> None:
    """State that `what` happened to `subject`; every dialect hears it, in the order of `ctx.hearers`."""
    assert what in FACTS, what
    fact = Fact(what, subject)
    for hear in ctx.hearers:
        hear(ctx, fact)
