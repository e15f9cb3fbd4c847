"""Whole stories in simulated time: the real gateway and the reference merchant, in processes of their own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gatecrash import resources
from gatecrash.harness import story
from gatecrash.harness.explore.bound import Bound
from gatecrash.harness.explore.explorer import Exploration, Explorer
from gatecrash.harness.explore.fault import Failure, Fault, Play
from gatecrash.harness.explore.pool import PlayerSpec, Pool

PROFILE = resources.reference_merchant() / "merchant.toml"
PLAYER = "gatecrash.harness.worlds.simulated.player:make"
STORIES = {each.name: each for each in story.load_all()}


@contextmanager
def playing(*names: str, mutant: str | None = None, seed: int = 0) -> Iterator[Pool]:
    paths = {name: str(STORIES[name].path) for name in names}
    kwargs = {"profile_path": str(PROFILE), "stories": paths, "seed": seed, "mutant": mutant}
    with Pool(PlayerSpec(PLAYER, kwargs)) as pool:
        yield pool


def played(pool: Pool, name: str, *faults: str) -> Play:
    play = pool.play(name, tuple(map(Fault.parse, faults)))
    assert not isinstance(play, Failure), play.detail
    return play


def explored(*names: str, faults: int, mutant: str | None = None, kinds: frozenset[str] | None = None) -> Exploration:
    with playing(*names, mutant=mutant) as pool:
        return Explorer(pool, Bound(faults=faults, kinds=kinds)).explore(names)


def test_every_story_that_holds_with_processes_holds_in_simulated_time() -> None:
    with playing(*STORIES) as pool:
        for name in STORIES:
            assert played(pool, name).violations == (), name


def test_the_same_seed_is_the_same_run_in_any_process_and_another_seed_another(monkeypatch: pytest.MonkeyPatch) -> None:
    def trace(hash_seed: str, seed: int = 0) -> str:
        monkeypatch.setitem(os.environ, "PYTHONHASHSEED", hash_seed)
        with playing("lost-response", "happy-path", seed=seed) as pool:
            played(pool, "happy-path")  # what was played before leaves nothing behind
            return played(pool, "lost-response", "charges.create #2: lost answer").trace

    first = trace("0")
    assert trace("1") == first
    assert trace("random") == first
    assert trace("0", seed=1) != first


def test_no_single_fault_harms_the_reference_merchant_on_the_happy_path() -> None:
    search = explored("happy-path", faults=1).searches["happy-path"]
    assert search.found == {}
    assert search.unplayed == []
    assert search.diverged == 0
    assert search.kinds_fired.keys() == search.kinds_offered


def test_a_fault_strikes_where_it_says_and_leaves_its_mark_in_the_run() -> None:
    fault = "charges.create #1: crash committed"
    with playing("happy-path") as pool:
        calm, struck = played(pool, "happy-path"), played(pool, "happy-path", fault)
    assert struck.fired == (Fault.parse(fault),)
    assert struck.violations == ()
    point = struck.reached[struck.last]
    assert (point.label, "crash committed" in point.kinds) == ("charges.create", True)
    assert struck.trace != calm.trace
    assert not any(struck.states)  # nobody asked


@pytest.mark.parametrize(
    "point", ["merchant commit #2: killed before commit", "merchant sends POST /v1/charges #1: killed before send"]
)
def test_a_merchant_that_dies_before_it_wrote_or_sent_something_comes_back_and_gets_paid(point: str) -> None:
    with playing("happy-path") as pool:
        play = played(pool, "happy-path", point)
    assert play.fired == (Fault.parse(point),)
    assert play.violations == ()


def test_messages_that_are_ready_at_once_come_the_other_way_round() -> None:
    answer_first = "answer to POST /v1/charges before POST /webhooks/payment"
    with playing("happy-path") as pool:
        plain, swapped = played(pool, "happy-path"), played(pool, "happy-path", f"{answer_first} #1: swapped")
    assert answer_first in [point.label for point in plain.reached]
    assert swapped.fired == (Fault.parse(f"{answer_first} #1: swapped"),)
    assert swapped.violations == ()

    def order(play: Play) -> list[str]:
        return [point.label for point in play.reached if point.label.startswith("merchant answers")]

    assert order(plain) == ["merchant answers POST /create-payment", "merchant answers POST /webhooks/payment"]
    assert order(swapped) == order(plain)[::-1]


def test_what_follows_from_a_message_is_no_rival_of_it() -> None:
    """The webhook of a charge never comes before the charge, nor an answer before what was asked."""
    with playing("happy-path") as pool:
        orders = {point.label for point in played(pool, "happy-path").reached if " before " in point.label}
    assert orders == {"answer to POST /v1/charges before POST /webhooks/payment"}


def test_a_shop_without_keys_charges_twice_when_answer_and_webhook_are_lost() -> None:
    kinds = frozenset({"lost answer", "lost"})
    found = explored("happy-path", faults=2, mutant="no_key", kinds=kinds).searches["happy-path"].found
    assert "S1" in found
    assert {fault.kind for fault in found["S1"].schedule} == kinds


def test_a_story_that_is_not_there_is_a_clear_failure(tmp_path: Path) -> None:
    with playing("happy-path") as pool:
        play = pool.play("nobody-wrote-this", ())
    assert isinstance(play, Failure)
