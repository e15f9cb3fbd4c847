"""docs/mutants.md: each counterexample of its table is one in simulated time, and in real processes, too, but for those that lie
where nobody outside can strike. What stories claim to catch in real processes, `test_mutants.py`, they catch in simulated time.
"""

import asyncio
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from gatecrash.harness.demo import play_for_real
from gatecrash.harness.explore.fault import Failure, Fault, Schedule
from gatecrash.harness.explore.pool import Pool
from gatecrash.harness.merchant_profile import reference
from gatecrash.harness.mutants import counts, known
from gatecrash.harness.smallest import player_of
from gatecrash.harness.story import Story, load_all
from gatecrash.harness.variants import in_channels, unbroken
from gatecrash.harness.worlds.struck import NoEquivalent, blows

PAGE = Path(__file__).parents[2] / "docs" / "mutants.md"
MUTANTS = known()
STORIES = {story.name: story for story in load_all()}
#: Of the counterexamples in the table those that lie between two commits of the merchant, or between two messages on their way.
BEYOND_REAL_PROCESSES = frozenset({"no_key", "key_in_memory", "charge_first", "cancel_blindly", "dispute_refunded"})
#: Another counterexample of as many faults: the first is one that no real process can be struck with, or in which a webhook races
#: with a customer, who is slower in real processes.
OTHERS = {
    "no_key": ("happy-path@reconly", "charges.create #1: lost answer"),
    "key_from_token": ("answers-lost-page-reloaded-unbroken@all", "charges.create #1: in flight"),
    "neterr_failed": ("happy-path@reconly", "charges.create #1: lost answer"),
    "refund_unheard": ("refund-request-lost-unbroken@all", "refunds.create #1: crash uncommitted"),
    "recon_by_order": ("decline-then-other-card@all", "merchant sends POST /v1/charges #2: killed before send"),
}


class Row(NamedTuple):
    """A mutant, the oracle that caught it, in which story, and the schedule that was left of the first catch."""

    mutant: str
    oracle: str
    story: Story
    schedule: Schedule


def variant(name: str) -> Story:
    """`refund-answer-lost-unbroken@all` → the story without its faults, with all channels open."""
    plain, _, channels = name.partition("@")
    story = STORIES.get(plain) or unbroken(STORIES[plain.removesuffix("-unbroken")])
    return in_channels([story], [channels])[0] if channels else story


def rows() -> list[Row]:
    table = re.findall(
        r"^\| `(\w+)` \| [^|]+ \| (\w+) \| ([0-9*]+) \| ([^|]+) \| .* \| ([^|]+) \|$", PAGE.read_text("utf-8"), re.M
    )
    return [
        Row(mutant, oracle, variant(story), tuple(map(Fault.parse, faults.split("; "))) if k not in ("0", "*") else ())
        for mutant, oracle, k, story, faults in table
    ]


ROWS = rows()
STRUCK = [row for row in ROWS if row.schedule]


def test_the_page_says_how_many_mutants_there_are() -> None:
    assert f"The reference merchant has {len(MUTANTS)} known bugs" in PAGE.read_text("utf-8")


def test_the_table_has_every_mutant_and_the_oracle_that_its_row_names_or_a_stronger_one() -> None:
    assert [row.mutant for row in ROWS] == list(MUTANTS)
    assert all(counts(row.oracle, MUTANTS[row.mutant].violates) for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.mutant)
def test_what_the_table_shows_is_so_in_simulated_time_and_so_is_what_stories_claim(row: Row) -> None:
    mutant = MUTANTS[row.mutant]
    claims = [story for story in STORIES.values() if row.mutant in story.catches]
    with Pool(player_of(mutant, [row.story, *claims])) as pool:
        shown = pool.play(row.story.name, row.schedule)
        claimed = {story.name: pool.play(story.name, ()) for story in claims}
    assert not isinstance(shown, Failure), shown.detail
    assert shown.fired == row.schedule
    assert row.oracle in {oracle for oracle, _ in shown.violations}
    for story, play in claimed.items():
        assert not isinstance(play, Failure), play.detail
        assert any(counts(oracle, mutant.violates) for oracle, _ in play.violations), (story, play.violations)


@pytest.mark.parametrize("row", [row for row in STRUCK if row.mutant in BEYOND_REAL_PROCESSES], ids=lambda row: row.mutant)
def test_nobody_outside_can_strike_between_two_commits(row: Row) -> None:
    with pytest.raises(NoEquivalent):
        blows(row.schedule, reference(row.mutant))


@pytest.mark.parametrize(
    "row", [row for row in STRUCK if row.mutant not in BEYOND_REAL_PROCESSES - OTHERS.keys()], ids=lambda row: row.mutant
)
def test_and_in_real_processes(row: Row) -> None:
    profile = reference(row.mutant)
    if row.mutant in OTHERS:
        story, fault = OTHERS[row.mutant]
        row = row._replace(story=variant(story), schedule=(Fault.parse(fault),))
    outcome = asyncio.run(play_for_real(row.story, profile, blows(row.schedule, profile)))
    assert any(counts(each.oracle, MUTANTS[row.mutant].violates) for each in outcome.violations), outcome.history
    assert outcome.history.unfired == ()
