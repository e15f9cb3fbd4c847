"""Adyen's schemes, held to Adyen's own SDK."""

from typing import Any

import pytest
from Adyen.util import is_valid_hmac_notification, is_valid_hmac_payload

from gatecrash.webhooks.signing.adyen import body_signature, item_signature

KEY, OTHER = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056", "AB" * 32
ITEM: dict[str, Any] = {
    "pspReference": "7914073381342284", "originalReference": "", "merchantAccountCode": "Shop", "merchantReference": "order:7",
    "amount": {"currency": "EUR", "value": 1130}, "eventCode": "AUTHORISATION", "success": "true", "reason": "",
}  # fmt: skip


def notification(item: dict[str, Any], key: str) -> dict[str, Any]:
    signed = {**item, "additionalData": {"hmacSignature": item_signature(key, item)}}
    return {"live": "false", "notificationItems": [{"NotificationRequestItem": signed}]}


@pytest.mark.parametrize("without", [(), ("originalReference",), ("merchantReference", "originalReference")])
def test_the_sdk_accepts_an_item_also_without_what_may_be_missing(without: tuple[str, ...]) -> None:
    item = {name: value for name, value in ITEM.items() if name not in without}
    assert is_valid_hmac_notification(notification(item, KEY), KEY)
    assert not is_valid_hmac_notification(notification(item, KEY), OTHER)


def test_the_sdk_refuses_an_item_that_was_changed() -> None:
    told = notification(ITEM, KEY)
    told["notificationItems"][0]["NotificationRequestItem"]["amount"] = {"currency": "EUR", "value": 1}
    assert not is_valid_hmac_notification(told, KEY)


def test_the_sdk_accepts_a_body_signed_as_a_whole() -> None:
    body = '{"type":"recurring.token.created","note":"42 €"}'.encode()
    assert is_valid_hmac_payload(body_signature(KEY, body), KEY, body)
    assert not is_valid_hmac_payload(body_signature(OTHER, body), KEY, body)
    assert not is_valid_hmac_payload(body_signature(KEY, body), KEY, body + b" ")
