"""Standard Webhooks: `v1` (HMAC-SHA256, a shared secret) and `v1a` (ed25519, a private key here, its public key there).

Source: standard-webhooks.md, "Signature scheme". What is signed is `id.timestamp.body`.
"""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SECRET, PRIVATE_KEY, PUBLIC_KEY = "whsec_", "whsk_", "whpk_"


def signatures(secrets: Sequence[str], message_id: str, timestamp: str, body: bytes) -> str:
    """The `webhook-signature` header: one signature a secret, of the scheme that the secret is for."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return " ".join(_v1a(secret, signed) if secret.startswith(PRIVATE_KEY) else _v1(secret, signed) for secret in secrets)


def public_key(secret: str) -> str | None:
    """`whsk_…` → the `whpk_…` that verifies; None for a shared secret."""
    if not secret.startswith(PRIVATE_KEY):
        return None
    return PUBLIC_KEY + b64encode(_private_key(secret).public_key().public_bytes_raw()).decode()


def _v1(secret: str, signed: bytes) -> str:
    return "v1," + b64encode(hmac.digest(b64decode(secret.removeprefix(SECRET)), signed, sha256)).decode()


def _v1a(secret: str, signed: bytes) -> str:
    return "v1a," + b64encode(_private_key(secret).sign(signed)).decode()


def _private_key(secret: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(b64decode(secret.removeprefix(PRIVATE_KEY)))
