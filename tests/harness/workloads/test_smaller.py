"""A workload that failed, made small: what is left has nothing that could be taken away."""

from typing import Any

import pytest

from gatecrash.harness.workloads.scope import Scope
from gatecrash.harness.workloads.script import Script, verb
from gatecrash.harness.workloads.smaller import smallest

LONG: dict[str, Any] = {
    "order": {"amount": 7542, "currency": "jpy"},
    "steps": [
        {"place_order": {"amount": 7542, "currency": "jpy", "customer": "grace"}},
        {"begin_pay": "lost_card"},
        "come_back",
        {"edit_order": {"amount": 29}},
        {"double_click": "amex"},
        {"advance": {"seconds": 90000}},
        {"refund": {"amount": 9}},
        {"wait": {"seconds": 2.0}},
        {"refund": {"amount": 1}},
    ],
    "calm_customer": "gone",
}


def does(*verbs: str) -> Any:
    """Fails where all of these happen, so often."""
    return lambda script: all(list(map(verb, script.steps)).count(each) >= verbs.count(each) for each in verbs)


@pytest.mark.parametrize(
    ("fails", "steps"),
    [
        (does("refund"), ["place_order", {"pay": "visa"}, "refund"]),
        (does("refund", "refund"), ["place_order", {"pay": "visa"}, {"refund": {"amount": 9}}, "refund"]),
        (does("double_click"), ["place_order", {"double_click": "visa"}]),
        (does("edit_order"), ["place_order", {"pay": "declined"}, {"edit_order": {"amount": 1999}}]),
        (does("advance"), ["place_order", {"pay": "visa"}, {"advance": {"seconds": 90000}}]),
    ],
)
def test_only_what_it_takes_is_left(fails: Any, steps: list[Any]) -> None:
    small = smallest(LONG, Scope(), fails)
    assert small["steps"] == steps
    assert small["order"] == {"amount": 4200, "currency": "usd"}
    assert "calm_customer" not in small


ORDERS: dict[str, Any] = {
    "order": {"amount": 7542, "currency": "jpy"},
    "steps": [
        *("place_order", {"pay": "visa"}, {"advance": {"seconds": 60}}),
        {"place_order": {"amount": 900, "currency": "eur", "customer": "grace"}},
        *({"begin_pay": "visa"}, {"turn_to_order": 1}, "cancel"),
        *("place_order", {"pay": "amex"}, {"turn_to_order": 2}, "look", {"turn_to_order": 3}, {"refund": {"amount": 9}}),
    ],
}


@pytest.mark.parametrize(
    ("fails", "steps"),
    [
        (does("place_order", "place_order"), ["place_order", {"pay": "visa"}, "place_order"]),
        (does("begin_pay"), ["place_order", {"begin_pay": "visa"}]),
        (does("cancel", "refund"), ["place_order", {"pay": "visa"}, "cancel", "refund"]),
        (
            does("turn_to_order", "look", "refund"),
            ["place_order", "place_order", {"pay": "visa"}, {"turn_to_order": 1}, "look", {"turn_to_order": 2}, "refund"],
        ),
    ],
)
def test_an_order_goes_with_all_that_is_done_about_it(fails: Any, steps: list[Any]) -> None:
    assert smallest(ORDERS, Scope(), fails)["steps"] == steps


def test_what_matters_is_kept() -> None:
    def fails(script: Script) -> bool:
        return script.gone and script.document()["order"]["currency"] == "jpy"

    small = smallest(LONG, Scope(), fails)
    assert small["order"] == {"amount": 4200, "currency": "jpy"}
    assert small["calm_customer"] == "gone"
    assert len(small["steps"]) == 2


def test_it_ends_where_nothing_smaller_fails() -> None:
    assert smallest(LONG, Scope(), lambda script: False) == LONG
