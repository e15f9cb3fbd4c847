"""Stripe's scheme: `Stripe-Signature: t=…,v1=…`, one `v1` a secret while two overlap.

Source: stripe-python, stripe/_webhook.py. What is signed is `t.body`; the key is the whole secret as text, `whsec_` included.
"""

import hmac
from collections.abc import Sequence
from hashlib import sha256


def signature(secrets: Sequence[str], timestamp: str, body: bytes) -> str:
    """The `Stripe-Signature` header. `timestamp`: Unix seconds of this attempt."""
    signed = timestamp.encode() + b"." + body
    return ",".join([f"t={timestamp}", *(f"v1={hmac.digest(secret.encode(), signed, sha256).hex()}" for secret in secrets)])
