"""Webhooks made by hand and posted to the shop: a stranger's, that no gateway ever sent, and genuine ones in odd clothes."""

import hmac
import json
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from gatecrash.harness.customer import OrderInProgress
from gatecrash.harness.history import TOLERANCE_S, Posted
from gatecrash.harness.world import Reply

#: A stranger's secret: of the right shape, and nobody's.
_WRONG = "whsec_c3RyYW5nZXJzIGtub3cgbm8gc2VjcmV0cyBvZiBvdXJz"
_LAYOUTS: Mapping[str, Mapping[str, Any]] = {
    "compact": {"separators": (",", ":")},
    # valid JSON that no serialiser would write again as it came: keys in another order, and room between all of it
    "odd": {"separators": (" ,\n", "  :\t"), "indent": 3},
}


def forgery(order: OrderInProgress, changes: Mapping[str, Any], now: float) -> dict[str, Any]:
    """An event that claims a payment which never was."""
    data = {
        "id": f"txn_made_up_{order.id}", "object": "charge", "status": "succeeded", "order_id": order.id,
        "currency": order.currency, "amount": order.amount, "amount_captured": order.amount, "amount_refunded": 0,
        "payment_nonce": None, "metadata": {},
    }  # fmt: skip
    return _event(f"evt_made_up_{order.id}", "charge.succeeded", data, changes, now)


def genuine(event: Mapping[str, Any], changes: Mapping[str, Any], now: float) -> dict[str, Any]:
    """An event of the gateway's, told once more."""
    return _event(event["id"], event["type"], event["data"], changes, now)


def _event(event_id: str, event_type: str, data: Mapping[str, Any], changes: Mapping[str, Any], now: float) -> dict[str, Any]:
    """A new type makes it an event of its own, with an id that nobody has seen."""
    if "type" in changes:
        event_id, event_type = f"{event_id}_{changes['type']}", changes["type"]
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    return {"id": event_id, "type": event_type, "timestamp": at, "data": dict(data)}


def sign(
    event: Mapping[str, Any], signature: str, layout: str, at: float, secrets: Mapping[str, str]
) -> tuple[dict[str, str], bytes]:
    """Headers and body, as Standard Webhooks has them.

    `signature` is `valid`, `retired`, `wrong` or `absent`, `secrets` has those of the first two.
    """
    if layout == "odd":
        event = dict(reversed(list(event.items())))
    body = json.dumps(event, **_LAYOUTS[layout]).encode()
    headers = {"Content-Type": "application/json", "webhook-id": str(event["id"]), "webhook-timestamp": str(int(at))}
    if signature != "absent":
        key = b64decode(secrets.get(signature, _WRONG).removeprefix("whsec_"))
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        headers["webhook-signature"] = "v1," + b64encode(hmac.digest(key, signed, "sha256")).decode()
    return headers, body


def posted(order: OrderInProgress, event: Mapping[str, Any], signature: str, age_s: float, how: str, reply: Reply) -> Posted:
    return Posted(
        order=order.id,
        event=str(event["id"]),
        event_type=str(event["type"]),
        genuine=signature == "valid" and abs(age_s) <= TOLERANCE_S,
        how=how,
        status=reply.status or None,
        timed_out=reply.timed_out,
    )
