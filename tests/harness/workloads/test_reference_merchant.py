"""The reference merchant and its mutants, against workloads that are made up: it holds, and they are found by these alone."""

from pathlib import Path

import pytest

from gatecrash import resources
from gatecrash.harness import schedule
from gatecrash.harness.explore.bound import Bound
from gatecrash.harness.explore.fault import Fault, Play
from gatecrash.harness.explore.pool import PlayerSpec, Pool
from gatecrash.harness.merchant_profile import reference
from gatecrash.harness.mutants import counts, known
from gatecrash.harness.story import parse
from gatecrash.harness.workloads import campaign
from gatecrash.harness.workloads.printed import as_story
from gatecrash.harness.workloads.scope import Scope
from gatecrash.harness.workloads.script import retold, verb
from gatecrash.harness.workloads.trials import Trial, Trials, worst
from gatecrash.harness.workloads.verdict import sampled
from gatecrash.harness.worlds.simulated.alphabet import LETTERS

PLAYER = "gatecrash.harness.worlds.simulated.player:make"
#: A mutant, up to how many faults, and what it takes, of all that customers and staff do.
FOUND = [
    ("two_tabs", 0, {"pay"}),
    ("double_click", 0, {"double_click"}),
    ("key_new_amount", 0, {"edit_order"}),
    ("key_after_decline", 0, {"pay"}),
    ("key_collides", 0, set()),
    ("money_unit", 0, set()),
    ("capture_cancelled", 0, {"cancel", "ship"}),
    ("refund_twice", 1, {"refund"}),
]
#: No story that is left is longer, with the order that comes first.
STEPS_MAX = 5


def player(mutant: str | None) -> PlayerSpec:
    profile = resources.reference_merchant() / "merchant.toml"
    return PlayerSpec(PLAYER, {"profile_path": str(profile), "stories": {}, "mutant": mutant})


def explored(pool: Pool, mutant: str | None, workloads: int, faults: int, seed: int = 0) -> Trials:
    bound = Bound(faults=faults, first_only=True)
    merchant = reference(mutant)
    trials = Trials(pool, bound, wanted=workloads, merchant=merchant.name, seed=seed, alphabet=LETTERS)
    return campaign.run(trials, Scope.of(merchant))


def failed(pool: Pool, mutant: str, faults: int) -> Trial:
    trials = explored(pool, mutant, 150, faults)
    assert trials.failed is not None, f"{mutant} held in {len(trials.held)} workloads"
    return trials.failed


def test_the_reference_merchant_holds_whatever_customers_and_staff_do_and_whatever_breaks() -> None:
    with Pool(player(None)) as pool:
        trials = explored(pool, None, 10, 1, seed=7)
    said = sampled(trials, seconds=0.0)
    assert said.failed is None, said.failed
    assert said.verdict == "held", said.in_words()
    assert said.of.never_fired == ()


def test_a_call_that_is_late_does_not_come_when_its_key_has_expired() -> None:
    steps = ["place_order", {"pay": "visa"}, {"refund": {"amount": 1}}, {"advance": {"seconds": 90_000}}]
    script = retold(Scope(), {"order": {"amount": 4200, "currency": "usd"}, "steps": steps})
    assert script is not None
    late = Fault.parse("refunds.create #1: late request")
    with Pool(player(None)) as pool:
        pool.bring("late", script.document())
        play = pool.play("late", (late,))
    assert isinstance(play, Play), play
    assert (play.fired, play.violations) == ((late,), ())


@pytest.mark.parametrize(("mutant", "faults", "verbs"), FOUND, ids=[each[0] for each in FOUND])
def test_a_bug_is_found_by_workloads_alone_and_comes_down_to_a_few_steps(
    mutant: str, faults: int, verbs: set[str], tmp_path: Path
) -> None:
    with Pool(player(mutant)) as pool:
        trial = failed(pool, mutant, faults)
        [story], [said] = trial.stories, trial.said.stories
        found = worst(said.violations)
        # who gives back all of it a second time is refused, and blamed for the key alone
        assert found.oracle == "P1" or counts(found.oracle, known()[mutant].violates)
        assert verbs <= set(map(verb, trial.document["steps"]))
        assert len(trial.document["steps"]) <= STEPS_MAX
        assert len(found.schedule) == faults

        printed = as_story(trial.document, found.schedule, reference().patience_s)
        copied = parse(printed, tmp_path / f"{story.name}.yaml")
        pool.bring("copied", copied.document or {})
        objected(pool.play("copied", ()), found.oracle)

        saved = schedule.load(schedule.save_simulated(story, found, reference(mutant), tmp_path, 0))
        pool.bring("saved", saved.story.document or {})
        objected(pool.play("saved", saved.faults or ()), found.oracle)


def objected(play: object, oracle: str) -> None:
    assert isinstance(play, Play), play
    assert oracle in dict(play.violations)
