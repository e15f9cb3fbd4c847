"""Signing schemes: small functions, bytes in, header values out."""

import hmac
from base64 import b64decode, b64encode
from hashlib import sha256


def standard_webhooks_v1(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """`v1,BASE64` = HMAC-SHA256 over `id.timestamp.body`; the key is what follows `whsec_`, decoded.

    Source: standard-webhooks.md, "Signature scheme".
    """
    key = b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, sha256)
    return "v1," + b64encode(digest).decode()
