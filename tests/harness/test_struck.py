"""What a schedule of the simulated world comes to from outside, and the file that it is kept in."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from gatecrash import resources
from gatecrash.faults.rule import RuleParams, new_rule
from gatecrash.harness import merchant_profile, schedule, story
from gatecrash.harness.explore.fault import Fault
from gatecrash.harness.explore.verdict import Counterexample
from gatecrash.harness.story import StoryError
from gatecrash.harness.worlds.simulated.alphabet import LETTERS
from gatecrash.harness.worlds.simulated.labels import template
from gatecrash.harness.worlds.struck import NoEquivalent, blows

PROFILE = merchant_profile.load(resources.reference_merchant() / "merchant.toml")
STORY = story.load(resources.scenarios() / "happy-path.yaml")


def faults(*texts: str) -> tuple[Fault, ...]:
    return tuple(map(Fault.parse, texts))


@pytest.mark.parametrize("letter", [each for each in LETTERS.values() if each.is_rule], ids=lambda each: each.name)
def test_every_fault_of_the_gateway_is_a_rule_that_it_takes(letter: Any) -> None:
    label = "webhook charge.succeeded" if "webhook" in letter.ways else "charges.create"
    [blow] = blows(faults(f"{label} #3: {letter.name}"), PROFILE)
    assert blow.rule is not None
    assert not blow.kills
    rule = new_rule("rule_1", msgspec.convert(blow.rule, RuleParams), "")
    assert (rule.station, rule.kind, rule.nth, rule.times) == (letter.station, letter.kind, 3, 1)


def test_the_merchant_dies_with_its_call_in_the_gateways_hands() -> None:
    [send, refund] = blows(
        faults(
            "merchant sends GET /v1/charges #2: killed before send",
            "merchant sends POST /v1/charges/{id}/refunds #1: killed before send",
        ),
        PROFILE,
    )
    assert send.kills
    assert send.rule == {"station": "request.received", "kind": "hang", "match": {"operation": "charges.list"}, "nth": 2}
    assert refund.rule is not None
    assert refund.rule["match"] == {"operation": "refunds.create"}


def test_a_call_that_died_with_its_sender_is_not_counted_where_it_never_arrived() -> None:
    *_, same, other = blows(
        faults(
            "merchant sends POST /v1/charges #1: killed before send",
            "charges.create #1: lost request",
            "charges.create #1: lost answer",
        ),
        PROFILE,
    )
    assert same.rule is not None
    assert other.rule is not None
    assert (same.rule["nth"], other.rule["nth"]) == (2, 1)


def test_an_answer_to_the_gateway_is_lost_there_and_one_to_the_customer_here() -> None:
    webhook, page = blows(
        faults(
            "merchant answers POST /webhooks/payment #2: killed before send",
            "merchant answers POST /create-payment #1: killed before send",
        ),
        PROFILE,
    )
    assert webhook.rule == {
        "station": "webhook.acknowledged", "kind": "drop", "match": {"operation": "webhooks.deliver"}, "nth": 2,
    }  # fmt: skip
    assert (webhook.kills, page.kills, page.rule) == (True, True, None)


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("merchant commit #2: killed before commit", "between two commits"),
        ("answer to POST /v1/charges before POST /webhooks/payment #1: swapped", "between two messages on their way"),
        ("merchant sends POST /v2/nothing #1: killed before send", "no operation that is known"),
    ],
)
def test_what_nobody_outside_can_do_is_said(fault: str, why: str) -> None:
    with pytest.raises(NoEquivalent, match=why) as raised:
        blows(faults(fault), PROFILE)
    assert fault in str(raised.value)


def test_ids_are_no_part_of_a_label_and_words_are() -> None:
    assert template("/v1/charges/txn_00000007qcchsfcrgebj/refunds?limit=1") == "/v1/charges/{id}/refunds"
    assert template("/v1/payment_methods") == "/v1/payment_methods"
    assert template("/v1/refunds/{id}") == "/v1/refunds/{id}"


def test_a_counterexample_is_kept_and_read_as_it_was(tmp_path: Path) -> None:
    found = Counterexample(
        oracle="S1", message="charged twice", schedule=faults("charges.create #1: late request"), found_with=(), number=3,
        walk=None, schedules=1, plays=2,
    )  # fmt: skip
    again = schedule.load(schedule.save_simulated(STORY, found, PROFILE, tmp_path, 7))
    assert (again.faults, again.seed, again.violations) == (found.schedule, 7, ("S1",))
    assert again.story.document == STORY.document
    assert again.merchant == PROFILE.path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"world": "dreamt"}, "/world: 'dreamt' is no world; expected real or simulated"),
        ({"schedule": None}, "/schedule: found None; expected a list of faults"),
        (
            {"schedule": ["charges.create: lost answer"]},
            "/schedule/0: 'charges.create: lost answer' is no fault; expected",
        ),
        ({"schedule": ["charges.create #1: flood"]}, "/schedule/0: no kind of fault called 'flood'; there are: lost request, "),
        ({"seed": "dice"}, "/seed: 'dice' is no seed; expected a whole number"),
    ],
)
def test_a_schedule_that_cannot_be_played_says_where_it_is_wrong(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    document = {"gatecrash": "schedule", "world": "simulated", "seed": 0, "schedule": [], "story": STORY.document, **change}
    path = tmp_path / "found.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(StoryError) as raised:
        schedule.load(path)
    assert str(raised.value).startswith(f"{path}: {said}")
