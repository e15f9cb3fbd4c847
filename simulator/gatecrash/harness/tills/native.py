"""The native till: nonces, JSON, and Standard Webhooks."""

import hmac
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from gatecrash.harness.cards import token_fields
from gatecrash.harness.tills.till import Ask, Claimed, Endpoint, Event, Keys


class NativeTill:
    prefix = "/v1/"
    wrong_secret = "whsec_c3RyYW5nZXJzIGtub3cgbm8gc2VjcmV0cyBvZiBvdXJz"  # noqa: S105 - nobody's

    def __init__(self, ask: Ask, keys: Keys) -> None:
        self._ask, self._keys = ask, keys

    async def pay_with(self, card: str) -> str:
        return str((await self._ask("POST", "/v1/tokens", token_fields(card), key=self._keys.publishable))["id"])

    async def register(self, url: str, secret: str | None) -> Endpoint:
        body = {"url": url} if secret is None else {"url": url, "secret": secret}
        made = await self._ask("POST", "/v1/webhook_endpoints", body)
        return Endpoint(str(made["id"]), str(made["secret"]))

    async def rotate_secret(self, endpoint: str, overlap_s: float) -> str:
        rotated = await self._ask("POST", f"/v1/webhook_endpoints/{endpoint}/rotate_secret", {"overlap_s": overlap_s})
        return str(rotated["secret"])

    async def give_up(self, endpoint: str) -> None:
        await self._ask("DELETE", f"/v1/webhook_endpoints/{endpoint}")

    async def charge(self, source: str, amount: int, currency: str, order_id: str, key: str) -> str:
        body = {"amount": amount, "currency": currency, "payment_nonce": source, "order_id": order_id}
        return str((await self._ask("POST", "/v1/charges", body, headers={"Idempotency-Key": key}))["id"])

    async def refund(self, charge_id: str, ref: str | None, amount: int | None, key: str) -> tuple[str, int]:
        body = {} if amount is None else {"amount": amount}
        made = await self._ask("POST", f"/v1/charges/{charge_id}/refunds", body, headers={"Idempotency-Key": key})
        return str(made["id"]), int(made["amount"])

    async def answer_dispute(self, dispute_id: str, evidence: str, key: str) -> None:
        path, body = f"/v1/disputes/{dispute_id}/evidence", {"text": evidence}
        await self._ask("POST", path, body, headers={"Idempotency-Key": key})

    async def event(self, event_id: str) -> Event:
        found: Event = await self._ask("GET", f"/v1/events/{event_id}")
        return found

    def forgery(self, claimed: Claimed, at: float) -> Event:
        data = {
            "id": f"txn_made_up_{claimed.order_id}", "object": "charge", "status": "succeeded", "order_id": claimed.order_id,
            "currency": claimed.currency, "amount": claimed.amount, "amount_captured": claimed.amount, "amount_refunded": 0,
            "payment_nonce": None, "metadata": {},
        }  # fmt: skip
        return {"id": f"evt_made_up_{claimed.order_id}", "type": "charge.succeeded", "timestamp": _rfc3339(at), "data": data}

    def told_again(self, event: Event, changes: Mapping[str, Any], at: float) -> Event:
        event_id, event_type = event["id"], event["type"]
        if "type" in changes:
            event_id, event_type = f"{event_id}_{changes['type']}", changes["type"]
        return {"id": event_id, "type": event_type, "timestamp": _rfc3339(at), "data": dict(event["data"])}

    def id_and_type(self, event: Event) -> tuple[str, str]:
        return str(event["id"]), str(event["type"])

    def sign(self, event: Event, body: bytes, secret: str | None, at: float) -> Mapping[str, str]:
        headers = {"Content-Type": "application/json", "webhook-id": str(event["id"]), "webhook-timestamp": str(int(at))}
        if secret is not None:
            key = b64decode(secret.removeprefix("whsec_"))
            signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
            headers["webhook-signature"] = "v1," + b64encode(hmac.digest(key, signed, "sha256")).decode()
        return headers


def _rfc3339(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
