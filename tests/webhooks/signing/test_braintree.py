"""Braintree's scheme, held to Braintree's own SDK."""

from urllib.parse import parse_qs

import braintree
import pytest
from braintree.exceptions.invalid_signature_error import InvalidSignatureError

from gatecrash.webhooks.signing.braintree import answers_challenge, form

OLD, NEW = "old_public:old_private", "new_public:new_private"
XML = (
    '<notification><timestamp type="datetime">2026-01-31T12:00:00Z</timestamp><kind>check</kind><subject>'
    '<check type="boolean">true</check><note>42 € and long enough to fill more than a single line of base64</note></subject>'
    "</notification>"
).encode()


def gateway(pair: str) -> braintree.BraintreeGateway:
    public, _, private = pair.partition(":")
    return braintree.BraintreeGateway(
        braintree.Configuration(braintree.Environment.Sandbox, merchant_id="m", public_key=public, private_key=private)
    )


def fields(body: bytes) -> tuple[str, str]:
    parsed = parse_qs(body.decode(), strict_parsing=True)
    return parsed["bt_signature"][0], parsed["bt_payload"][0]


@pytest.mark.parametrize("pair", [OLD, NEW])
def test_while_two_pairs_of_keys_overlap_the_sdk_accepts_either(pair: str) -> None:
    told = gateway(pair).webhook_notification.parse(*fields(form([NEW, OLD], XML)))
    assert told.kind == braintree.WebhookNotification.Kind.Check


def test_the_sdk_refuses_another_key_and_another_payload() -> None:
    with pytest.raises(InvalidSignatureError, match="no matching public key"):
        gateway(OLD).webhook_notification.parse(*fields(form([NEW], XML)))
    signature, _ = fields(form([OLD], XML))
    _, payload = fields(form([OLD], XML.replace(b"check", b"bogus")))
    with pytest.raises(InvalidSignatureError, match="does not match"):
        gateway(OLD).webhook_notification.parse(signature, payload)


def test_what_the_sdk_answers_to_a_challenge_proves_that_it_has_the_keys() -> None:
    challenge = "20f9f8ed05f77439fe955c977e4c8a53"
    answer = gateway(OLD).webhook_notification.verify(challenge)
    assert answers_challenge(OLD, challenge, answer + "\n")
    assert not answers_challenge(NEW, challenge, answer)
    assert not answers_challenge(OLD, challenge, "é")
