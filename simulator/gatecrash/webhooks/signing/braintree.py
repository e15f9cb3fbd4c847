"""Braintree's scheme: a form with `bt_signature` and `bt_payload`, and a challenge that proves a URL is the merchant's.

Source: braintree-python, webhook_notification_gateway.py and util/crypto.py. A secret is `PUBLIC:PRIVATE`, a merchant's pair
of API keys; each pair adds a signature, and the receiver looks for the one under its own public key.
"""

import hmac
from base64 import encodebytes
from collections.abc import Sequence
from hashlib import sha1
from urllib.parse import urlencode


def form(secrets: Sequence[str], notification: bytes) -> bytes:
    """The body of the POST: the XML in base64, broken into lines, and its signatures."""
    payload = encodebytes(notification)
    return urlencode({"bt_signature": "&".join(signature(secret, payload) for secret in secrets), "bt_payload": payload}).encode()


def signature(secret: str, payload: bytes) -> str:
    """`PUBLIC|HEX`; the key of the HMAC is the digest of the private key."""
    public, _, private = secret.partition(":")
    # SHA-1 is what the scheme has
    return f"{public}|{hmac.digest(sha1(private.encode()).digest(), payload, sha1).hex()}"  # noqa: S324


def answers_challenge(secret: str, challenge: str, answer: str) -> bool:
    """Whether a URL that was asked `?bt_challenge=` holds the keys."""
    return hmac.compare_digest(signature(secret, challenge.encode()).encode(), answer.strip().encode())
