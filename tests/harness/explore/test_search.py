"""One story's way through its schedules, against the whole truth about a toy."""

import random
from collections.abc import Callable

import pytest

from gatecrash.harness.explore.bound import Bound, Shard
from gatecrash.harness.explore.fault import Failure, Fault, Play, Point, Schedule, in_words
from gatecrash.harness.explore.search import Search
from tests.harness.explore.toys import KINDS, STORIES, Toy, truth

BUGS = ("", "new key when the answer is lost", "new key at the third try", "new key after a crash", "no dedupe", "webhook alone")


def run(search: Search, play: Callable[[str, Schedule, bool], Play | Failure], shuffled: int | None = None) -> list[Schedule]:
    """Plays a search to its end; `shuffled` seeds the order in which plays come back. Returns what was played."""
    played, out = [], []
    while not search.done:
        while (taken := search.take()) is not None:
            out.append(taken)
        if shuffled is not None:
            random.Random(shuffled).shuffle(out)
        number, schedule = out.pop(0)
        played.append(schedule)
        search.give(number, play(search.story, schedule, search.looks(schedule)))
    return played


def figures(search: Search) -> dict[str, object]:
    names = ("schedules", "pruned", "states", "kinds_fired", "kinds_offered", "found", "diverged", "stopped", "unplayed")
    return {name: getattr(search, name) for name in names}


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("bug", BUGS)
@pytest.mark.parametrize("faults", [0, 1, 2, 3])
def test_without_pruning_every_schedule_is_played_once(story: str, bug: str, faults: int) -> None:
    search = Search(story, Bound(faults=faults, prune=False))
    played = run(search, Toy(bug).play)
    whole = dict(truth(story, bug, faults))
    assert sorted(played) == sorted([*whole, ()])  # the fault-free run is played twice
    assert search.schedules == len(whole)
    assert {oracle: found.schedules for oracle, found in search.found.items()} == {
        oracle: sum(oracle in dict(said) for said in whole.values()) for said in whole.values() for oracle in dict(said)
    }
    assert search.diverged == 0


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("bug", BUGS)
def test_pruning_plays_less_and_finds_the_same_with_as_few_faults(story: str, bug: str) -> None:
    every, pruned = Search(story, Bound(faults=3, prune=False)), Search(story, Bound(faults=3))
    run(every, Toy(bug).play)
    run(pruned, Toy(bug).play)
    assert pruned.schedules < every.schedules
    assert pruned.pruned > 0
    assert pruned.states == every.states
    assert {oracle: len(found.schedule) for oracle, found in pruned.found.items()} == {
        oracle: len(found.schedule) for oracle, found in every.found.items()
    }


def in_three_states(story: str, schedule: Schedule, looks: bool = False) -> Play:
    """At b all plays are in the same state, to look at: with the kind y it goes on to a point more, with z an oracle objects."""
    a, b, c = (Point(label, 1, ("x", "y", "z")) for label in "abc")
    reached = (a, b, c) if Fault("a", 1, "y") in schedule else (a, b)
    last = max((index for index, point in enumerate(reached) for fault in schedule if fault.label == point.label), default=-1)
    states = tuple("at b" if point is b and index > last else "" for index, point in enumerate(reached))
    violations = (("S1", "twice"),) if Fault("a", 1, "z") in schedule else ()
    return Play(reached, schedule, last, states, violations, 0.0, "")


def test_a_play_that_comes_into_a_known_state_is_pursued_up_to_there() -> None:
    search = Search("s", Bound(faults=2))
    played = run(search, in_three_states)
    assert search.pruned == 1
    assert not [schedule for schedule in played if len(schedule) == 2 and schedule[0].kind == "x"]


def test_states_that_are_called_the_same_and_go_on_differently_are_both_pursued() -> None:
    """Then the digest leaves something out: better to play too much, and to say so."""
    search = Search("s", Bound(faults=2))
    played = run(search, in_three_states)
    assert search.clashes == 2
    assert {schedule[0].kind for schedule in played if len(schedule) == 2} == {"y", "z"}
    assert search.states == 1


def test_what_one_play_comes_through_again_and_again_is_no_reason_to_leave_it() -> None:
    points = tuple(Point("a", number, ("x",)) for number in range(1, 4))

    def play(story: str, schedule: Schedule, looks: bool = False) -> Play:
        last = max((fault.occurrence - 1 for fault in schedule), default=-1)
        states = tuple("waits" if index > last else "" for index in range(3))
        return Play(points, schedule, last, states, (), 0.0, "")

    search = Search("s", Bound(faults=1))
    assert len(run(search, play)) == 2 + 3
    assert search.clashes == search.pruned == 0


