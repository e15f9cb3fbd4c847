"""Every shipped story: the reference merchant holds in real processes, and lint finds nothing; the naive one is caught by what
the story teaches and by lint, in simulated time, and in real processes where the demo shows it.
"""

from collections.abc import Iterator

import pytest

from gatecrash.harness.demo import STORIES as DEMO
from gatecrash.harness.demo import play_for_real
from gatecrash.harness.explore.fault import Failure
from gatecrash.harness.explore.pool import PlayerSpec, Pool
from gatecrash.harness.merchant_profile import reference
from gatecrash.harness.run import Outcome
from gatecrash.harness.smallest import PLAYER
from gatecrash.harness.story import Story, load_all
from gatecrash.lint import lint

STORIES = load_all()


@pytest.mark.asyncio
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
async def test_the_reference_merchant_survives(story: Story) -> None:
    outcome = await play_for_real(story, reference())
    assert outcome.violations == ()
    assert outcome.history.unfired == (), "a fault that never struck proves nothing"
    assert lint(outcome.history.journal) == []


def assert_caught(outcome: Outcome) -> None:
    """The naive merchant, by the oracles that the story teaches and by lint."""
    story, history = outcome.story, outcome.history
    assert story.teaches <= {violation.oracle for violation in outcome.violations}, history
    looks_up = any(rule.get("match", {}).get("operation") == "charges.list" for rule in story.faults)
    if story.group != "refunds and captures" and not looks_up:  # it neither captures nor gives back, and looks nothing up
        assert history.unfired == ()
    charged = any(not charge.elsewhere for charge in history.charges)
    assert not charged or "post_without_key" in {finding.rule for finding in lint(history.journal)}


@pytest.mark.asyncio
@pytest.mark.parametrize("story", [story for story in STORIES if story.name in DEMO], ids=lambda story: story.name)
async def test_the_naive_merchant_is_caught_in_each_story_of_the_demo(story: Story) -> None:
    assert_caught(await play_for_real(story, reference("naive")))


@pytest.fixture(scope="module")
def naive() -> Iterator[Pool]:
    made = {"profile_path": "", "stories": {story.name: str(story.path) for story in STORIES}, "mutant": "naive", "tells": True}
    with Pool(PlayerSpec(PLAYER, made)) as pool:
        yield pool


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_the_naive_merchant_is_caught_in_simulated_time(naive: Pool, story: Story) -> None:
    play = naive.play(story.name, ())
    if isinstance(play, Failure):  # it has neither refunds nor anything else that a story of these could wait for
        assert not story.teaches, play.detail
        assert "never did what the story" in play.why, play.detail
        return
    assert play.outcome is not None
    assert_caught(play.outcome)
