"""Verifies webhook signatures as Standard Webhooks defines them (standardwebhooks.com).

Signed are the raw bytes as they came: `ID.TIMESTAMP.BODY`, HMAC-SHA256 with the decoded secret. While a
secret is being rotated the header carries several signatures and we hold several secrets; one match is
enough.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable, Mapping


class SignatureError(Exception):
    """The message is not from the gateway, or not from now. `code` says which."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def signature(secret: str, webhook_id: str, timestamp: str, raw: bytes) -> str:
    """`v1,BASE64` for a body; `secret` is `whsec_BASE64`."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{webhook_id}.{timestamp}.".encode() + raw
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def in_force(secrets: Iterable[str], now: float) -> list[str]:
    """The secrets that are not retired by now, without their terms."""
    parts = (secret.partition("@") for secret in secrets)
    return [secret for secret, _, until in parts if not until or now < float(until)]


def verify(headers: Mapping[str, str], raw: bytes, secrets: Iterable[str], now: float, tolerance_s: float) -> str:
    """The webhook's id if it is signed by one of the secrets within the tolerance, else SignatureError."""
    webhook_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    given = headers.get("webhook-signature", "").split()
    if not webhook_id or not given or not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) < 16):
        raise SignatureError(
            "signature_missing",
            "webhook-id, webhook-timestamp (Unix seconds) and webhook-signature are needed",
        )
    expected = [signature(secret, webhook_id, timestamp, raw).encode() for secret in in_force(secrets, now)]
    if not any(hmac.compare_digest(ours, theirs.encode("utf-8", "replace")) for ours in expected for theirs in given):
        raise SignatureError("signature_invalid", "no signature matches the body under a secret we hold")
    if abs(now - int(timestamp)) > tolerance_s:  # both ways: clocks differ, and so may the future be forged
        raise SignatureError("timestamp_out_of_tolerance", f"the timestamp is more than {tolerance_s:g} s off")
    return webhook_id
