"""Counterexamples made small, a try at a time."""

import random

import pytest

from gatecrash.harness.explore.fault import Failure, Fault, Play, Point, Schedule, in_words
from gatecrash.harness.explore.shrink import shrink
from tests.harness.explore.toys import Toy, truth


def parsed(*texts: str) -> Schedule:
    return tuple(map(Fault.parse, texts))


def test_six_faults_become_one_in_about_a_dozen_plays() -> None:
    toy = Toy("new key when the answer is lost")
    schedule = parsed(
        "merchant commit #1: crash",
        "charges.create #1: lost request",
        "merchant commit #3: crash",
        "charges.create #2: lost answer",
        "charges.create #3: lost request",
        "webhook charge.succeeded #1: lost",
    )
    assert dict(toy.play("once", schedule).violations).keys() == {"S1"}
    small = shrink(schedule, "S1", lambda tried: toy.play("once", tried))
    assert in_words(small.schedule) == "charges.create #1: lost answer"
    assert small.message == "charged 2 times"
    assert small.plays == toy.plays - 1 <= 14


@pytest.mark.parametrize(
    ("bug", "oracle", "size"),
    [
        ("new key at the third try", "S1", 2),
        ("new key after a crash", "S1", 2),
        ("no dedupe", "S4", 1),
        ("webhook alone", "L1", 1),
    ],
)
def test_no_fault_of_what_is_left_can_be_taken_away(bug: str, oracle: str, size: int) -> None:
    violating = [schedule for schedule, said in truth("twice", bug, 5) if oracle in dict(said)]
    for schedule in random.Random(1).sample(violating, 40):
        toy = Toy(bug)
        small = shrink(schedule, oracle, lambda tried, toy=toy: toy.play("twice", tried)).schedule  # type: ignore[misc]
        assert len(small) == size
        for index in range(size):
            without = small[:index] + small[index + 1 :]
            assert oracle not in dict(Toy(bug).play("twice", without).violations)


def test_the_same_oracle_must_object() -> None:
    """Both faults are needed, though each alone violates something else."""

    def play(schedule: Schedule) -> Play:
        points = (Point("a", 1, ("x",)), Point("b", 1, ("x",)))
        said = {0: (), 1: (("L1", "alone"),), 2: (("S1", "both"),)}[len(schedule)]
        return Play(points, schedule, len(schedule) - 1, (), said, 0.0, "")

    both = parsed("a #1: x", "b #1: x")
    assert shrink(both, "S1", play).schedule == both


def test_kinds_become_simpler_and_occurrences_earlier_where_that_still_violates() -> None:
    points = tuple(Point("a", occurrence, ("simple", "odd", "odder")) for occurrence in range(1, 10))

    def play(schedule: Schedule) -> Play:
        wrong = any(fault.occurrence >= 3 and fault.kind != "simple" for fault in schedule)
        return Play(points, schedule, 0, (), (("S1", "wrong"),) if wrong else (), 0.0, "")

    small = shrink(parsed("a #1: odder", "a #8: odder"), "S1", play)
    assert in_words(small.schedule) == "a #3: odd"


def test_without_a_fault_before_it_the_second_time_becomes_the_first() -> None:
    """A lost request makes a second try; without it the fault that struck that try strikes the first."""

    def play(schedule: Schedule) -> Play:
        kinds = {fault.occurrence: fault.kind for fault in schedule}
        tries = 1
        while kinds.get(tries) == "lost":
            tries += 1
        points = tuple(Point("call", each, ("lost", "bad")) for each in range(1, tries + 1))
        fired = tuple(fault for fault in schedule if fault.occurrence <= tries)
        return Play(points, fired, 0, (), (("S1", "bad"),) if kinds.get(tries) == "bad" else (), 0.0, "")

    small = shrink(parsed("call #1: lost", "call #2: lost", "call #3: bad"), "S1", play)
    assert in_words(small.schedule) == "call #1: bad"


def test_what_does_not_happen_again_is_left_as_it_was() -> None:
    schedule = parsed("charges.create #1: lost answer")
    small = shrink(schedule, "S1", lambda tried: Toy().play("once", tried))
    assert (small.schedule, small.confirmed, small.plays) == (schedule, False, 1)
    assert not shrink(schedule, "S1", lambda tried: Failure("died", "")).confirmed


def test_shrinking_ends_however_much_there_is_to_shrink() -> None:
    points = tuple(Point("a", occurrence, ("x", "y")) for occurrence in range(1, 400))
    schedule = tuple(Fault("a", occurrence, "y") for occurrence in range(1, 400))

    def play(tried: Schedule) -> Play:
        wrong = len(tried) >= 300
        return Play(points, tried, 0, (), (("S1", "wrong"),) if wrong else (), 0.0, "")

    assert shrink(schedule, "S1", play, plays_max=50).plays == 50
