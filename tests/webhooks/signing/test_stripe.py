"""Stripe's scheme, held to Stripe's own SDK."""

import json
import time

import pytest
import stripe

from gatecrash.webhooks.signing.stripe import signature

OLD, NEW = "whsec_" + "a1" * 16, "whsec_" + "b2" * 16
BODY = json.dumps({"id": "evt_1", "object": "event", "type": "charge.succeeded", "data": {"object": {"note": "42 €"}}}).encode()


def constructed(header: str, secret: str, body: bytes = BODY) -> str:
    return str(stripe.Webhook.construct_event(body, header, secret)["id"])  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_while_two_secrets_overlap_the_sdk_accepts_either(secret: str) -> None:
    assert constructed(signature([NEW, OLD], str(int(time.time())), BODY), secret) == "evt_1"


@pytest.mark.parametrize(
    ("secrets", "age_s", "body"), [([NEW], 0, BODY), ([OLD], 0, BODY + b" "), ([OLD], 301, BODY)], ids=["secret", "body", "stale"]
)
def test_the_sdk_refuses_what_is_forged_tampered_with_or_stale(secrets: list[str], age_s: int, body: bytes) -> None:
    header = signature(secrets, str(int(time.time()) - age_s), BODY)
    with pytest.raises(stripe.SignatureVerificationError):
        constructed(header, OLD, body)
