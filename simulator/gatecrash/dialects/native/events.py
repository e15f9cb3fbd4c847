"""Native events: every fact under its own name, sent as Standard Webhooks (github.com/standard-webhooks/standard-webhooks)."""

from collections.abc import Sequence

import msgspec

from gatecrash.core import events
from gatecrash.core.facts import FACTS, Fact
from gatecrash.core.records import Event
from gatecrash.core.transaction import Context
from gatecrash.dialects.native.calls import NAME
from gatecrash.dialects.native.render import encode, event
from gatecrash.webhooks.message import Message
from gatecrash.webhooks.signing import standard

TYPES = FACTS


def hear(ctx: Context, fact: Fact) -> None:
    """Tell native endpoints of every fact, with the object as it is now."""
    subject = fact.subject
    events.tell(
        ctx, NAME, fact.what, msgspec.to_builtins(subject), fact=fact.what, object_id=subject.id, order_id=subject.order_id,
        amount=subject.amount,
    )  # fmt: skip


def message(told: Event, secrets: Sequence[str], real_now: int) -> Message:
    """The signed webhook: the same body at every attempt, a new timestamp and so a new signature at each."""
    body = encode(event(told))
    timestamp = str(real_now // 1000)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Gatecrash-Webhooks",
        "webhook-id": told.id,
        "webhook-timestamp": timestamp,
        "webhook-signature": standard.signatures(secrets, told.id, timestamp, body),
    }
    return Message(headers, body)
