"""A workload that is written: what makes sense in it, and the story that it becomes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gatecrash.harness.merchant_profile import reference
from gatecrash.harness.story import parse_document
from gatecrash.harness.workloads.scope import Scope
from gatecrash.harness.workloads.script import PAUSES_MAX, PRESSES_MAX, STEPS_MAX, Script, retold

SCOPE = Scope()
ORDER = {"amount": 4200, "currency": "usd"}


def story(*steps: Any, **changes: Any) -> dict[str, Any]:
    return {"order": ORDER, "steps": ["place_order", *steps], **changes}


@pytest.mark.parametrize(
    "steps",
    [
        [{"pay": "declined"}, {"edit_order": {"amount": 950}}, {"pay": "visa"}, "look", {"retry_while_unpaid": "visa"}],
        [{"begin_pay": "visa"}, {"double_click": "visa"}, {"advance": {"seconds": 60}}, "cancel"],
        [{"pay": "visa"}, {"refund": {"amount": 1000}}, "refund"],
        [{"press_at_once": {"card": "visa", "times": 3}}, {"begin_refund": {"amount": 1000}}, "refund"],
        [{"pay": "bank_debit_fails"}, {"pay": "refund_fails"}, "begin_refund"],
        [{"pay": "visa"}, {"place_order": {"amount": 1, "currency": "jpy", "customer": "grace"}}, {"pay": "amex"}, "come_back"],
        ["place_order", {"begin_pay": "visa"}, {"turn_to_order": 1}, {"begin_pay": "amex"}, {"turn_to_order": 2}, "cancel"],
        [{"pay": "visa"}, "look", "place_order", {"turn_to_order": 1}, "look", "next_timer", {"refund": {"amount": 1}}],
    ],
)
def test_what_a_story_tells_is_told_again_word_for_word(steps: list[Any]) -> None:
    script = retold(SCOPE, story(*steps))
    assert script is not None
    document = script.document()
    assert (document["order"], document["steps"]) == (ORDER, ["place_order", *steps])
    assert parse_document(document, Path("made-up.yaml")).name == document["name"]


@pytest.mark.parametrize(
    "steps",
    [
        ["look"],  # nobody has paid
        [{"pay": "declined"}, "refund"],  # nothing was taken
        [{"pay": "bank_debit"}, "refund"],  # not yet
        [{"pay": "disputed"}, "refund_elsewhere"],  # the bank may have the money by then
        [{"pay": "visa"}, {"begin_refund": {"amount": 1000}}, {"begin_refund": {"amount": 1}}],  # one page at a time
        [{"pay": "visa"}, {"begin_refund": {"amount": 1000}}, "refund_elsewhere"],
        [{"press_at_once": {"card": "visa", "times": PRESSES_MAX + 1}}],
        [{"pay": "visa"}, {"refund": {"amount": 4300}}],
        [{"pay": "visa"}, "refund", "refund"],
        [{"pay": "visa"}, {"refund": {"amount": 1000}}, {"refund": {"amount": 1000}}],  # who would know it from a repetition?
        [{"pay": "visa"}, "ship"],  # it was paid at once, and is not shipped by hand
        [{"pay": "visa"}, "cancel", {"pay": "visa"}],
        [{"pay": "visa"}, "refund", "cancel"],
        [{"pay": "visa"}, "look", "look"],
        [{"pay": "visa"}, "look", {"turn_to_order": 1}, "look"],
        [{"pay": "visa"}, {"turn_to_order": 2}, "look"],
        ["place_order", {"pay": "visa"}, {"turn_to_order": 1}, "refund"],  # the other one was paid
        [{"retry_while_unpaid": "declined"}],  # it would never be paid
        [{"pay": "visa"}] * (PRESSES_MAX + 1),
        [{"pay": "visa"}, *["next_timer"] * (PAUSES_MAX + 1)],
    ],
)
def test_what_makes_no_sense_is_not_told(steps: list[Any]) -> None:
    assert retold(SCOPE, story(*steps)) is None


def test_what_comes_next_may_be_about_any_order_and_the_one_at_hand_is_the_first_choice() -> None:
    script = Script(SCOPE)
    for customer in ("ada", "grace", "ada"):
        script.place_order(4200, "usd", later=False, customer=customer)
    assert script.where(lambda script: script.may_refund) == []
    script.turn_to_order(1)
    script.pay("visa")
    assert script.where(lambda script: script.may_refund) == [1]
    assert script.where(Script.may_press) == [1, 3, 2]
    script.turn_to_order(3)
    script.turn_to_order(2)  # on second thoughts
    script.pay("visa")
    script.turn_to_order(1)  # and nothing more
    assert script.steps[3:] == [{"turn_to_order": 1}, {"pay": "visa"}, {"turn_to_order": 2}, {"pay": "visa"}]


def test_the_warehouse_may_not_have_heard_of_a_cancellation() -> None:
    later = {"order": {**ORDER, "capture": "later"}}
    assert retold(SCOPE, story({"pay": "visa"}, "cancel", "ship", **later)) is not None
    assert retold(SCOPE, story({"pay": "visa"}, {"ship": {"amount": 1}}, "ship", "ship", **later)) is None
    assert retold(SCOPE, story({"pay": "visa"}, "ship", "refund", **later)) is not None
    assert retold(SCOPE, story({"pay": "visa"}, "refund", **later)) is None


def test_who_has_gone_does_nothing_more_and_staff_does() -> None:
    script = Script(SCOPE)
    script.place_order(4200, "usd", later=False, customer="ada")
    script.pay("visa")
    script.leave()
    assert not any((script.may_press(), script.may_edit, script.may_cancel, script.may_look, script.may_order))
    assert script.may_refund
    assert script.document()["calm_customer"] == "gone"


def test_a_story_is_never_longer_than_can_be_explored() -> None:
    script = Script(SCOPE)
    script.place_order(4200, "usd", later=False, customer="ada")
    while script.open:
        script.look()
    assert len(script.steps) == STEPS_MAX
    assert not script.may_press()
    assert script.may_end


def test_the_same_workload_has_the_same_name_and_another_one_another() -> None:
    names = [
        made.document()["name"]
        for made in (
            retold(SCOPE, story({"pay": card}, **gone)) for card in ("visa", "amex") for gone in ({}, {"calm_customer": "gone"})
        )
        if made is not None
    ]
    again = retold(SCOPE, story({"pay": "visa"}))
    assert len(set(names)) == len(names) == 4
    assert again is not None
    assert again.document()["name"] == names[0]


def test_a_shop_is_asked_for_what_its_profile_has() -> None:
    profile = reference()
    assert Scope.of(profile) == SCOPE
    call = profile.place_order
    bare = Scope.of(
        replace(
            profile, place_order=replace(call, body={"amount": "{amount}"}), edit_order=None, cancel=None, return_url=None,
            refund=replace(call, body=None), ship=replace(call, body=None),
        )
    )  # fmt: skip
    assert bare == Scope(
        currencies=("usd",), customers=False, later=False, edits=False, cancels=False, ships=False, part_shipped=False,
        part_refunded=False, returns=False,
    )  # fmt: skip
