"""Pruning plays less and hides nothing: what is found with it is held to what is found without."""

import pytest

from gatecrash.harness.explore.bound import Bound
from gatecrash.harness.explore.explorer import Explorer
from tests.harness.simulated.test_player import playing


def test_faults_that_come_to_the_same_are_pursued_once() -> None:
    """However often a shop has asked, it is where it would have been."""
    names = ("refund-answer-lost",)
    kinds = frozenset({"lost request", "unavailable", "error after commit"})
    with playing(*names) as pool:
        every, pruned = (
            Explorer(pool, Bound(faults=2, kinds=kinds, prune=prune)).explore(names).searches[names[0]] for prune in (False, True)
        )
    assert pruned.pruned > 0
    assert pruned.schedules < every.schedules
    assert pruned.found == every.found == {}
    assert pruned.states <= every.states


@pytest.mark.parametrize(
    ("mutant", "story", "kinds", "faults"),
    [
        ("stale_attempt", "decline-then-other-card", {"late", "late request", "lost", "in flight", "lost answer"}, 2),
        ("no_key", "happy-path", {"lost answer", "lost", "crash committed", "twice"}, 2),
        ("no_dedupe", "decline-then-other-card", {"twice", "lost answer", "lost", "lost acknowledgment"}, 2),
        ("dedupe_memory", "decline-then-other-card", {"killed before send", "lost acknowledgment", "swapped"}, 2),
        ("failed_after_ok", "decline-then-other-card", {"swapped", "killed before commit"}, 2),
    ],
)
def test_what_oracles_object_to_is_found_with_and_without_pruning(mutant: str, story: str, kinds: set[str], faults: int) -> None:
    with playing(story, mutant=mutant) as pool:
        every, pruned = (
            Explorer(pool, Bound(faults=faults, kinds=frozenset(kinds), prune=prune)).explore([story]).searches[story]
            for prune in (False, True)
        )
    assert every.found.keys() == pruned.found.keys() != set()
    assert {oracle: len(found.schedule) for oracle, found in every.found.items()} == {
        oracle: len(found.schedule) for oracle, found in pruned.found.items()
    }
