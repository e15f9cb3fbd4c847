"""How few faults it takes to catch a mutant: what it is played, in which order, and the table that comes of it."""

import json
import subprocess
import sys

import pytest

from gatecrash import resources
from gatecrash.harness.channels import CHANNELS
from gatecrash.harness.explore.fault import Fault, Play
from gatecrash.harness.explore.pool import PlayerSpec, Pool
from gatecrash.harness.mutants import counts, known
from gatecrash.harness.smallest import PLAYER, Row, smallest, workloads
from gatecrash.harness.story import load_all

STORIES = load_all()


def caught(name: str, faults: int = 1) -> Row:
    [row] = smallest([known()[name]], STORIES, faults=faults)
    return row


def test_a_mutant_is_played_what_customers_do_in_all_channels_before_the_faults_that_a_story_tells_of() -> None:
    plain, whole = workloads(known()["double_click"], STORIES)
    assert [story.name for story in plain[:5]] == [*(f"happy-path@{each}" for each in CHANNELS), "decline-then-other-card@all"]
    assert "double-click-unbroken@all" in {story.name for story in plain}
    assert not any(story.faults for story in plain)
    assert [story.name for story in whole] == ["double-click", "many-clicks-at-once", "two-tabs-at-once"]


@pytest.mark.parametrize(
    ("mutant", "faults", "story"),
    [
        ("two_tabs", 0, "two-tabs@all"),  # customers alone expose it
        ("slow_hook", 0, "happy-path@hookonly"),  # it waits for status calls, which are dark there
        ("fulfil_sep_tx", 0, "happy-path@hookonly"),
        ("no_key", 1, "happy-path"),
        ("cached_500", 1, "happy-path@reconly"),  # as long as there are webhooks, they make up for it
        ("conflict_409", 1, "happy-path"),
    ],
)
def test_the_first_catch_is_the_one_with_the_fewest_faults(mutant: str, faults: int, story: str) -> None:
    row = caught(mutant)
    assert row.story.startswith(story)
    assert (len(row.schedule), row.whole) == (faults, False)
    assert counts(row.oracle, row.mutant.violates)
    assert row.message


def test_a_forged_webhook_takes_the_story_that_tells_of_it() -> None:
    row = caught("unsigned_ok", faults=0)
    assert (row.oracle, row.schedule) == ("S6", ())


def gatecrash(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gatecrash", "mutants", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def test_the_table_tells_with_how_few_faults_a_mutant_is_caught() -> None:
    done = gatecrash("--world", "simulated", "--faults", "1", "--json", "no_key")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    [row] = said["mutants"]
    assert said["verdict"] == "caught"
    assert (row["name"], row["oracle"], row["faults"], row["own_faults"]) == ("no_key", "S1", 1, False)
    assert row["story"].startswith("happy-path@")
    assert len(row["schedule"]) == 1
    assert 1 < row["schedules"] == said["schedules"]


def test_a_mutant_that_takes_more_faults_than_were_allowed_is_not_caught() -> None:
    [row] = smallest([known()["no_key"]], [STORIES[0]], faults=0)
    assert STORIES[0].name == "happy-path"
    assert (row.caught, row.schedules, row.unplayed) == (False, len(CHANNELS), ())
    assert row.as_json()["caught"] is False


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nonsense",), "no mutant called 'nonsense'; there are: naive, "),
        (("--all",), "--story and --all go with --world real"),
    ],
)
def test_what_does_not_fit_the_simulated_world_is_refused_in_words(arguments: tuple[str, ...], said: str) -> None:
    done = gatecrash("--world", "simulated", *arguments)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize(("mutant", "violated"), [("stale_attempt", {"S1"}), (None, set())])
def test_a_late_failure_of_the_first_card_meets_the_second_payment_within_two_faults(
    mutant: str | None, violated: set[str]
) -> None:
    story = next(each for each in STORIES if each.name == "decline-then-other-card")
    faults = ("webhook charge.failed #1: late", "charges.create #2: in flight")
    kwargs = {"profile_path": str(resources.reference_merchant() / "merchant.toml"), "stories": {story.name: story.document}}
    with Pool(PlayerSpec(PLAYER, {**kwargs, "mutant": mutant})) as pool:
        play = pool.play(story.name, tuple(map(Fault.parse, faults)))
    assert isinstance(play, Play)
    assert tuple(map(str, play.fired)) == faults
    assert {oracle for oracle, _ in play.violations} == violated


def test_a_shop_that_waits_for_what_stays_dark_asks_seldom_enough_to_be_played() -> None:
    [story] = (each for each in workloads(known()["slow_hook"], STORIES)[0] if each.name == "happy-path@hookonly")
    kwargs = {"profile_path": "", "stories": {story.name: story.document}, "mutant": "slow_hook", "tells": True}
    with Pool(PlayerSpec(PLAYER, kwargs)) as pool:
        play = pool.play(story.name, ())
    assert isinstance(play, Play)
    assert play.outcome is not None
    asked = [entry for entry in play.outcome.history.journal if entry.get("operation") == "charges.get"]
    assert 10 < len(asked) < 1000  # ten webhooks are never answered, and each of their handlers goes on asking
