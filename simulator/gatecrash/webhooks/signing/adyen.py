"""Adyen's two schemes: over chosen fields of a notification item, and over the raw body of newer webhooks.

Source: adyen-python-api-library, Adyen/util.py. Keys are hex. There is one signature only, so a receiver that changes over
tries both keys.
"""

import hmac
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any


def item_signature(key: str, item: Mapping[str, Any]) -> str:
    """`additionalData.hmacSignature` of a NotificationRequestItem. Colons inside the fields are not escaped."""
    amount = item.get("amount") or {}
    fields = (
        item.get("pspReference"), item.get("originalReference"), item.get("merchantAccountCode"), item.get("merchantReference"),
        amount.get("value"), amount.get("currency"), item.get("eventCode"), item.get("success"),
    )  # fmt: skip
    return body_signature(key, ":".join("" if field is None else str(field) for field in fields).encode())


def body_signature(key: str, body: bytes) -> str:
    """The `HmacSignature` header of webhooks that are signed as a whole."""
    return b64encode(hmac.digest(bytes.fromhex(key), body, sha256)).decode()
