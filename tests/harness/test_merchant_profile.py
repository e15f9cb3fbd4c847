"""Profiles: templates keep types, pointers find values, words are translated."""

from dataclasses import replace

import pytest

from gatecrash.harness.merchant_profile import Call, fill, reference, resolve


def test_a_placeholder_alone_takes_the_typed_value() -> None:
    template = {
        "amount": "{amount}",
        "note": "order {order_id} for {amount}",
        "list": ["{amount}"],
        "flag": True,
    }
    assert fill(template, {"amount": 4200, "order_id": "o1"}) == {
        "amount": 4200,
        "note": "order o1 for 4200",
        "list": [4200],
        "flag": True,
    }


def test_a_placeholder_without_a_value_is_refused_by_name() -> None:
    with pytest.raises(KeyError, match="order_id"):
        Call(method="GET", path="/orders/{order_id}").fill({})


@pytest.mark.parametrize(
    ("pointer", "found"),
    [
        ("", {"a": [{"b/c": 1}]}),
        ("/a/0/b~1c", 1),
        ("/a/1", None),
        ("/a/x", None),
        ("/nowhere/at/all", None),
    ],
)
def test_a_json_pointer_finds_its_value_or_nothing(pointer: str, found: object) -> None:
    assert resolve({"a": [{"b/c": 1}]}, pointer) == found


def test_the_shops_words_are_translated_and_others_kept() -> None:
    shop = replace(reference(), statuses={"COMPLETE": "PAID"})
    assert [shop.status(word) for word in ("complete", "Failed", "", None, 7)] == [
        "PAID",
        "FAILED",
        None,
        None,
        None,
    ]


def test_a_mutant_is_the_reference_merchant_with_one_flag_more() -> None:
    assert reference("naive").command == (*reference().command, "--mutant", "naive")
    assert reference("naive").name == "naive"
