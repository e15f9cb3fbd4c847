"""When a rule strikes: from the nth matching occurrence on, so many times, or as its seed says."""

from typing import Any

import pytest

from gatecrash.faults.rule import Labels, Match, Rule, RuleParams, new_rule
from tests.support.client import Client

CREATE, GET = Labels(operation="charges.create"), Labels(operation="charges.get")


def rule(**asked: Any) -> Rule:
    return new_rule("rule_1", RuleParams("request.received", "reset", **asked), default_seed="7")


def strikes(made: Rule, labels: Labels) -> bool:
    met = made.meets(labels)
    made.fired += met
    return met


def firings(made: Rule, occurrences: int) -> list[int]:
    return [number for number in range(1, occurrences + 1) if strikes(made, CREATE)]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, [1]),
        ({"nth": 3}, [3]),
        ({"times": 2}, [1, 2]),
        ({"nth": 3, "times": 2}, [3, 4]),
        ({"nth": 4, "times": None}, [4, 5, 6]),
        ({"times": None}, [1, 2, 3, 4, 5, 6]),
        ({"nth": 7}, []),
        ({"probability": 1}, [1, 2, 3, 4, 5, 6]),
        ({"probability": 1, "times": 2}, [1, 2]),
        ({"probability": 1, "nth": 5}, [5, 6]),
        ({"probability": 0}, []),
    ],
)
def test_a_rule_strikes_from_its_nth_occurrence_as_often_as_it_is_told(asked: dict[str, Any], expected: list[int]) -> None:
    assert firings(rule(**asked), 6) == expected


def test_only_matching_occurrences_are_counted() -> None:
    made = rule(nth=2, match=Match(operation="charges.create"))
    assert [strikes(made, labels) for labels in (GET, CREATE, GET, GET, CREATE)] == [False, False, False, False, True]
    assert (made.seen, made.fired) == (2, 1)


def test_an_exhausted_rule_counts_no_more() -> None:
    made = rule()
    assert firings(made, 5) == [1]
    assert made.exhausted
    assert made.seen == 1


def test_the_same_seed_and_occurrences_give_the_same_firings() -> None:
    first, again = (firings(rule(probability=0.5, seed=11), 200) for _ in range(2))
    assert first == again
    assert 60 < len(first) < 140, "half of two hundred, roughly"


def test_another_seed_gives_other_firings() -> None:
    runs = {tuple(firings(rule(probability=0.5, seed=seed), 64)) for seed in range(20)}
    assert len(runs) == 20


def test_a_seed_is_the_same_as_a_number_and_as_text() -> None:
    assert firings(rule(probability=0.3, seed=5), 50) == firings(rule(probability=0.3, seed="5"), 50)


def test_without_a_seed_the_sandbox_gives_its_own() -> None:
    assert rule().seed == "7"
    assert firings(rule(probability=0.3), 50) == firings(rule(probability=0.3, seed="7"), 50)


def test_what_a_rule_has_done_decides_what_it_will_do_so_it_can_be_taken_up_again() -> None:
    whole = rule(probability=0.4, seed=3)
    expected = firings(whole, 40)
    first = rule(probability=0.4, seed=3)
    begun = firings(first, 15)
    taken_up = rule(probability=0.4, seed=3)
    taken_up.seen, taken_up.fired = first.seen, first.fired
    assert begun + [15 + number for number in firings(taken_up, 25)] == expected


@pytest.mark.asyncio
async def test_occurrences_are_counted_per_rule_over_the_wire(client: Client) -> None:
    params = {"params": {"status": 503}, "match": {"operation": "charges.list"}}
    rule_id = await client.add_fault("operation.committed", "status", nth=2, times=2, **params)
    statuses = []
    for _ in range(5):
        await client.get("/v1/refunds")
        statuses.append((await client.get("/v1/charges")).status)
    assert statuses == [200, 503, 503, 200, 200]
    shown = (await client.get(f"/_gatecrash/faults/{rule_id}")).json
    assert (shown["seen"], shown["fired"], shown["nth"], shown["times"]) == (3, 2, 2, 2)


@pytest.mark.asyncio
async def test_the_same_seed_fires_the_same_in_two_sandboxes(client: Client) -> None:
    other = client.other()
    runs = []
    for each in (client, other):
        await each.add_fault(
            "request.received", "status", params={"status": 500}, match={"operation": "charges.list"}, probability=0.5, seed=42
        )
        runs.append([(await each.get("/v1/charges")).status for _ in range(24)])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 500}


@pytest.mark.asyncio
async def test_rules_at_one_station_strike_in_the_order_they_were_added(client: Client) -> None:
    await client.add_fault("request.received", "delay", params={"seconds": 0})
    await client.add_fault("request.received", "status", params={"status": 502})
    await client.add_fault("request.received", "status", params={"status": 504}, times=None, nth=2)
    assert [(await client.get("/v1/charges")).status for _ in range(2)] == [502, 504]
    struck = [(entry["fault"], entry["fired"]) for entry in await client.journal("fault")]
    assert struck == [("delay", 1), ("status", 1), ("status", 1)]
