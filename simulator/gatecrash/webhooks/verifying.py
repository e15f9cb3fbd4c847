"""What a careful receiver asks of a webhook before it believes it, by Standard Webhooks."""

import hmac
from collections.abc import Mapping, Sequence

from gatecrash.webhooks.signing.standard import signatures

TOLERANCE_S = 300


def flaw(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> str | None:
    """Why a webhook is not to be trusted; None if it is. `headers` by lower-case name, `now` in Unix seconds."""
    webhook_id, timestamp = headers.get("webhook-id"), headers.get("webhook-timestamp", "")
    given = headers.get("webhook-signature", "").split()
    if not webhook_id or not given or not (timestamp.isascii() and timestamp.isdecimal()):
        return "webhook-id, webhook-timestamp (Unix seconds) or webhook-signature is missing"
    right = signatures(secrets, webhook_id, timestamp, body).split()
    if not any(hmac.compare_digest(ours.encode(), theirs.encode()) for ours in right for theirs in given):
        return "no signature is right"
    if abs(now - int(timestamp)) > TOLERANCE_S:
        return f"the timestamp is more than {TOLERANCE_S} s off"
    return None
