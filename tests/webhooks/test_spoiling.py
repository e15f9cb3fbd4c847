"""Messages that are not to be believed, whatever dialect made them: other secrets of the same shape, bodies that say more."""

import json
from typing import Any

import pytest

from gatecrash.webhooks.spoiling import tampered, wrong_secret

SECRETS = ["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "44782DEF547AAA06C910C43932B1EB0C", "pgw8tn3zqkr6", "0123456789abcdef"]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_wrong_secret_has_the_shape_of_the_right_one(secret: str) -> None:
    wrong = wrong_secret(secret, "7")
    assert wrong != secret
    assert wrong == wrong_secret(secret, "7") != wrong_secret(secret, "8")
    assert len(wrong) == len(secret)
    assert wrong.partition("_")[0] == "whsec" or "_" not in secret
    sorts = [(char.isdigit(), char.isupper(), char.isalnum()) for char in secret.partition("_")[2]]
    assert [(char.isdigit(), char.isupper(), char.isalnum()) for char in wrong.partition("_")[2]] == sorts


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"id": 1, "data": {"amount": 4200}}, {"id": 1, "data": {"amount": 4201}}),
        ({"amount": {"currency": "EUR", "value": 1000}}, {"amount": {"currency": "EUR", "value": 1001}}),
        ({"gross": {"value": "42.09"}}, {"gross": {"value": "42.00"}}),
        ({"items": [{"live": True}, {"amount": 1.5}]}, {"items": [{"live": True}, {"amount": 2.5}]}),
        ({"id": "evt_9"}, {"id": "evt_0"}),
        ({"type": "x"}, [{"type": "x"}]),
    ],
)
def test_json_stays_json_and_the_first_amount_grows(told: Any, expected: Any) -> None:
    assert json.loads(tampered(json.dumps(told).encode(), {})) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"a.b": 2}, {"a": {"b": 2, "c": [1, 2]}}),
        ({"a.c.1": 9, "d": "new"}, {"a": {"b": 1, "c": [1, 9]}, "d": "new"}),
        ({"e.f.g": True}, {"a": {"b": 1, "c": [1, 2]}, "e": {"f": {"g": True}}}),
    ],
)
def test_changes_are_made_where_they_are_asked_for(changes: dict[str, Any], expected: Any) -> None:
    assert json.loads(tampered(b'{"a":{"b":1,"c":[1,2]}}', changes)) == expected


@pytest.mark.parametrize("body", [b"bt_signature=x&bt_payload=PHhtbD4%3D\n", b"", b"<xml/>", b'{"a":1}'])
def test_there_is_always_a_difference(body: bytes) -> None:
    assert tampered(body, {}) != body
    assert tampered(body, {"a": 1}) != body
