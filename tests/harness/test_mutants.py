"""`gatecrash mutants`: what counts as caught, who plays what, and the verb as a user runs it."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from gatecrash.harness.history import History
from gatecrash.harness.mutants import Mutant, Unplayed, counts, known, matrix, pairs
from gatecrash.harness.oracles import ORACLES, Violation
from gatecrash.harness.run import Outcome
from gatecrash.harness.story import Story, load_all

NO_KEY = Mutant("no_key", ("S1",), "Sends no idempotency key.")


def outcome(merchant: str, story: str, *oracles: str) -> Outcome:
    return Outcome(
        story=replace(load_all()[0], name=story),
        merchant=merchant,
        history=History(story=story, merchant=merchant, orders=()),
        violations=tuple(Violation(each, "because") for each in oracles),
        seconds=1.0,
    )


@pytest.mark.parametrize(
    ("oracle", "violates", "counted"),
    [
        ("S1", ("S1",), True),
        ("S3", ("S1",), False),  # other harm, no more of it
        ("L1", ("S1",), False),
        ("S1", ("L1",), True),
        ("L2", ("L5",), False),
        ("L1", ("P2",), True),
        ("L1", ("P1", "S1"), True),  # more than the weakest that it names
        ("P2", ("P1", "S1"), False),
        ("expect", ("P2",), False),
        ("S8", ("books",), False),
        ("books", ("books",), True),
    ],
)
def test_what_a_row_names_counts_and_what_does_more_harm(oracle: str, violates: tuple[str, ...], counted: bool) -> None:
    assert counts(oracle, violates) is counted


def test_the_rows_name_oracles_that_there_are() -> None:
    for mutant in known().values():
        assert set(mutant.violates) <= ORACLES.keys() | {"books"}, mutant


#: Mutants that no run in real processes can show, and why.
BEYOND_REAL_PROCESSES: dict[str, str] = {}


def test_every_mutant_has_a_story_that_is_to_catch_it_or_a_reason_why_there_is_none() -> None:
    claimed = {name for story in load_all() for name in story.catches}
    assert claimed.isdisjoint(BEYOND_REAL_PROCESSES)
    assert claimed | BEYOND_REAL_PROCESSES.keys() == known().keys()
    assert all(len(why) > 40 for why in BEYOND_REAL_PROCESSES.values())


def test_every_oracle_is_proved_by_a_mutant_whose_row_names_it() -> None:
    assert {code for mutant in known().values() for code in mutant.violates} == ORACLES.keys()


def story(name: str, *catches: str) -> Story:
    return replace(load_all()[0], name=name, catches=catches)


def test_a_mutant_plays_what_is_to_catch_it_and_the_reference_merchant_all_of_that() -> None:
    one, other, third = story("one", "no_key"), story("other", "naive"), story("third")
    assert pairs([NO_KEY], [one, other, third], every=False) == [(None, one), (NO_KEY, one)]
    assert pairs([NO_KEY], [one, third], every=True) == [(None, one), (None, third), (NO_KEY, one), (NO_KEY, third)]


def test_one_story_that_catches_it_is_enough_and_one_alarm_spoils_everything() -> None:
    runs = [outcome("reference", "a"), outcome("no_key", "a"), outcome("no_key", "b", "P1", "S1")]
    found = matrix([NO_KEY], runs, 1.0)
    assert found.complete
    assert [(each.story, each.counts) for each in found.rows[0].catches] == [("a", False), ("b", True)]
    assert not matrix([NO_KEY], runs[:2], 1.0).complete
    assert not matrix([NO_KEY], [outcome("reference", "a", "L2"), *runs], 1.0).complete
    assert not matrix([NO_KEY], [], 1.0).complete, "a mutant that nobody plays to is not caught"


def test_a_mutant_that_does_not_do_what_the_story_waits_for_is_not_caught_and_stops_nobody() -> None:
    stuck = Unplayed("no_key", load_all()[0], "no fault struck at operation.committed")
    found = matrix([NO_KEY], [stuck, outcome("no_key", "b", "S1")], 1.0)
    assert found.rows[0].caught_in == ("b",)
    [told, _] = found.as_json()["mutants"][0]["stories"]
    assert (told["counts"], told["unplayed"]) == (False, "no fault struck at operation.committed")


def gatecrash(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gatecrash", "mutants", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_a_mutant_that_is_caught_is_told_with_story_and_oracle() -> None:
    done = gatecrash("--mutant", "no_key", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["verdict"], said["reference"]["violations"]) == ("caught", [])
    [row] = said["mutants"]
    assert (row["name"], row["violates"], row["caught"]) == ("no_key", ["S1"], True)
    assert "S1" in row["stories"][0]["oracles"]


def test_a_mutant_that_gets_through_is_told_and_the_exit_code_says_so() -> None:
    done = gatecrash("--mutant", "no_key", "--story", "happy-path")
    assert done.returncode == 1, done.stderr
    assert "no_key  S1        NO      no story" in done.stdout
    assert "0 of 1 mutant caught; the reference merchant is clean in 1 story; 2 runs" in done.stdout


def test_with_all_each_story_is_told_by_what_it_catches_and_what_it_alone() -> None:
    done = gatecrash("--all", "--mutant", "two_tabs", "--story", "two-tabs", "--story", "happy-path")
    assert done.returncode == 0, done.stdout + done.stderr
    worth = done.stdout.partition("STORY")[2].splitlines()
    assert worth[1].split() == ["happy-path", "baseline", "0"]
    assert worth[2].split() == ["two-tabs", "concurrency", "1", "two_tabs"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--mutant", "nonsense"), "no mutant called 'nonsense'; there are: naive, "),
        (("--story", "nonsense"), "no story called 'nonsense'"),
        (("--story", "happy-path"), "name one with --mutant"),
    ],
)
def test_a_name_that_there_is_not_is_refused_in_words(arguments: tuple[str, ...], said: str) -> None:
    done = gatecrash(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
