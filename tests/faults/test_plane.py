"""The plane: what is armed, and letting go of whatever hangs on a rule that is taken away."""

import pytest

from gatecrash.faults.plane import Plane
from gatecrash.faults.rule import FROM_HEADER, Labels, Match, RuleParams, new_rule


def plane(*rules: tuple[str, str]) -> Plane:
    made = Plane()
    for rule_id, operation in rules:
        asked = RuleParams("request.received", "hang", match=Match(operation=operation))
        made.add(new_rule(rule_id, asked, "7"))
    return made


def test_with_no_rule_nothing_is_armed() -> None:
    made = plane()
    assert made.armed == {}
    assert not made.could_strike("request.received", Labels())


def test_only_a_rule_that_matches_and_is_not_exhausted_could_strike() -> None:
    made = plane(("rule_1", "charges.create"))
    assert made.could_strike("request.received", Labels(operation="charges.create"))
    assert not made.could_strike("request.received", Labels(operation="charges.get"))
    assert not made.could_strike("response.sent", Labels(operation="charges.create"))
    made.rules["rule_1"].fired = 1
    made.add(new_rule("rule_2", RuleParams("response.sent", "close"), "7"))
    assert not made.could_strike("request.received", Labels(operation="charges.create"))


@pytest.mark.asyncio
async def test_removing_a_rule_lets_go_of_what_hangs_on_it_alone() -> None:
    made = plane(("rule_1", "charges.create"), ("rule_2", "charges.get"))
    one, two = made.removal("rule_1"), made.removal("rule_2")
    made.remove("rule_1")
    assert (one.is_set(), two.is_set()) == (True, False)
    made.clear()
    assert two.is_set()
    assert made.rules == made.armed == {}


@pytest.mark.asyncio
async def test_a_rule_that_is_gone_before_it_strikes_holds_nobody() -> None:
    made = plane(("rule_1", "charges.create"))
    made.remove("rule_1")
    assert made.removal("rule_1").is_set()


@pytest.mark.asyncio
async def test_a_rule_of_a_header_is_let_go_when_all_are_cleared() -> None:
    made = plane()
    held = made.removal(FROM_HEADER)
    assert not held.is_set()
    made.clear()
    assert held.is_set()