@pytest.mark.parametrize("seed", range(5))
def test_the_order_in_which_plays_come_back_changes_nothing(seed: int) -> None:
    for bound in (Bound(faults=3), Bound(faults=2, first_only=True)):
        in_order, shuffled = Search("twice", bound), Search("twice", bound)
        run(in_order, Toy("new key at the third try").play)
        run(shuffled, Toy("new key at the third try").play, shuffled=seed)
        assert figures(shuffled) == figures(in_order)


def test_the_first_violation_has_the_fewest_faults_and_may_end_the_story() -> None:
    whole, first = Search("once", Bound(faults=3)), Search("once", Bound(faults=3, first_only=True))
    run(whole, Toy("new key after a crash").play)
    run(first, Toy("new key after a crash").play)
    assert first.found["S1"].schedule == whole.found["S1"].schedule
    assert in_words(first.found["S1"].schedule) == "merchant commit #1: crash; charges.create #1: lost answer"
    assert first.schedules == first.found["S1"].number < whole.schedules
    assert first.stopped
    assert first.estimate() == 0


def test_only_the_kinds_that_were_asked_for_strike() -> None:
    search = Search("once", Bound(faults=2, kinds=frozenset({"crash", "twice"})))
    run(search, Toy().play)
    assert set(search.kinds_fired) == {"crash", "twice"}
    assert search.kinds_offered == {kind for kinds in KINDS.values() for kind in kinds}


@pytest.mark.parametrize("of", [2, 3, 7])
def test_shards_together_play_everything_once_but_the_fault_free_run(of: int) -> None:
    whole = run(Search("twice", Bound(faults=3, prune=False)), Toy().play)
    shards = [run(Search("twice", Bound(faults=3, prune=False, shard=Shard(each, of))), Toy().play) for each in range(1, of + 1)]
    assert sorted(schedule for shard in shards for schedule in shard if schedule) == sorted(filter(None, whole))
    assert all(shard.count(()) == 2 for shard in shards)


def test_a_fault_that_does_not_strike_is_counted_and_named() -> None:
    class Shy(Toy):
        def play(self, story: str, schedule: Schedule, looks: bool = False) -> Play:
            return super().play(story, tuple(fault for fault in schedule if fault.kind != "twice"), looks)

    search = Search("once", Bound(faults=1))
    run(search, Shy().play)
    assert search.diverged == 1
    assert search.diverged_examples == [(Fault("webhook charge.succeeded", 1, "twice"),)]


def test_a_fault_free_run_that_is_not_the_same_twice_is_noticed() -> None:
    for forgetful in (False, True):
        search = Search("once", Bound(faults=1))
        run(search, Toy(forgetful=forgetful).play)
        assert search.nondeterministic is forgetful


def test_a_story_that_cannot_be_played_is_given_up() -> None:
    toy = Toy()

    def play(story: str, schedule: Schedule, looks: bool = False) -> Play | Failure:
        return Failure("no", "") if any(fault.kind == "crash" for fault in schedule) else toy.play(story, schedule)

    search = Search("twice", Bound(faults=2))
    run(search, play)
    assert len(search.unplayed) == 3
    assert search.stopped
    none = Search("twice", Bound(faults=2))
    run(none, lambda story, schedule, looks: Failure("no", ""))
    assert (len(none.unplayed), none.schedules, none.stopped) == (1, 0, True)


def test_the_estimate_ends_at_nothing_and_is_near_the_truth_on_the_way() -> None:
    search, toy = Search("twice", Bound(faults=3, prune=False)), Toy()
    total = len(dict(truth("twice", "", 3)))
    estimates = []
    while not search.done:
        taken = search.take()
        assert taken is not None
        search.give(taken[0], toy.play("twice", taken[1]))
        estimates.append(search.schedules + search.estimate())
    assert estimates[-1] == total
    assert estimates[len(estimates) // 4] == pytest.approx(total, rel=0.5)


def test_a_point_offers_its_kinds_in_order_and_children_come_in_the_order_of_the_run() -> None:
    search = Search("s", Bound(faults=1))
    points = (Point("b", 1, ("y", "x")), Point("a", 1, ("z",)))
    root = Play(points, (), -1, ("", ""), (), 0.0, "t")
    for _ in range(2):
        taken = search.take()
        assert taken is not None
        search.give(taken[0], root)
    assert list(map(in_words, search.pending)) == ["b #1: y", "b #1: x", "a #1: z"]
