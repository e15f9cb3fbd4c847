"""Native webhooks: Standard Webhooks (github.com/standard-webhooks/standard-webhooks), signed with every valid secret."""

from collections.abc import Sequence

from gatecrash.core.records import Event
from gatecrash.dialects.native.render import encode, event
from gatecrash.webhooks.message import Message
from gatecrash.webhooks.signing import standard


def message(told: Event, secrets: Sequence[str], real_now: int) -> Message:
    """The same body at every attempt; a new timestamp, and so a new signature, at each."""
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
