"""A number of workloads, explored by a toy: what is counted, what failed and how small, and what ends it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from gatecrash.harness.explore.bound import Bound
from gatecrash.harness.explore.pool import PlayerSpec, Pool
from gatecrash.harness.explore.progress import Progress
from gatecrash.harness.merchant_profile import reference
from gatecrash.harness.workloads import campaign
from gatecrash.harness.workloads.scope import Scope
from gatecrash.harness.workloads.trials import Trials
from gatecrash.harness.workloads.verdict import Sampled, sampled
from gatecrash.harness.world import SetupFailed
from tests.harness.workloads.toys import KINDS

NO_BUG: Mapping[str, Any] = {}


@contextmanager
def toys(jobs: int = 1, **kwargs: Any) -> Iterator[Pool]:
    with Pool(PlayerSpec("tests.harness.workloads.toys:make", kwargs), jobs) as pool:
        yield pool


def run(faults: int = 1, jobs: int = 1, *, workloads: int = 20, toy: Mapping[str, Any] = NO_BUG, **options: Any) -> Trials:
    with toys(jobs, **toy) as pool:
        trials = Trials(pool, Bound(faults=faults, first_only=True), wanted=workloads, merchant="toy", alphabet=KINDS, **options)
        return campaign.run(trials, Scope.of(reference()))


def said(trials: Trials) -> Sampled:
    return sampled(trials, seconds=1.0)


def test_so_many_workloads_hold_as_were_asked_for_and_are_called_a_sample() -> None:
    trials = run()
    assert (len(trials.held), trials.failed, trials.smaller, trials.interrupted) == (20, None, 0, False)
    verdict = said(trials)
    words = " ".join(verdict.in_words())
    assert verdict.verdict == "held"
    assert "held in 20 workloads made up, up to 1 fault of 2 kinds in each" in words
    assert "A sample, and no proof" in words
    assert "proved" not in words
    assert verdict.of.totals["schedules"] == sum(1 + 2 * len_of(trial) for trial in trials.held)
    assert trials.verbs["place_order"] == 20


def len_of(trial: Any) -> int:
    presses = {"pay", "begin_pay", "double_click", "retry_while_unpaid"}
    return sum(isinstance(step, dict) and next(iter(step)) in presses for step in trial.document["steps"])


def test_how_many_play_at_once_changes_nothing() -> None:
    one, two = run(workloads=10), run(jobs=2, workloads=10)
    assert [trial.document for trial in one.held] == [trial.document for trial in two.held]
    assert [trial.said.totals["schedules"] for trial in one.held] == [trial.said.totals["schedules"] for trial in two.held]


def test_a_workload_that_fails_is_the_last_and_made_small() -> None:
    trials = run(toy={"bug": "two clicks"})
    assert trials.failed is not None
    assert trials.failed.document["steps"] == ["place_order", {"double_click": "visa"}]
    [violation] = trials.failed.said.stories[0].violations
    assert (violation.oracle, violation.schedule) == ("S1", ())
    verdict = said(trials)
    assert (verdict.verdict, verdict.failed) == ("violated", trials.failed.document)
    assert f"violated in the last of {len(trials.held) + 1} workloads made up" in verdict.in_words()[0]


def test_where_the_first_objection_is_no_great_harm_the_worst_is_looked_for() -> None:
    trials = run(workloads=60, toy={"bug": "lost refund"})
    assert trials.failed is not None
    assert trials.failed.document["steps"] == ["place_order", {"pay": "visa"}, "refund"]
    [story] = trials.failed.said.stories
    found = {each.oracle: list(map(str, each.schedule)) for each in story.violations}
    assert found["S8"] == ["charges.create #1: lost answer"]


def test_what_fails_in_some_channels_is_made_small_in_those() -> None:
    trials = run(faults=0, toy={"bug": "two clicks"}, channels=["abandon", "all"])
    assert trials.failed is not None
    assert all(len(trial.stories) == 2 for trial in trials.held)
    [story] = trials.failed.stories
    assert story.name.endswith("@all")
    assert said(trials).failed == story.document


def test_a_workload_that_cannot_be_played_speaks_against_the_verdict() -> None:
    verdict = said(run(toy={"how": "raise"}))
    assert verdict.verdict == "unfinished"
    assert "it cannot be played when nothing strikes: ValueError: cannot play this" in " ".join(verdict.in_words())


def test_what_a_shop_does_not_sell_for_is_left_out_and_told() -> None:
    trials = run(toy={"how": "dollars"})
    assert {trial.document["order"]["currency"] for trial in trials.held} == {"usd"}
    assert [what for what, _ in trials.left_out] == ["orders in eur", "orders in jpy", "orders in kwd"]
    verdict = said(trials)
    assert verdict.verdict == "held"
    assert "Left out: orders in jpy: ValueError: place_order was answered 422." in verdict.in_words()
    with pytest.raises(SetupFailed, match="takes none of the orders that were tried; orders in usd: ValueError: place_order"):
        run(toy={"how": "no sale"})


def test_who_stops_it_is_told_what_was_found_so_far() -> None:
    told: list[Progress] = []
    trials = run(workloads=1000, tell=told.append, stop=lambda: bool(told) and told[-1].stories_done > 0)
    assert trials.interrupted
    assert 0 < len(trials.held) < 1000
    assert told[-1].things == ("workload", "workloads")
    verdict = said(trials)
    assert verdict.verdict == "unfinished"
    assert f"not finished, explored {len(trials.held)} of 1,000 workloads made up" in verdict.in_words()[0]
