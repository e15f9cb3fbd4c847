"""Idempotency keys: how they are read, and what they mean."""

import pytest

from gatecrash.core.clock import DAY
from gatecrash.core.errors import Refused
from gatecrash.core.idempotency import PRUNE_AT_ONCE, Policy, Stored, claim, keep, look_up, parse_key, prune, release
from gatecrash.core.records import Claim
from tests.support.core import Core

POLICY = Policy()
ONE, OTHER = b"one request-----", b"another request-"
ANSWER = Stored(201, {"Content-Type": "application/json"}, b'{"id":"txn_1"}')


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("k", "k"),
        ("550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440000"),
        ('"550e8400"', "550e8400"),
        ("  padded  ", "padded"),
        ('"with blanks inside"', "with blanks inside"),
        ('"say \\"hi\\""', 'say "hi"'),
        ('"back\\\\slash"', "back\\slash"),
        ('bare"quote', 'bare"quote'),
        ("x" * 255, "x" * 255),
        ('"' + "x" * 255 + '"', "x" * 255),
    ],
)
def test_a_key_is_read_bare_or_quoted(header: str, key: str) -> None:
    assert parse_key(header, POLICY) == key


@pytest.mark.parametrize(
    "header",
    [
        "",
        "   ",
        '""',
        '"',
        '"open',
        '"closed" and more',
        '"bad \\escape"',
        "x" * 256,
        '"' + "x" * 256 + '"',
        "tab\there",
        "nul\0",
        "ünïcode",
        "\x7f",
    ],
)
def test_what_is_no_key_is_refused_under_the_name_of_the_header(header: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_key(header, POLICY)
    assert (refused.value.code, refused.value.param) == ("idempotency_key_invalid", "Idempotency-Key")
    assert refused.value.detail.endswith(".")


def test_a_key_that_holds_a_card_number_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        parse_key("pay-4242424242424242", POLICY)
    assert refused.value.code == "card_number_in_request"
    assert "4242" not in refused.value.detail


def test_the_first_request_finds_nothing(core: Core) -> None:
    assert core.do(look_up, POLICY, "k", ONE) is None


def test_a_kept_answer_is_given_again(core: Core) -> None:
    core.do(keep, POLICY, "k", ONE, ANSWER)
    assert core.do(look_up, POLICY, "k", ONE) == ANSWER


def test_another_request_under_the_same_key_is_refused_whether_the_first_is_done_or_not(core: Core) -> None:
    core.do(claim, POLICY, "k", ONE)
    with pytest.raises(Refused, match="first used with another request") as refused:
        core.do(look_up, POLICY, "k", OTHER)
    assert refused.value.code == "idempotency_key_reused"
    core.do(keep, POLICY, "k", ONE, ANSWER)
    with pytest.raises(Refused, match="first used with another request"):
        core.do(look_up, POLICY, "k", OTHER)


def test_a_request_in_flight_bars_all_but_itself(core: Core) -> None:
    core.do(claim, POLICY, "k", ONE)
    with pytest.raises(Refused) as refused:
        core.do(look_up, POLICY, "k", ONE)
    assert refused.value.code == "idempotency_key_in_use"
    assert refused.value.extra == {"retry_after_s": 1}
    assert core.do(look_up, POLICY, "k", ONE, mine=True) is None


def test_an_answer_is_kept_for_a_day_to_the_millisecond(core: Core) -> None:
    core.do(keep, POLICY, "k", ONE, ANSWER)
    core.now += DAY - 1
    assert core.do(look_up, POLICY, "k", ONE) == ANSWER
    core.now += 1
    assert core.do(look_up, POLICY, "k", ONE) is None
    assert core.do(look_up, POLICY, "k", OTHER) is None


def test_a_claim_that_came_to_nothing_is_released_and_an_answer_never_is(core: Core) -> None:
    core.do(claim, POLICY, "k", ONE)
    core.do(release, POLICY, "k")
    assert core.do(look_up, POLICY, "k", OTHER) is None
    core.do(keep, POLICY, "k", ONE, ANSWER)
    core.do(release, POLICY, "k")
    assert core.do(look_up, POLICY, "k", ONE) == ANSWER
    core.do(release, POLICY, "never seen")


def test_keys_of_two_dialects_never_meet(core: Core) -> None:
    theirs = Policy(scope="stripe")
    core.do(keep, POLICY, "k", ONE, ANSWER)
    assert core.do(look_up, theirs, "k", OTHER) is None
    core.do(keep, theirs, "k", OTHER, Stored(200, {}, b"theirs"))
    assert core.do(look_up, POLICY, "k", ONE) == ANSWER
    assert len(core.find(Claim)) == 2


def test_results_past_their_life_are_removed_and_no_others(core: Core) -> None:
    core.do(keep, POLICY, "old", ONE, ANSWER)
    core.do(keep, Policy(scope="another"), "of another dialect", ONE, ANSWER)
    core.do(claim, POLICY, "in flight", ONE)
    core.now += 1
    core.do(keep, POLICY, "young", ONE, ANSWER)
    core.now += DAY - 2
    assert core.do(prune, POLICY)
    assert len(core.find(Claim)) == 4
    core.now += 1
    assert core.do(prune, POLICY)
    assert {claim.key for claim in core.find(Claim)} == {"of another dialect", "in flight", "young"}


def test_so_many_are_removed_at_once_and_the_rest_is_told_of(core: Core) -> None:
    for number in range(PRUNE_AT_ONCE + 1):
        core.do(keep, POLICY, str(number), ONE, ANSWER)
    core.now += DAY
    assert not core.do(prune, POLICY)
    assert core.do(prune, POLICY)
    assert core.find(Claim) == []
